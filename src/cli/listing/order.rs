//! The order of listings.
//!
//! `ipvsadm` compares marks and address words by signed 32-bit subtraction, so numbers
//! that are more than 2³¹ apart come out the wrong way round: 192.168.0.1 before
//! 10.0.0.1, `fd00::` before `2001::`. Scripts compare listings, so that is kept. Where
//! the comparison is no order at all, because three numbers surround the circle or two
//! are opposite, the numbers are sorted as unsigned.

use std::net::IpAddr;

use crate::model::{DestinationKey, Family, ServiceKey};

/// Numbers compared one after the other.
type Words<const N: usize> = [u32; N];

/// Mark, family, protocol, address, port.
pub(super) fn service_words(key: &ServiceKey) -> Words<8> {
    match key {
        ServiceKey::Address {
            protocol,
            address,
            port,
        } => {
            let [a, b, c, d] = address_words(*address);
            let protocol = u32::from(protocol.number());
            let family = family_word(Family::of(*address));
            [0, family, protocol, a, b, c, d, u32::from(*port)]
        }
        ServiceKey::Mark { family, mark } => [*mark, family_word(*family), 0, 0, 0, 0, 0, 0],
    }
}

/// Address, port; the family counts for nothing.
pub(super) fn destination_words(key: &DestinationKey) -> Words<5> {
    let [a, b, c, d] = address_words(key.address);
    [a, b, c, d, u32::from(key.port)]
}

fn family_word(family: Family) -> u32 {
    match family {
        Family::V4 => 0,
        Family::V6 => 1,
    }
}

fn address_words(address: IpAddr) -> Words<4> {
    match address {
        IpAddr::V4(address) => [address.to_bits(), 0, 0, 0],
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            [96, 64, 32, 0].map(|shift| (bits >> shift) as u32)
        }
    }
}

/// Sorts by the words' wrapped comparison, as far as that is an order.
pub(super) fn sort<T, const N: usize>(items: &mut [T], words: impl Fn(&T) -> Words<N>) {
    items.sort_by_key(&words);
    wrap(items, 0, &words);
}

/// Numbers that fit into half the circle leave a gap of more than 2³¹ somewhere; the
/// wrapped order is the unsigned one begun after that gap. `items` agree in all words
/// before `word` and are sorted.
fn wrap<T, const N: usize>(items: &mut [T], word: usize, words: &impl Fn(&T) -> Words<N>) {
    if items.len() < 2 || word == N {
        return;
    }
    let number = |item: &T| words(item)[word];
    let gap = items
        .windows(2)
        .position(|pair| number(&pair[1]) - number(&pair[0]) > 1 << 31);
    if let Some(before) = gap {
        items.rotate_left(before + 1);
    }
    for same in items.chunk_by_mut(|a, b| number(a) == number(b)) {
        wrap(same, word + 1, words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(mut numbers: Vec<u32>) -> Vec<u32> {
        sort(&mut numbers, |number| [*number]);
        numbers
    }

    /// What `ipvsadm` does with a pair.
    fn before(a: u32, b: u32) -> bool {
        a.wrapping_sub(b).cast_signed() < 0
    }

    #[test]
    fn cyclic_and_opposite_numbers_sort_unsigned() {
        let circle = vec![0xc800_0000, 0x0100_0000, 0x6400_0000];
        assert_eq!(sorted(circle), [0x0100_0000, 0x6400_0000, 0xc800_0000]);
        assert_eq!(sorted(vec![0x8000_0000, 0]), [0, 0x8000_0000]);
        assert_eq!(sorted(vec![0x8000_0001, 0]), [0x8000_0001, 0]);
    }

    #[test]
    fn later_words_wrap_within_equal_earlier_ones() {
        let mut pairs = [[1, 0], [1, 0xf000_0000], [0, 5], [0, 4]];
        sort(&mut pairs, |pair| *pair);
        assert_eq!(pairs, [[0, 4], [0, 5], [1, 0xf000_0000], [1, 0]]);
    }

    proptest! {
        /// Whatever lies within half the circle comes out as every pair demands.
        #[test]
        fn half_a_circle_is_in_wrapped_order(
            start in any::<u32>(),
            offsets in proptest::collection::vec(0u32..0x7fff_ffff, 2..20),
        ) {
            let numbers: Vec<u32> = offsets.iter().map(|offset| start.wrapping_add(*offset)).collect();
            let numbers = sorted(numbers);
            for (index, first) in numbers.iter().enumerate() {
                for second in &numbers[index + 1..] {
                    prop_assert!(first == second || before(*first, *second));
                }
            }
        }
    }
}
