//! From when to when a certificate is valid (RFC 5280 §4.1.2.5). Pure.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The ends of a certificate's time, in seconds since 1970. `None` where it is written in a
/// way that is not understood, or lies beyond the year 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: Option<i64>,
    pub(super) not_after: Option<i64>,
}

/// Tags of DER (X.690 §8).
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

impl Validity {
    /// Finds it in a certificate: after version, serial number, algorithm and issuer.
    pub(super) fn read(certificate: &[u8]) -> Option<Self> {
        let (_, outer, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
        let (_, mut rest, _) = element(outer).filter(|(tag, ..)| *tag == SEQUENCE)?;
        if rest.first() == Some(&VERSION) {
            rest = element(rest)?.2;
        }
        for _skipped in 0..3 {
            rest = element(rest)?.2;
        }
        let (_, times, _) = element(rest).filter(|(tag, ..)| *tag == SEQUENCE)?;
        let (first, begin, others) = element(times)?;
        let (second, end, _) = element(others)?;
        Some(Self {
            not_before: time(first, begin),
            not_after: time(second, end),
        })
    }
}

/// Tag and content of the first element, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            let length = digits
                .iter()
                .fold(0, |length, digit| length << 8 | usize::from(*digit));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn time(tag: u8, text: &[u8]) -> Option<i64> {
    let digits = text.strip_suffix(b"Z")?;
    let numbers = |digits: &[u8]| -> Option<i16> {
        let is_number = digits.iter().all(u8::is_ascii_digit);
        std::str::from_utf8(digits)
            .ok()
            .filter(|_| is_number)?
            .parse()
            .ok()
    };
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year = numbers(year)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = digits.split_at_checked(4)?;
            (numbers(year)?, rest)
        }
        _ => return None,
    };
    if rest.len() != 10 {
        return None;
    }
    let part = |index: usize| numbers(&rest[2 * index..2 * index + 2])?.try_into().ok();
    let moment = DateTime::new(year, part(0)?, part(1)?, part(2)?, part(3)?, part(4)?, 0);
    let moment = moment.ok()?.to_zoned(TimeZone::UTC).ok()?;
    Some(moment.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_forms() {
        assert_eq!(time(UTC_TIME, b"700101000000Z"), Some(0));
        assert_eq!(time(UTC_TIME, b"491231235959Z"), Some(2_524_607_999));
        assert_eq!(
            time(GENERALIZED_TIME, b"20500101000000Z"),
            Some(2_524_608_000)
        );
        for bad in [
            &b"700101000000"[..],
            b"7001010000Z",
            b"701301000000Z",
            b"70010100000xZ",
            b"Z",
            b"",
            b"+00101000000Z",
        ] {
            assert_eq!(time(UTC_TIME, bad), None, "{}", bad.escape_ascii());
        }
        assert_eq!(time(GENERALIZED_TIME, b"99991231235959Z"), None);
        assert_eq!(time(0x16, b"700101000000Z"), None);
    }

    #[test]
    fn no_prefix_of_a_certificate_panics() {
        let mut wanted = rcgen::CertificateParams::new(["www.example.com".to_owned()]).unwrap();
        wanted.not_after = rcgen::date_time_ymd(2050, 1, 1);
        wanted.not_before = rcgen::date_time_ymd(1970, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = wanted.self_signed(&key).unwrap();
        let bytes: &[u8] = certificate.der();
        let whole = Validity::read(bytes).unwrap();
        assert_eq!(whole.not_before, Some(0));
        assert_eq!(whole.not_after, Some(2_524_608_000));
        for end in 0..bytes.len() {
            assert_eq!(Validity::read(&bytes[..end]), None, "{end}");
        }
        for at in 0..bytes.len().min(200) {
            for value in 0..=255 {
                let mut spoilt = bytes.to_vec();
                spoilt[at] = value;
                let _ = Validity::read(&spoilt);
            }
        }
    }
}
