//! Directives that stand both outside and inside sections, and lists of what was set.

use std::net::Ipv6Addr;

use super::policy::PolicyOptions;
use super::value::Value;
use crate::config::effective::{Command, Line, Mail, Phase, Phases};
use crate::config::source::{Context, Span, quoted};

/// Longest time in seconds that a directive takes: a year.
pub(super) const SECONDS_MAX: u32 = 365 * 24 * 3600;

/// Largest count of failures or rounds.
pub(super) const COUNT_MAX: u32 = 1_000_000;

/// Most echo requests of a ping check.
pub(super) const ATTEMPTS_MAX: u32 = 1000;

/// What can be set outside sections as a default and inside for one service.
#[derive(Debug, Clone, Default)]
pub(super) struct Shared {
    pub(super) check_timeout: Option<u32>,
    pub(super) negotiate_timeout: Option<u32>,
    /// With the place, since inside sections it depends on `fork`.
    pub(super) check_interval: Option<(u32, Span)>,
    pub(super) ping_attempts: Option<u32>,
    pub(super) failure_count: Option<u32>,
    /// By which of its two names that was set.
    failure_word: Option<&'static str>,
    pub(super) policy: PolicyOptions,
    pub(super) fallback_command: Option<Command>,
    pub(super) quiescent: Option<bool>,
    pub(super) clean_stop: Option<bool>,
    pub(super) recipients: Option<String>,
    /// In seconds, 0 for none.
    pub(super) reminder: Option<u32>,
    pub(super) phases: Option<Phases>,
    pub(super) relay: Option<String>,
}

impl Shared {
    /// Takes a directive; `false` when it is none of these.
    pub(super) fn read(&mut self, cx: &mut Context<'_>, value: &Value<'_>) -> bool {
        let seconds = 1..=SECONDS_MAX;
        match value.name {
            "checktimeout" => {
                let read = value.number(cx, "invalid check timeout value", seconds);
                set(&mut self.check_timeout, read);
            }
            "negotiatetimeout" => {
                let read = value.number(cx, "invalid negotiate timeout value", seconds);
                set(&mut self.negotiate_timeout, read);
            }
            "checkinterval" => {
                let read = value.number(cx, "invalid check interval value", seconds);
                set(
                    &mut self.check_interval,
                    read.map(|read| (read, value.whole)),
                );
            }
            "checkcount" => {
                cx.warning(
                    value.whole,
                    "checkcount is deprecated and counts for ping checks only",
                )
                .help("failurecount sets how many failures take a server out");
                let read = value.number(cx, "invalid check count value", 1..=ATTEMPTS_MAX);
                set(&mut self.ping_attempts, read);
            }
            "failurecount" => self.read_fall(cx, value, "failurecount"),
            "fall" => self.read_fall(cx, value, "fall"),
            "fallbackcommand" => set(&mut self.fallback_command, read_command(cx, value)),
            "quiescent" => set(&mut self.quiescent, value.yes_no(cx)),
            "cleanstop" => set(&mut self.clean_stop, value.yes_no(cx)),
            "emailalert" => {
                let read = value.optional_quotes(cx, "no email address specified");
                set(&mut self.recipients, read);
            }
            "emailalertfreq" => set(&mut self.reminder, read_frequency(cx, value)),
            "emailalertstatus" => set(&mut self.phases, read_phases(cx, value)),
            "smtp" => set(&mut self.relay, read_relay(cx, value)),
            "connecttimeout" => {
                cx.error(
                    value.whole,
                    "connecttimeout directive deprecated in favour of negotiatetimeout",
                )
                .help("write negotiatetimeout=SECONDS, or checktimeout=SECONDS for connect checks");
            }
            _ => return self.policy.read(cx, value),
        }
        true
    }

    /// One number with two names, ldirectord's own and the one that goes with `rise`.
    fn read_fall(&mut self, cx: &mut Context<'_>, value: &Value<'_>, word: &'static str) {
        if self.failure_word.is_some_and(|known| known != word) {
            cx.error(value.whole, "fall and failurecount are the same thing")
                .help("remove one of the two");
        }
        self.failure_word = Some(word);
        let read = value.number(cx, "invalid failure count value", 1..=COUNT_MAX);
        set(&mut self.failure_count, read);
    }

    /// Mail settings, with those of an outer scope where nothing was set.
    pub(super) fn mail(&self, outer: &Mail) -> Mail {
        Mail {
            recipients: self.recipients.clone().or_else(|| outer.recipients.clone()),
            reminder: match self.reminder {
                None => outer.reminder,
                Some(0) => None,
                Some(seconds) => Some(super::seconds(seconds)),
            },
            phases: self.phases.unwrap_or(outer.phases),
            relay: self.relay.clone().or_else(|| outer.relay.clone()),
        }
    }
}

/// Keeps what was read; after an error the earlier value stays, and the file is refused.
pub(super) fn set<T>(slot: &mut Option<T>, read: Option<T>) {
    if read.is_some() {
        *slot = read;
    }
}

/// Lines on which directives were set, to warn when one is set again.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Vec<(&'static str, u32)>);

impl Seen {
    /// Notes a directive of the table.
    pub(super) fn note(&mut self, cx: &mut Context<'_>, value: &Value<'_>) {
        if super::directives::is_repeated(value.name) {
            return;
        }
        let Some((name, _)) = super::directives::DIRECTIVES
            .iter()
            .find(|(name, _)| *name == value.name)
        else {
            return;
        };
        if let Some((_, line)) = self.0.iter_mut().find(|(seen, _)| seen == name) {
            cx.warning(
                value.whole,
                format!("{name} is set again; the one at line {line} does not count"),
            )
            .help("remove one of the two");
            *line = value.whole.line;
        } else {
            self.0.push((name, value.whole.line));
        }
    }
}

