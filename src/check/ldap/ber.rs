//! The Basic Encoding Rules as far as LDAP uses them (RFC 4511 §5.1): tags of one byte,
//! definite lengths. Pure.

/// Universal tags (X.680 §8.4).
pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;

/// A tagged value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
}

/// Why bytes are no element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error("a tag of more than one byte")]
    Tag,
    #[error("a length of a form that LDAP forbids")]
    Length,
    #[error("an element of {0} bytes")]
    Large(usize),
    #[error("an element that is cut short")]
    Short,
    #[error("an element of another kind than expected")]
    Kind,
}

/// The first element of a stream of which more may come, and its whole length; `None` when
/// more must come. No more than `max` bytes of content are accepted.
pub(super) fn first(bytes: &[u8], max: usize) -> Result<Option<(Element<'_>, usize)>, Broken> {
    let [tag, rest @ ..] = bytes else {
        return Ok(None);
    };
    if tag & 0x1f == 0x1f {
        return Err(Broken::Tag);
    }
    let [short, rest @ ..] = rest else {
        return Ok(None);
    };
    let (length, rest) = if *short < 0x80 {
        (usize::from(*short), rest)
    } else {
        let count = usize::from(short & 0x7f);
        if !(1..=4).contains(&count) {
            return Err(Broken::Length);
        }
        let Some((digits, rest)) = rest.split_at_checked(count) else {
            return Ok(None);
        };
        let add = |length: usize, digit: &u8| length << 8 | usize::from(*digit);
        (digits.iter().fold(0, add), rest)
    };
    if length > max {
        return Err(Broken::Large(length));
    }
    let Some(content) = rest.get(..length) else {
        return Ok(None);
    };
    let whole = bytes.len() - rest.len() + length;
    Ok(Some((Element { tag: *tag, content }, whole)))
}

/// The elements of a value that is there as a whole, one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Elements<'a>(pub(super) &'a [u8]);

impl<'a> Elements<'a> {
    /// The next one; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Element<'a>>, Broken> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let (element, whole) = first(self.0, usize::MAX)?.ok_or(Broken::Short)?;
        self.0 = &self.0[whole..];
        Ok(Some(element))
    }

    /// The next one, which must have this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Result<&'a [u8], Broken> {
        match self.next()? {
            Some(element) if element.tag == tag => Ok(element.content),
            _ => Err(Broken::Kind),
        }
    }

    /// The next one, a number of at most four bytes that is not negative.
    pub(super) fn number(&mut self, tag: u8) -> Result<u32, Broken> {
        let content = self.expect(tag)?;
        match content {
            [] => Err(Broken::Short),
            [first, ..] if *first >= 0x80 || content.len() > 4 => Err(Broken::Kind),
            _ => Ok(content
                .iter()
                .fold(0, |number, digit| number << 8 | u32::from(*digit))),
        }
    }
}

/// Writes an element with its length in as few bytes as possible.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut bytes = vec![tag];
    if length < 0x80 {
        bytes.push(length as u8);
    } else {
        let digits = length.to_be_bytes();
        let zeros = digits.iter().take_while(|digit| **digit == 0).count();
        bytes.push(0x80 | (digits.len() - zeros) as u8);
        bytes.extend_from_slice(&digits[zeros..]);
    }
    bytes.extend_from_slice(content);
    bytes
}

/// Writes an element that consists of these.
pub(super) fn group(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    element(tag, &parts.concat())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_have_one_byte_or_name_their_bytes() {
        for (length, head) in [
            (0, &[4, 0][..]),
            (127, &[4, 127]),
            (128, &[4, 0x81, 128]),
            (300, &[4, 0x82, 1, 44]),
            (70_000, &[4, 0x83, 1, 17, 112]),
        ] {
            let content = vec![7; length];
            let bytes = element(OCTETS, &content);
            assert_eq!(&bytes[..head.len()], head);
            let (read, whole) = first(&bytes, 70_000).unwrap().unwrap();
            assert_eq!(
                (read.tag, read.content, whole),
                (OCTETS, &content[..], bytes.len())
            );
        }
        // Longer than need be, but allowed.
        let (read, whole) = first(&[4, 0x84, 0, 0, 0, 1, 9], 1).unwrap().unwrap();
        assert_eq!((read.content, whole), (&[9][..], 7));
    }

    #[test]
    fn what_ldap_forbids_is_refused_at_its_first_bytes() {
        assert_eq!(first(&[0x1f], 9), Err(Broken::Tag));
        assert_eq!(first(&[0x30, 0x80], 9), Err(Broken::Length));
        assert_eq!(first(&[0x30, 0x85], 9), Err(Broken::Length));
        assert_eq!(first(&[0x30, 10], 9), Err(Broken::Large(10)));
        assert_eq!(
            first(&[0x30, 0x84, 255, 255, 255, 255], 9),
            Err(Broken::Large(0xffff_ffff))
        );
        assert_eq!(Elements(&[4, 2, 0]).next(), Err(Broken::Short));
        assert_eq!(Elements(&[4]).next(), Err(Broken::Short));
    }

    #[test]
    fn numbers_fit_and_are_not_negative() {
        let number = |bytes: &[u8]| Elements(bytes).number(INTEGER);
        assert_eq!(number(&[2, 1, 49]), Ok(49));
        assert_eq!(number(&[2, 4, 0x7f, 255, 255, 255]), Ok(0x7fff_ffff));
        assert_eq!(number(&[2, 1, 0x80]), Err(Broken::Kind));
        assert_eq!(number(&[2, 5, 0, 0, 0, 0, 1]), Err(Broken::Kind));
        assert_eq!(number(&[2, 0]), Err(Broken::Short));
        assert_eq!(number(&[10, 1, 1]), Err(Broken::Kind));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(Some((element, whole))) = first(&bytes, 32) {
                prop_assert!(whole <= bytes.len() && element.content.len() <= 32);
            }
            let mut elements = Elements(&bytes);
            let count = std::iter::from_fn(|| elements.next().ok().flatten()).count();
            prop_assert!(count <= bytes.len() / 2);
        }
    }
}
