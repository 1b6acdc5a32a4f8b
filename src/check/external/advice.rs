//! What a program's output advises: a line `weight NN%`, `NN%` or `drain`. Pure.

use crate::check::agent;
use crate::model::{Advice, Mode};

/// Longest line that is looked at, in bytes.
const LINE_MAX: usize = 64;

/// The advice of the last line that is nothing else than advice; every other line is for
/// people.
pub(super) fn of_output(output: &[u8]) -> Advice {
    let lines = output.split(|byte| *byte == b'\n').rev();
    lines
        .map(of_line)
        .find(|a| !a.is_empty())
        .unwrap_or_default()
}

fn of_line(line: &[u8]) -> Advice {
    let line = line.trim_ascii();
    let mut advice = Advice::default();
    if line.len() > LINE_MAX {
        return advice;
    }
    let Ok(text) = std::str::from_utf8(line) else {
        return advice;
    };
    let text = text.to_ascii_lowercase();
    if text == "drain" {
        advice.mode = Some(Mode::Drain);
        return advice;
    }
    let number = text
        .strip_prefix("weight")
        .filter(|rest| rest.starts_with([' ', '\t']))
        .map_or(text.as_str(), str::trim_start);
    advice.percent = agent::percent(number);
    advice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_are_advice_count_and_of_those_the_last() {
        for (output, percent, mode) in [
            ("weight 40%", Some(40), None),
            (" 40% \n", Some(40), None),
            ("Weight\t 400%\r\n", Some(100), None),
            ("drain\n", None, Some(Mode::Drain)),
            ("load 3.1\n80%\nweight 20%\nbye\n", Some(20), None),
            ("100% packet loss", None, None),
            ("weight40%", None, None),
            ("weight 40", None, None),
            ("drained", None, None),
            ("", None, None),
        ] {
            let wanted = Advice {
                percent,
                mode,
                verdict: None,
            };
            assert_eq!(of_output(output.as_bytes()), wanted, "{output:?}");
        }
        assert!(of_output(b"\xff%\n").is_empty());
        assert!(of_output(format!("{}5%", " ".repeat(9)).as_bytes()).percent == Some(5));
        assert!(of_output("weight ".repeat(1000).as_bytes()).is_empty());
    }
}
