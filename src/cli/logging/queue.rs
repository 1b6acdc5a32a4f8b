//! The bounded queue between those who log and the thread that writes.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::destination::Destination;
use super::line::Record;

/// Lines kept while the destination is blocked; at under 4 KiB each, 4 MiB at most.
const CAPACITY: usize = 1024;

/// Lines with the destination that was set when they were logged.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// A line was added or the queue closed.
    filled: Condvar,
    /// Everything has been written.
    emptied: Condvar,
}

#[derive(Debug)]
struct State {
    lines: VecDeque<(Arc<Destination>, Record)>,
    destination: Arc<Destination>,
    /// A line has been taken and is not written yet.
    writing: bool,
    closed: bool,
    /// Lines lost since the start.
    lost: u64,
    /// Of those, the ones not yet told of.
    untold: u64,
}

impl Queue {
    pub(super) fn new(destination: Destination) -> Self {
        Self {
            state: Mutex::new(State {
                lines: VecDeque::new(),
                destination: Arc::new(destination),
                writing: false,
                closed: false,
                lost: 0,
                untold: 0,
            }),
            filled: Condvar::new(),
            emptied: Condvar::new(),
        }
    }

    /// Nothing is left half done by a panic while the lock is held.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line; when the queue is full the line is lost instead.
    pub(super) fn push(&self, record: Record) {
        let mut state = self.lock();
        if state.lines.len() >= CAPACITY {
            state.lose(1);
            return;
        }
        let destination = Arc::clone(&state.destination);
        state.lines.push_back((destination, record));
        drop(state);
        self.filled.notify_one();
    }

    /// Takes the oldest line, waiting for one; `None` once the queue is closed and empty.
    pub(super) fn pop(&self) -> Option<(Arc<Destination>, Record)> {
        let mut state = self.lock();
        state.writing = false;
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.writing = true;
                return Some(line);
            }
            self.emptied.notify_all();
            if state.closed {
                return None;
            }
            state = self
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether lines for this destination should still wait for it.
    pub(super) fn wants(&self, destination: &Arc<Destination>) -> bool {
        let state = self.lock();
        !state.closed && Arc::ptr_eq(&state.destination, destination)
    }

    pub(super) fn redirect(&self, destination: Destination) {
        let mut state = self.lock();
        if *state.destination != destination {
            state.destination = Arc::new(destination);
        }
    }

    pub(super) fn destination(&self) -> Arc<Destination> {
        Arc::clone(&self.lock().destination)
    }

    /// Waits until every line has been written or lost, for `limit` at most.
    pub(super) fn wait_empty(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        while state.writing || !state.lines.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            (state, _) = self
                .emptied
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    /// Counts lines that did not reach their destination.
    pub(super) fn lose(&self, count: u64) {
        self.lock().lose(count);
    }

    /// Lines lost since the start.
    pub(super) fn lost(&self) -> u64 {
        self.lock().lost
    }

    /// Lines lost since this was last asked.
    pub(super) fn take_untold(&self) -> u64 {
        std::mem::take(&mut self.lock().untold)
    }
}

impl State {
    fn lose(&mut self, count: u64) {
        self.lost += count;
        self.untold += count;
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::notice;
    use super::*;

    #[test]
    fn a_full_queue_loses_the_newest_and_counts_them() {
        let queue = Queue::new(Destination::Stderr);
        for number in 0..CAPACITY + 3 {
            queue.push(notice(&number.to_string()));
        }
        assert_eq!(queue.lost(), 3);
        assert_eq!(queue.take_untold(), 3);
        assert_eq!(queue.take_untold(), 0);
        queue.close();
        let mut last = None;
        while let Some((_, record)) = queue.pop() {
            last = Some(record.text);
        }
        assert_eq!(last, Some((CAPACITY - 1).to_string()));
    }

    #[test]
    fn lines_keep_the_destination_of_their_time() {
        let queue = Queue::new(Destination::Stderr);
        queue.push(notice("old"));
        let old = queue.destination();
        queue.redirect(Destination::Stdout);
        queue.push(notice("new"));
        queue.close();
        let destinations: Vec<_> = std::iter::from_fn(|| queue.pop())
            .map(|(destination, _)| Destination::clone(&destination))
            .collect();
        assert_eq!(destinations, [Destination::Stderr, Destination::Stdout]);
        assert!(!queue.wants(&old));
    }

    #[test]
    fn waiting_for_an_empty_queue_ends_at_the_limit() {
        let queue = Queue::new(Destination::Stderr);
        assert!(queue.wait_empty(Duration::ZERO));
        queue.push(notice("stuck"));
        assert!(!queue.wait_empty(Duration::from_millis(1)));
    }
}