/// Reads a command line and cuts it into words as a shell would.
fn read_command(cx: &mut Context<'_>, value: &Value<'_>) -> Option<Command> {
    let mut text = value.rest(cx, "invalid fallback command")?;
    // One pair of quotes round the whole is not part of the command. ldirectord has it
    // so inside sections; outside it takes the quotes for the shell's.
    if text.matches('"').count() == 2 {
        text = value.optional_quotes(cx, "invalid fallback command")?;
    }
    let Some(words) = shell_words(&text).filter(|words| !words.is_empty()) else {
        cx.error(
            value.span,
            "invalid fallback command: a quote is not closed",
        );
        return None;
    };
    if let Some(special) = unquoted_special(&text) {
        cx.warning(
            value.span,
            format!("\"{special}\" is passed on as it stands: the command runs without a shell"),
        )
        .help("put the command into a script and name the script here");
    }
    Some(Command {
        text,
        words,
        line: Line(value.span.line),
    })
}

/// Words of a command line: separated by blanks, with quotes and backslashes as in a
/// shell. `None` when a quote is not closed.
fn shell_words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next()? {
                        '"' => break,
                        '\\' => match rest.next()? {
                            c @ ('"' | '\\' | '$' | '`') => word.push(c),
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(rest.next()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

/// The first character outside quotes on which a shell would act.
fn unquoted_special(text: &str) -> Option<char> {
    let mut quote = None;
    let mut escaped = false;
    text.chars().find(|c| {
        let was_escaped = std::mem::replace(&mut escaped, false);
        if was_escaped {
            return false;
        }
        match (quote, *c) {
            (Some(open), c) if open == c => quote = None,
            (None, '"' | '\'') => quote = Some(*c),
            (None | Some('"'), '\\') => escaped = true,
            (None | Some('"'), '$' | '`') => return true,
            (None, c) => return "|&;<>()*?[]~{}!".contains(c),
            _ => {}
        }
        false
    })
}

/// Digits at the beginning, 0 allowed.
fn read_frequency(cx: &mut Context<'_>, value: &Value<'_>) -> Option<u32> {
    let digits = value.text.bytes().take_while(u8::is_ascii_digit).count();
    let seconds = value.text[..digits]
        .parse()
        .ok()
        .filter(|seconds| *seconds <= SECONDS_MAX);
    if seconds.is_some() {
        value.note_loose(cx, 0, digits);
    } else {
        cx.error(value.or_whole(), "invalid email alert frequency")
            .help(format!(
                "write {}=SECONDS, up to {SECONDS_MAX}; 0 sends no reminders",
                value.name
            ));
    }
    seconds
}

/// `all`, `none` or phases separated by commas.
fn read_phases(cx: &mut Context<'_>, value: &Value<'_>) -> Option<Phases> {
    const HELP: &str = "write all, none, or some of starting,running,stopping,reloading";
    let text = value.text.strip_suffix(',').unwrap_or(value.text);
    if text.is_empty() {
        cx.warning(value.whole, "no phase is named: no mail will be sent")
            .help(HELP);
        return Some(Phases::NONE);
    }
    let words: Vec<&str> = text
        .split(',')
        .map(|word| word.trim_matches(super::line::BLANKS))
        .collect();
    let has_none = words.contains(&"none");
    let mut phases = Phases::NONE;
    for word in words {
        let phase = Phase::ALL.into_iter().find(|phase| phase.word() == word);
        let message = match (word, phase) {
            ("none", _) => continue,
            ("all", _) | (_, Some(_)) if has_none => format!(
                "invalid email alert status: {} specified with \"none\"",
                quoted(word)
            ),
            ("all", _) => {
                phases = Phases::ALL;
                continue;
            }
            (_, Some(phase)) => {
                phases = phases.with(phase);
                continue;
            }
            (_, None) => format!("invalid email alert status at: {}", quoted(word)),
        };
        cx.error(value.span, message).help(HELP);
        return None;
    }
    Some(phases)
}

/// A host name at the beginning; the rest is ignored. Or an IPv6 address, which ldirectord
/// takes for a name that ends at its first colon.
fn read_relay(cx: &mut Context<'_>, value: &Value<'_>) -> Option<String> {
    let bare = value
        .text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(value.text).parse::<Ipv6Addr>() {
        return Some(address.to_string());
    }
    let length = value
        .text
        .bytes()
        .take_while(|b| super::address::is_host_byte(*b))
        .count();
    if length == 0 {
        cx.error(value.or_whole(), "invalid SMTP server address")
            .help("write the relay's host name or address without quotes and port");
        return None;
    }
    value.note_loose(cx, 0, length);
    Some(value.text[..length].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_cut_as_a_shell_would() {
        let words = |text| shell_words(text).unwrap();
        assert_eq!(words("/bin/x  a\tb"), ["/bin/x", "a", "b"]);
        assert_eq!(
            words(r#"x "a b" 'c "d' e\ f"#),
            ["x", "a b", "c \"d", "e f"]
        );
        assert_eq!(words(r#"x "a\"b\n" '' "#), ["x", "a\"b\\n", ""]);
        assert_eq!(shell_words("x 'a"), None);
        assert_eq!(shell_words("x \"a\\"), None);
    }

    #[test]
    fn what_needs_a_shell_is_seen_outside_quotes() {
        assert_eq!(unquoted_special("/bin/x >/dev/null"), Some('>'));
        assert_eq!(unquoted_special("/bin/x \"$HOME\""), Some('$'));
        assert_eq!(unquoted_special("/bin/x '$HOME;' a\\;b \"a|b\""), None);
    }
}
