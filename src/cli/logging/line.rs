//! From an event's values to one line of text. Pure.

use std::fmt::Write as _;
use std::time::SystemTime;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use tracing::Level;

use super::destination::Destination;
use crate::model::is_printable;

/// Longest message or value kept, in bytes.
const MAX_VALUE: usize = 1024;

/// Longest text of a line without its prefix, in bytes. With the prefix it stays under
/// `PIPE_BUF` (4096), so that a write to a pipe that poll calls writable never blocks.
const MAX_TEXT: usize = 3584;

/// Who is logging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Tag in the system log: `ldirectord` or `directord`.
    pub program: String,
    /// Instance name in log files: the last part of the configuration's path.
    pub instance: String,
    /// Process id.
    pub pid: u32,
}

/// One event, ready to be laid out.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) time: SystemTime,
    pub(super) level: Level,
    /// Message and fields, printable, bounded.
    pub(super) text: String,
}

/// Collects an event's values into the text of a [`Record`].
#[derive(Debug, Default)]
pub(super) struct Text {
    message: String,
    fields: String,
}

impl Text {
    /// Adds the field `message`, or any other.
    pub(super) fn add(&mut self, name: &str, value: &str) {
        if name == "message" {
            push_escaped(&mut self.message, value, MAX_VALUE, "");
            return;
        }
        let before = self.fields.len();
        self.fields.push(' ');
        self.fields.push_str(name);
        self.fields.push('=');
        if is_bare(value) {
            push_escaped(&mut self.fields, value, MAX_VALUE, "");
        } else {
            self.fields.push('"');
            push_escaped(&mut self.fields, value, MAX_VALUE, "\"\\");
            self.fields.push('"');
        }
        if self.message.len() + self.fields.len() > MAX_TEXT {
            self.fields.truncate(before);
        }
    }

    /// The message, then the fields in the order they were added.
    pub(super) fn finish(self) -> String {
        let mut text = self.message;
        text.push_str(&self.fields);
        text
    }
}

/// Whether a value can be read back without quotes.
fn is_bare(value: &str) -> bool {
    !value.is_empty()
        && value
            .chars()
            .all(|c| is_printable(c) && !c.is_whitespace() && !matches!(c, '"' | '\\' | '='))
}

/// Appends at most `max` bytes of `value`; unprintable characters and those of `special`
/// are escaped.
fn push_escaped(line: &mut String, value: &str, max: usize, special: &str) {
    let end = line.len() + max;
    for c in value.chars() {
        let before = line.len();
        if is_printable(c) {
            if special.contains(c) {
                line.push('\\');
            }
            line.push(c);
        } else {
            line.extend(c.escape_default());
        }
        if line.len() > end {
            line.truncate(before);
            return;
        }
    }
}

/// The bytes to write for a record, with the final newline except for the system log.
pub(super) fn layout(
    destination: &Destination,
    identity: &Identity,
    record: &Record,
    zone: &TimeZone,
) -> String {
    let Record { level, text, .. } = record;
    let Identity {
        program,
        instance,
        pid,
    } = identity;
    let time = local(record.time, zone);
    match destination {
        Destination::Stderr => format!("{}{text}\n", debug_prefix(*level)),
        Destination::Stdout => format!("[{}] {text}\n", clock(&time)),
        Destination::File(_) => {
            format!("[{}|{instance}|{pid}] {text}\n", clock(&time))
        }
        Destination::Syslog(facility) => {
            let priority = facility.number() * 8 + severity(*level);
            let stamp = time.strftime("%b %e %H:%M:%S");
            format!("<{priority}>{stamp} {program}[{pid}]: {text}")
        }
        Destination::Terminal => {
            let stamp = time.strftime("%Y-%m-%d %H:%M:%S%.3f");
            format!("{stamp} {level:>5} {text}\n")
        }
        Destination::Journal => format!("<{}>{text}\n", severity(*level)),
    }
}

/// A record about the log itself.
pub(super) fn notice(text: &str) -> Record {
    let mut message = String::new();
    push_escaped(&mut message, text, MAX_VALUE, "");
    Record {
        time: SystemTime::now(),
        level: Level::WARN,
        text: message,
    }
}

/// How many lines a destination missed.
pub(super) fn lost(count: u64) -> Record {
    let mut text = String::from("log lines lost");
    // Writing to a string cannot fail.
    let _ = write!(text, " count={count}");
    notice(&text)
}

fn local(time: SystemTime, zone: &TimeZone) -> Zoned {
    Timestamp::try_from(time)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_zoned(zone.clone())
}

