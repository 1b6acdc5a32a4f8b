//! An agent on the real server says what it advises: `HAProxy`'s agent protocol.
//!
//! The agent sends one line of text and closes; it is sent nothing. The words of the line
//! are separated by blanks, tabs or commas and mean, in any case of letters (`HAProxy`'s
//! configuration manual, `agent-check`):
//!
//! | word | meaning |
//! |---|---|
//! | `NN%` | that share of the configured weight; above 100 counts as 100, 0 is a drain |
//! | `ready` | ends `drain` and `maint` |
//! | `drain` | no new connections |
//! | `maint` | out, as if taken out by hand |
//! | `up` | ends `down` |
//! | `down`, `failed`, `fail`, `stopped`, each with `#` and a reason | out |
//! | `maxconn:NN` | ignored |
//!
//! The reason behind `#` reaches to the end of the line.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::timeout_at;

use super::fault::excerpt;
use super::socket::Route;
use super::trace::Trace;
use crate::model::{Advice, Mode, Outcome, Reason, Report, Verdict};

/// Longest line that is read, in bytes.
pub const LINE_MAX: usize = 1024;

/// Bytes of an answer that cannot be read in a reason.
const SHOWN: usize = 100;

/// Asks the agent once. Down means that it did not answer as an agent does, which says
/// nothing about the server.
pub(super) async fn run(route: Route<'_>, timeout: Duration) -> Report {
    let mut trace = Trace::new(timeout);
    let deadline = trace.deadline();
    let line = match timeout_at(deadline, listen(route, &mut trace)).await {
        Ok(Ok(line)) => line,
        Ok(Err(error)) => return trace.fail(&error),
        Err(_elapsed) => return trace.expire(),
    };
    match parse(&line) {
        Ok(advice) => {
            let said = excerpt(line.trim_ascii(), SHOWN);
            let mut report = trace.report(Outcome::Up, format!("the agent says \"{said}\""));
            report.advice = advice;
            report
        }
        Err(reason) => trace.report(Outcome::Down(reason), ""),
    }
}

/// The first line, or all there is of it.
async fn listen(route: Route<'_>, trace: &mut Trace) -> std::io::Result<Vec<u8>> {
    let mut stream = route.connect(trace).await?;
    trace.connected(false);
    let mut line = Vec::new();
    let mut buffer = [0; LINE_MAX];
    while line.len() <= LINE_MAX {
        let count = stream.read(&mut buffer).await?;
        trace.received(&buffer[..count]);
        let end = buffer[..count].iter().position(|b| *b == b'\n');
        line.extend_from_slice(&buffer[..end.unwrap_or(count)]);
        if count == 0 || end.is_some() {
            break;
        }
    }
    Ok(line)
}

/// What an agent's line says.
///
/// # Errors
///
/// A line that is empty, longer than [`LINE_MAX`], not text, or has a word that is none of
/// an agent's: the reason. Nothing of such a line counts.
pub fn parse(line: &[u8]) -> Result<Advice, Reason> {
    if line.len() > LINE_MAX {
        let what = format!("the agent's line is longer than {LINE_MAX} bytes");
        return Err(Reason::new(what));
    }
    let Ok(text) = std::str::from_utf8(line) else {
        return Err(unreadable(line));
    };
    let mut advice = Advice::default();
    let mut rest = text.lines().next().unwrap_or("");
    loop {
        rest = rest.trim_start_matches(SEPARATORS);
        if rest.is_empty() {
            break;
        }
        let end = rest.find(|c| c == '#' || SEPARATORS.contains(&c));
        let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
        let behind = behind.trim_start_matches(SEPARATORS);
        let reason = behind.strip_prefix('#').map(str::trim);
        if !take(&mut advice, word, reason) {
            return Err(unreadable(line));
        }
        rest = if reason.is_some() { "" } else { behind };
    }
    if advice.is_empty() && !text.to_ascii_lowercase().contains(MAXCONN) {
        return Err(Reason::new("the agent says nothing"));
    }
    Ok(advice)
}

/// Between words.
const SEPARATORS: [char; 4] = [' ', '\t', ',', '\r'];

/// Begins a word of `HAProxy`'s that has no meaning here: the limit is IPVS's own.
const MAXCONN: &str = "maxconn:";

/// Takes a word, with what stands behind its `#`; false if it is none.
fn take(advice: &mut Advice, word: &str, reason: Option<&str>) -> bool {
    let word = word.to_ascii_lowercase();
    match word.as_str() {
        "up" => advice.verdict = Some(Verdict::Up),
        "down" | "failed" | "fail" | "stopped" => {
            let text = match reason.filter(|reason| !reason.is_empty()) {
                Some(reason) => format!("agent: {word}: {reason}"),
                None => format!("agent: {word}"),
            };
            advice.verdict = Some(Verdict::Down(Reason::new(text)));
        }
        "ready" => advice.mode = Some(Mode::Ready),
        "drain" => advice.mode = Some(Mode::Drain),
        "maint" => advice.mode = Some(Mode::Maintenance),
        word if word.starts_with(MAXCONN) => {}
        word => match percent(word) {
            Some(percent) => advice.percent = Some(percent),
            None => return false,
        },
    }
    true
}

