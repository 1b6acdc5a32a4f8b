//! A thread that writes a file: a disk that hangs keeps it, and nobody else. Not a task of the
//! runtime, whose end would wait for it.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::minute::OncePerMinute;
use super::private::{self, Existing, Refusal};

/// Time between two tries of what could not be written.
const RETRY: Duration = Duration::from_secs(5);

/// What is to be written: the newest only.
#[derive(Debug, Default)]
struct Order<T> {
    value: T,
    number: u64,
    ended: bool,
}

#[derive(Debug, Default)]
struct Shared<T> {
    order: Mutex<Order<T>>,
    changed: Condvar,
    waiting: Mutex<OncePerMinute>,
}

/// The last try.
#[derive(Debug, Clone)]
struct Done {
    number: u64,
    result: Result<(), String>,
}

/// The other side of the thread.
#[derive(Debug)]
pub(super) struct Writer<T> {
    shared: Arc<Shared<T>>,
    done: watch::Receiver<Done>,
    path: PathBuf,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Clone + Default + Send + 'static> Writer<T> {
    /// Starts the thread, which writes the file of this path with `write`. `what` it keeps is
    /// for its complaints.
    pub(super) fn start(
        path: PathBuf,
        what: &'static str,
        mut write: impl FnMut(&Path, &T) -> Result<(), Refusal> + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let nothing = Done {
            number: 0,
            result: Ok(()),
        };
        let (sender, done) = watch::channel(nothing);
        let thread = (shared.clone(), path.clone());
        std::thread::Builder::new()
            .name("disk".to_owned())
            .spawn(move || run(&thread.0, (&thread.1, what), &sender, &mut write))?;
        Ok(Self { shared, done, path })
    }

    /// Has this written, and returns the number of the order.
    pub(super) fn submit(&self, value: T) -> u64 {
        let mut order = held(&self.shared.order);
        order.value = value;
        order.number += 1;
        self.shared.changed.notify_one();
        order.number
    }

    /// Waits until an order was tried, this one or a later.
    pub(super) async fn written(&self, number: u64) -> Result<(), String> {
        let mut done = self.done.clone();
        match done.wait_for(|done| done.number >= number).await {
            Ok(done) => done.result.clone(),
            Err(_) => Err("the thread that writes it has ended".to_owned()),
        }
    }

    /// Says, once a minute, that the disk is slow.
    pub(super) fn warn_of_waiting(&self) {
        if held(&self.shared.waiting).pass(Instant::now()).is_some() {
            tracing::warn!(
                "{}: the disk is slow; the service does not wait for it",
                self.path.display()
            );
        }
    }

    pub(super) fn problem(&self) -> Option<String> {
        let done = self.done.borrow();
        let late = held(&self.shared.order).number > done.number;
        match &done.result {
            Err(reason) => Some(reason.clone()),
            Ok(()) if late => Some(format!("{}: not written yet", self.path.display())),
            Ok(()) => None,
        }
    }
}

impl<T> Drop for Writer<T> {
    fn drop(&mut self) {
        held(&self.shared.order).ended = true;
        self.shared.changed.notify_one();
    }
}

/// Writes the newest order until there is no other side any more. What failed is tried again.
fn run<T: Clone>(
    shared: &Shared<T>,
    (path, what): (&Path, &str),
    sender: &watch::Sender<Done>,
    write: &mut dyn FnMut(&Path, &T) -> Result<(), Refusal>,
) {
    // They take room; nothing depends on them.
    let _ = private::remove_leftovers(path);
    let mut minute = OncePerMinute::default();
    loop {
        // A borrow that is held here would wait for itself when the result is sent.
        let last = sender.borrow().clone();
        let Some((value, number)) = next(shared, &last) else {
            return;
        };
        let result = write(path, &value).map_err(|refusal| refusal.to_string());
        if let Err(reason) = &result
            && minute.pass(Instant::now()).is_some()
        {
            tracing::warn!("{reason}; {what} are not stored, the service goes on");
        }
        sender.send_replace(Done { number, result });
    }
}

/// Waits for what is to be written; `None` at the end.
fn next<T: Clone>(shared: &Shared<T>, done: &Done) -> Option<(T, u64)> {
    let mut order = held(&shared.order);
    while order.number == done.number && !order.ended {
        if done.result.is_ok() {
            order = shared
                .changed
                .wait(order)
                .unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        let (again, wait) = shared
            .changed
            .wait_timeout(order, RETRY)
            .unwrap_or_else(PoisonError::into_inner);
        order = again;
        if wait.timed_out() {
            break;
        }
    }
    // What was ordered before the end is still written, once.
    let more = order.number > done.number || !order.ended;
    more.then(|| (order.value.clone(), order.number))
}

/// Writes a file, and makes its directory when it has vanished.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Refusal> {
    if let Some(directory) = path.parent()
        && !directory.exists()
    {
        // When it cannot be made, the write says why.
        let _ = DirBuilder::new().mode(0o700).create(directory);
    }
    private::write(path, text.as_bytes(), Existing::Replace, |_| Ok(()))
}
