//! Times as they are written and shown.

use std::time::Duration;

use schemars::json_schema;

use super::node::{Kind, Node};
use super::read::Read;
use super::value::{leaf_schema, wrong};
use crate::config::source::Context;

/// A time between two bounds in milliseconds: `200ms`, `1s`, `1.5s`, `2m`, `1h`, or a
/// number of seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time<const MIN: u64, const MAX: u64>(pub(super) Duration);

impl<const MIN: u64, const MAX: u64> Read for Time<MIN, MAX> {
    fn read(cx: &mut Context<'_>, node: &Node) -> Option<Self> {
        let milliseconds = match &node.kind {
            Kind::Scalar { text, .. } => milliseconds(text),
            Kind::List(_) | Kind::Map(_) => None,
        };
        let time = milliseconds.map(Duration::from_millis);
        if let Some(time) = time
            && (MIN..=MAX).contains(&(time.as_millis() as u64))
        {
            return Some(Self(time));
        }
        let range = format!("{} to {}", Shown::ms(MIN), Shown::ms(MAX));
        let wanted = format!("a time from {range}");
        let help = if time.is_some() {
            "a number without a unit counts seconds"
        } else {
            "write 200ms, 1s, 2m or 1h"
        };
        wrong(cx, node, &wanted, help);
        None
    }
}

leaf_schema!(
    [const MIN: u64, const MAX: u64] Time<MIN, MAX>,
    format!("Time{MIN}to{MAX}"),
    json_schema!({
        "anyOf": [
            { "type": "string", "pattern": r"^[0-9]{1,9}(\.[0-9]{1,6})?(ms|s|m|h)$" },
            {
                "type": "number",
                "minimum": MIN as f64 / 1000.0,
                "maximum": MAX as f64 / 1000.0
            }
        ],
        "x-range": format!("{} to {}", Shown::ms(MIN), Shown::ms(MAX))
    })
);

/// A time as text: digits, perhaps a fraction, perhaps a unit. Whole milliseconds only.
fn milliseconds(text: &str) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit.trim_start() {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |digits: &str, most: usize| {
        (1..=most).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
    };
    if !is_number(whole, 9) || !is_number(fraction, 6) {
        return None;
    }
    let scale = 10u64.pow(fraction.len() as u32);
    let parts = fraction.parse::<u64>().ok()? * unit;
    let whole = whole.parse::<u64>().ok()? * unit;
    parts.is_multiple_of(scale).then(|| whole + parts / scale)
}

/// A time as one writes it.
pub(super) struct Shown(pub(super) Duration);

impl Shown {
    pub(super) fn ms(milliseconds: u64) -> Self {
        Self(Duration::from_millis(milliseconds))
    }
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = self.0.as_millis();
        match ms {
            0 => write!(f, "0s"),
            _ if ms.is_multiple_of(3_600_000) => write!(f, "{}h", ms / 3_600_000),
            _ if ms.is_multiple_of(60_000) => write!(f, "{}m", ms / 60_000),
            _ if ms.is_multiple_of(1000) => write!(f, "{}s", ms / 1000),
            _ => write!(f, "{ms}ms"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_to_the_millisecond() {
        for (text, wanted) in [
            ("200ms", Some(200)),
            ("1s", Some(1000)),
            ("1", Some(1000)),
            ("0.25", Some(250)),
            ("1.5 s", Some(1500)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("0.0001s", None),
            ("1.5ms", None),
            ("-1s", None),
            ("1.2.3s", None),
            (".5s", None),
            ("5.", None),
            ("1d", None),
            ("", None),
            ("s", None),
            ("99999999999999999999999s", None),
            ("1e3", None),
        ] {
            assert_eq!(milliseconds(text), wanted, "{text}");
        }
        for ms in [0, 1, 200, 1000, 1500, 120_000, 3_600_000, 5_400_000] {
            assert_eq!(milliseconds(&Shown::ms(ms).to_string()), Some(ms));
        }
    }
}
