//! A list of small values with a fixed capacity.

use std::fmt;

/// Up to `N` values, in place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Bounded<T, const N: usize> {
    /// The first ones are taken, the others are `None`.
    values: [Option<T>; N],
}

impl<T: Copy, const N: usize> Bounded<T, N> {
    /// An empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self { values: [None; N] }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.first().is_none_or(Option::is_none)
    }

    /// Appends; a full list stays as it is and says so.
    pub fn push(&mut self, value: T) -> bool {
        match self.values.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => {
                *slot = Some(value);
                true
            }
            None => false,
        }
    }

    /// Appends; a full list loses its first.
    pub fn push_over(&mut self, value: T) {
        if !self.push(value) {
            self.pop_front();
            self.push(value);
        }
    }

    /// Takes the first.
    pub fn pop_front(&mut self) -> Option<T> {
        let first = self.values.first_mut()?.take();
        self.values.rotate_left(1);
        first
    }

    /// From the first to the last.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.values.iter().flatten()
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.values = [None; N];
    }
}

impl<T: Copy + PartialEq, const N: usize> Bounded<T, N> {
    /// Whether the value is in it.
    pub fn contains(&self, value: &T) -> bool {
        self.iter().any(|v| v == value)
    }
}

impl<T: Copy, const N: usize> Default for Bounded<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

/// The first `N`.
impl<T: Copy, const N: usize> FromIterator<T> for Bounded<T, N> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut list = Self::new();
        for value in values.into_iter().take(N) {
            list.push(value);
        }
        list
    }
}

impl<T: fmt::Debug + Copy, const N: usize> fmt::Debug for Bounded<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
