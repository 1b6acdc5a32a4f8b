//! Counters in columns of nine.

use std::fmt;

/// A counter, right-justified in nine columns.
///
/// From 100,000,000 on it is cut, never rounded, to decimal units; when exact it is
/// written in full and the column grows with it, keeping one blank before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figure {
    pub(super) value: u64,
    pub(super) exact: bool,
}

/// Smallest value written in each unit, the divisor, its letter.
const UNITS: [(u64, u64, char); 4] = [
    (100_000_000_000_000, 1_000_000_000_000, 'T'),
    (100_000_000_000, 1_000_000_000, 'G'),
    (1_000_000_000, 1_000_000, 'M'),
    (100_000_000, 1_000, 'K'),
];

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.exact {
            return write!(f, " {:>8}", self.value);
        }
        match UNITS.iter().find(|(least, _, _)| self.value >= *least) {
            Some((_, divisor, letter)) => write!(f, "{:>8}{letter}", self.value / divisor),
            None => write!(f, "{:>9}", self.value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: u64) -> String {
        let exact = false;
        Figure { value, exact }.to_string()
    }

    #[test]
    fn large_counters_are_cut_to_decimal_units() {
        assert_eq!(shown(0), "        0");
        assert_eq!(shown(99_999_999), " 99999999");
        assert_eq!(shown(100_000_000), "  100000K");
        assert_eq!(shown(123_456_789), "  123456K");
        assert_eq!(shown(999_999_999), "  999999K");
        assert_eq!(shown(1_999_999_999), "    1999M");
        assert_eq!(shown(99_999_999_999), "   99999M");
        assert_eq!(shown(100_000_000_000), "     100G");
        assert_eq!(shown(99_999_999_999_999), "   99999G");
        assert_eq!(shown(100_000_000_000_000), "     100T");
        assert_eq!(shown(u64::MAX), "18446744T");
    }

    #[test]
    fn exact_counters_widen_their_column() {
        let exact = |value| Figure { value, exact: true }.to_string();
        assert_eq!(exact(7), "        7");
        assert_eq!(exact(100_000_000), " 100000000");
        assert_eq!(exact(u64::MAX), " 18446744073709551615");
    }
}