/// `NN%`, with at most 9 digits; more than 100 is 100.
pub(super) fn percent(word: &str) -> Option<u8> {
    let digits = word.strip_suffix('%')?;
    let is_number = (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let number: u32 = digits.parse().ok().filter(|_| is_number)?;
    u8::try_from(number.min(100)).ok()
}

fn unreadable(line: &[u8]) -> Reason {
    let said = excerpt(line.trim_ascii(), SHOWN);
    Reason::new(format!("\"{said}\" is not what an agent says"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;

    use proptest::prelude::*;

    use super::*;
    use crate::model::{Probe, ProbeKind};

    fn said(percent: Option<u8>, mode: Option<Mode>, verdict: Option<Verdict>) -> Advice {
        Advice {
            percent,
            mode,
            verdict,
        }
    }

    fn down(reason: &str) -> Verdict {
        Verdict::Down(Reason::new(reason))
    }

    #[test]
    fn every_word_of_the_protocol() {
        let up = Some(Verdict::Up);
        for (line, wanted) in [
            ("75%", said(Some(75), None, None)),
            ("up 50%", said(Some(50), None, up.clone())),
            ("up,ready,100%\r\n", said(Some(100), Some(Mode::Ready), up)),
            ("0%", said(Some(0), None, None)),
            ("250%", said(Some(100), None, None)),
            ("DRAIN\n", said(None, Some(Mode::Drain), None)),
            ("maint", said(None, Some(Mode::Maintenance), None)),
            ("down", said(None, None, Some(down("agent: down")))),
            (
                "down#disk full, 99% used",
                said(None, None, Some(down("agent: down: disk full, 99% used"))),
            ),
            (
                "50% failed # oom",
                said(Some(50), None, Some(down("agent: failed: oom"))),
            ),
            ("Stopped#", said(None, None, Some(down("agent: stopped")))),
            ("maxconn:30 10%", said(Some(10), None, None)),
            ("maxconn:30", Advice::default()),
            ("drain\nup 100%", said(None, Some(Mode::Drain), None)),
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(wanted), "{line:?}");
        }
    }

    #[test]
    fn a_line_with_a_stranger_in_it_counts_for_nothing() {
        for line in [
            "",
            " ,\n",
            "50",
            "-5%",
            "+5%",
            "%",
            "5%%",
            "1234567890%",
            "drain now",
            "HTTP/1.1 200 OK",
            "\u{ff15}%",
        ] {
            assert!(parse(line.as_bytes()).is_err(), "{line:?}");
        }
        assert!(parse(b"up \xff").is_err());
        assert!(parse(&[b' '; LINE_MAX + 1]).is_err());
        assert!(parse(format!("{}5%", " ".repeat(LINE_MAX - 2)).as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn no_line_panics_or_asks_for_more_than_the_weight(
            line in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..200),
                "(up|down|drain|maint|ready|[0-9]{1,4}%|#|,| ){0,8}".prop_map(String::into_bytes),
            ]
        ) {
            if let Ok(advice) = parse(&line) {
                prop_assert!(advice.share() <= 100);
                prop_assert!(advice.percent.is_none_or(|percent| percent <= 100));
            }
        }
    }

    /// An agent that says these bytes and closes, or holds the connection.
    async fn ask(bytes: &'static [u8], holds: bool) -> Report {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap();
        let agent = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // The director may have closed already.
            let _ = stream.write_all(bytes);
            holds.then_some(stream)
        });
        let probe = Probe {
            kind: ProbeKind::Agent,
            timeout: Duration::from_millis(if holds { 300 } else { 5000 }),
            way: None,
        };
        let report = crate::check::run(target, &probe).await;
        drop(agent.join().unwrap());
        report
    }

    #[tokio::test]
    async fn an_agent_is_listened_to() {
        let report = ask(b"up 30%\n", false).await;
        assert_eq!(report.outcome, Outcome::Up);
        assert_eq!(report.advice, said(Some(30), None, Some(Verdict::Up)));
        assert_eq!(report.detail, "the agent says \"up 30%\"");
        // Without a newline the end of the connection ends the line, and with one nobody
        // waits for the end.
        assert_eq!(ask(b"drain", false).await.advice.mode, Some(Mode::Drain));
        assert_eq!(ask(b"drain\n", true).await.advice.mode, Some(Mode::Drain));
    }

    #[tokio::test]
    async fn an_agent_that_does_not_behave_advises_nothing() {
        for (bytes, holds) in [
            (&b""[..], false),
            (b"", true),
            (b"50", true),
            (b"\0\xff\n", false),
            (&[b'5'; 5000], false),
        ] {
            let report = ask(bytes, holds).await;
            assert!(matches!(report.outcome, Outcome::Down(_)), "{report:?}");
            assert!(report.advice.is_empty());
        }
    }
}
