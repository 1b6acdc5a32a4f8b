//! Times on the command line.

use std::time::Duration;

use crate::director::pair::order::LONGEST_FREEZE;

/// Reads `90s`, `10m`, `2h`, `1d`; a bare number is seconds.
///
/// # Errors
///
/// What a time looks like.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(help()),
    };
    let number: u64 = digits.parse().map_err(|_| help())?;
    match number.checked_mul(factor) {
        Some(seconds @ 1..=LONGEST_FREEZE) => Ok(Duration::from_secs(seconds)),
        _ => Err("a time here is 1s to 30d".to_owned()),
    }
}

fn help() -> String {
    "a time is a whole number with s, m, h or d, as in 10m".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, seconds) in [
            ("90", 90),
            ("90s", 90),
            ("10m", 600),
            ("10min", 600),
            ("2h", 7200),
            ("1d", 86_400),
            ("30d", LONGEST_FREEZE),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "", "m", "0", "0s", "-1", "1.5h", "1w", "31d", "1 h", "10ms", "1é",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("18446744073709551615d").is_err());
    }
}