/// `Www Mmm dd hh:mm:ss yyyy`, days below 10 with a blank.
fn clock(time: &Zoned) -> String {
    time.strftime("%a %b %e %H:%M:%S %Y").to_string()
}

/// The old program's mark of its debug lines.
fn debug_prefix(level: Level) -> &'static str {
    match level {
        Level::DEBUG => "DEBUG2: ",
        Level::TRACE => "DEBUG3: ",
        _ => "",
    }
}

/// Severity of `<syslog.h>`.
fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::super::destination::Facility;
    use super::*;
    use proptest::prelude::*;
    use std::path::PathBuf;
    use std::time::Duration;

    fn text(fields: &[(&str, &str)]) -> String {
        let mut text = Text::default();
        for (name, value) in fields {
            text.add(name, value);
        }
        text.finish()
    }

    fn laid_out(destination: &Destination, level: Level) -> String {
        let identity = Identity {
            program: "ldirectord".to_owned(),
            instance: "x.cf".to_owned(),
            pid: 42,
        };
        // 2026-11-02 03:04:05 UTC
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_793_588_645_678);
        let record = Record {
            time,
            level,
            text: "Added".to_owned(),
        };
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        layout(destination, &identity, &record, &zone)
    }

    #[test]
    fn fields_follow_the_message_and_are_quoted_when_needed() {
        let line = text(&[
            ("service", "tcp:192.0.2.1:80"),
            ("message", "Deleted real server: R (V)"),
            ("reason", "got \"500\" \\ a=b"),
            ("empty", ""),
        ]);
        assert_eq!(
            line,
            r#"Deleted real server: R (V) service=tcp:192.0.2.1:80 reason="got \"500\" \\ a=b" empty="""#
        );
    }

    #[test]
    fn control_characters_are_escaped_everywhere() {
        let line = text(&[
            ("message", "a\r\n[fake] b\u{1b}[2J"),
            ("reason", "x\ny\u{202e}"),
        ]);
        assert_eq!(line, r#"a\r\n[fake] b\u{1b}[2J reason="x\ny\u{202e}""#);
    }

    #[test]
    fn lines_are_bounded() {
        let long = "é".repeat(5000);
        let line = text(&[
            ("message", &long),
            ("a", &long),
            ("b", &long),
            ("c", &long),
            ("d", "kept"),
        ]);
        assert!(line.len() <= MAX_TEXT);
        assert!(line.contains(" b=é") && !line.contains(" c="));
        assert!(line.ends_with(" d=kept"));
    }

    #[test]
    fn every_destination_has_its_layout() {
        let file = Destination::File(PathBuf::from("/x"));
        let cases = [
            (Destination::Stderr, "Added\n"),
            (Destination::Stdout, "[Mon Nov  2 04:04:05 2026] Added\n"),
            (file, "[Mon Nov  2 04:04:05 2026|x.cf|42] Added\n"),
            (
                Destination::Syslog(Facility::DAEMON),
                "<30>Nov  2 04:04:05 ldirectord[42]: Added",
            ),
            (
                Destination::Terminal,
                "2026-11-02 04:04:05.678  INFO Added\n",
            ),
            (Destination::Journal, "<6>Added\n"),
        ];
        for (destination, expected) in cases {
            assert_eq!(laid_out(&destination, Level::INFO), expected);
        }
    }

    #[test]
    fn levels_show_where_the_layout_has_a_place_for_them() {
        let syslog = Destination::Syslog(Facility::DAEMON);
        assert!(laid_out(&syslog, Level::ERROR).starts_with("<27>"));
        assert!(laid_out(&syslog, Level::WARN).starts_with("<28>"));
        assert!(laid_out(&syslog, Level::DEBUG).starts_with("<31>"));
        assert_eq!(
            laid_out(&Destination::Stderr, Level::DEBUG),
            "DEBUG2: Added\n"
        );
        assert_eq!(laid_out(&Destination::Stderr, Level::WARN), "Added\n");
        assert_eq!(laid_out(&Destination::Journal, Level::ERROR), "<3>Added\n");
    }

    proptest! {
        #[test]
        fn any_event_is_one_printable_bounded_line(
            fields in proptest::collection::vec(("[a-z]{1,8}", any::<String>()), 0..8),
        ) {
            let fields: Vec<(&str, &str)> = fields
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            let line = text(&fields);
            prop_assert!(line.chars().all(is_printable));
            prop_assert!(line.len() <= MAX_TEXT);
        }
    }
}
