//! Which hooks still wait for their turn. Pure.

use std::collections::VecDeque;

use super::Kind;

/// Most hooks that wait; an older one gives way.
pub(super) const WAITING_MAX: usize = 256;

/// Hooks that wait, in order.
#[derive(Debug)]
pub(super) struct Waiting<E>(VecDeque<E>);

/// What decides about an entry.
pub(super) trait Entry {
    fn instance(&self) -> &str;
    fn kind(&self) -> Kind;
}

impl<E> Default for Waiting<E> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<E: Entry> Waiting<E> {
    /// The entries that an event of this kind makes pointless, taken out.
    pub(super) fn supersede(&mut self, instance: &str, kind: Kind) -> Vec<E> {
        let is_over = |entry: &E| entry.instance() == instance && is_over(entry.kind(), kind);
        let all = std::mem::take(&mut self.0);
        let (over, left) = all.into_iter().partition(|entry| is_over(entry));
        self.0 = left;
        Vec::from(over)
    }

    /// Queues an entry behind the others. The oldest one comes out when they are too many.
    pub(super) fn push(&mut self, entry: E) -> Option<E> {
        self.0.push_back(entry);
        if self.0.len() > WAITING_MAX {
            self.0.pop_front()
        } else {
            None
        }
    }

    /// The next one whose turn it is.
    pub(super) fn pop(&mut self) -> Option<E> {
        self.0.pop_front()
    }

    /// Takes out all for which that holds.
    pub(super) fn take_where(&mut self, is_wanted: impl Fn(&E) -> bool) -> Vec<E> {
        let all = std::mem::take(&mut self.0);
        let (taken, left) = all.into_iter().partition(|entry| is_wanted(entry));
        self.0 = left;
        Vec::from(taken)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &E> {
        self.0.iter()
    }
}

/// Whether a hook that still waits has nothing to say once a newer one has come: it speaks of
/// a state that is past. A fault is no state of its own: what was found is told even when the
/// node has given up meanwhile.
fn is_over(waiting: Kind, newer: Kind) -> bool {
    match newer {
        Kind::AfterFault => waiting == Kind::AfterFault,
        Kind::BeforeRelease => matches!(waiting, Kind::AfterActive | Kind::BeforeRelease),
        Kind::AfterActive | Kind::AfterRelease => waiting != Kind::AfterFault,
    }
}

#[cfg(test)]
mod tests {
    use Kind::{AfterActive, AfterFault, AfterRelease, BeforeRelease};

    use super::*;

    impl Entry for (&'static str, Kind) {
        fn instance(&self) -> &str {
            self.0
        }

        fn kind(&self) -> Kind {
            self.1
        }
    }

    fn all() -> [Kind; 4] {
        [AfterActive, BeforeRelease, AfterRelease, AfterFault]
    }

    #[test]
    fn a_newer_state_makes_older_ones_of_its_instance_pointless() {
        let over = |newer: Kind| -> Vec<Kind> {
            let mut waiting = Waiting::default();
            for kind in all() {
                waiting.push(("web", kind));
                waiting.push(("mail", kind));
            }
            let over = waiting.supersede("web", newer);
            assert!(over.iter().all(|(instance, _)| *instance == "web"));
            assert_eq!(over.len() + waiting.iter().count(), 8);
            over.into_iter().map(|(_, kind)| kind).collect()
        };
        let states = [AfterActive, BeforeRelease, AfterRelease];
        assert_eq!(over(AfterActive), states);
        assert_eq!(over(AfterRelease), states);
        assert_eq!(over(BeforeRelease), [AfterActive, BeforeRelease]);
        assert_eq!(over(AfterFault), [AfterFault]);
    }

    #[test]
    fn the_order_is_kept_and_the_queue_is_bounded() {
        let mut waiting = Waiting::default();
        for kind in all() {
            assert_eq!(waiting.push(("web", kind)), None);
        }
        for _ in all().len()..WAITING_MAX {
            assert_eq!(waiting.push(("mail", AfterFault)), None);
        }
        let oldest = waiting.push(("mail", AfterFault));
        assert_eq!(oldest, Some(("web", AfterActive)));
        assert_eq!(waiting.pop(), Some(("web", BeforeRelease)));
        let taken = waiting.take_where(|(instance, _)| *instance == "web");
        assert_eq!(taken.len(), 2);
        assert_eq!(waiting.pop(), Some(("mail", AfterFault)));
    }
}
