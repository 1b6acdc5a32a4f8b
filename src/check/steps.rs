//! A conversation of several steps: `service=dialogue`.
//!
//! What is sent is sent in order; what is expected is searched in what has come since the
//! match of the expectation before it, so that the outcome does not depend on how the
//! server's words are cut into packets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::dialogue::{self, Dialogue, Turn, Verdict, Words};
use super::fault::{Bytes, excerpt};
use super::pattern::{self, Matcher};
use super::socket::Route;
use super::trace::Trace;
use crate::model::{DialogueProbe, DialogueStep, Fault, Outcome, Report};

/// Bytes of the server that one expectation is searched in.
const HEARD_MAX: usize = 16 * 1024;

/// Bytes of the server's words that a reason quotes.
const QUOTED_MAX: usize = 200;

pub(super) async fn run(route: Route<'_>, probe: &DialogueProbe, timeout: Duration) -> Report {
    match Steps::new(probe) {
        Ok(steps) => dialogue::run(route, None, steps, timeout).await,
        Err(fault) => Trace::new(timeout).report(Outcome::Inconclusive(fault), ""),
    }
}

/// The conversation.
#[derive(Debug)]
pub struct Steps {
    list: Vec<Step>,
    /// The step that is next.
    at: usize,
    /// What has come since the last match.
    heard: Vec<u8>,
}

#[derive(Debug)]
enum Step {
    Send(Vec<u8>),
    Expect(Arc<Matcher>),
}

impl Steps {
    /// A conversation that has not begun.
    ///
    /// # Errors
    ///
    /// A pattern cannot be used.
    pub fn new(probe: &DialogueProbe) -> Result<Self, Fault> {
        let step = |step: &DialogueStep| match step {
            DialogueStep::Send(bytes) => Ok(Step::Send(bytes.clone())),
            DialogueStep::Expect(pattern) => pattern::compile(pattern).map(Step::Expect),
        };
        Ok(Self {
            list: probe.steps.iter().map(step).collect::<Result<_, _>>()?,
            at: 0,
            heard: Vec::new(),
        })
    }

    /// Bytes of the server's words that are kept.
    pub fn kept(&self) -> usize {
        self.heard.len()
    }

    /// Takes the next steps, as far as what has come allows.
    fn advance(&mut self) -> Turn {
        loop {
            match self.list.get(self.at) {
                None => {
                    let count = self.list.len();
                    let steps = if count == 1 { "step" } else { "steps" };
                    return Turn::Over(Verdict::up(format!("{count} {steps} done")));
                }
                Some(Step::Send(bytes)) => {
                    self.at += 1;
                    return Turn::Say(Words::open(bytes.clone()));
                }
                Some(Step::Expect(matcher)) => match matcher.end_of_match(self.searched()) {
                    Ok(Some(end)) => {
                        self.at += 1;
                        self.heard.drain(..end);
                    }
                    Ok(None) if self.heard.len() >= HEARD_MAX => {
                        return Turn::Over(self.unmatched("does not come in the first"));
                    }
                    Ok(None) => return Turn::Listen,
                    Err(too_hard) => return Turn::Over(Verdict::down(too_hard.to_string())),
                },
            }
        }
    }

    /// What the present expectation is searched in.
    fn searched(&self) -> &[u8] {
        &self.heard[..self.heard.len().min(HEARD_MAX)]
    }

    /// What the present expectation is called.
    fn expected(&self) -> String {
        match self.list.get(self.at) {
            Some(Step::Expect(matcher)) => {
                format!("\"{}\" (step {})", matcher.source(), self.at + 1)
            }
            _ => format!("step {}", self.at + 1),
        }
    }

    fn unmatched(&self, how: &str) -> Verdict {
        let quoted = excerpt(&self.heard, QUOTED_MAX);
        let count = Bytes(self.searched().len() as u64);
        Verdict::down(format!("{} {how} {count}: \"{quoted}\"", self.expected()))
    }
}

impl Dialogue for Steps {
    fn begin(&mut self, _local: SocketAddr) -> Turn {
        self.advance()
    }

    fn feed(&mut self, bytes: &[u8]) -> Turn {
        self.heard.extend_from_slice(bytes);
        self.advance()
    }

    fn end(&mut self) -> Verdict {
        if self.heard.is_empty() {
            return Verdict::down(format!("the server closed without {}", self.expected()));
        }
        self.unmatched("does not match what the server said before it closed,")
    }

    fn awaited(&self) -> Option<String> {
        Some(self.expected())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::transcript::{hold_through, tell};
    use crate::model::Pattern;

    fn send(text: &str) -> DialogueStep {
        DialogueStep::Send(text.as_bytes().to_vec())
    }

    fn expect(text: &str) -> DialogueStep {
        DialogueStep::Expect(Pattern(text.to_owned()))
    }

    fn steps(steps: Vec<DialogueStep>) -> Steps {
        Steps::new(&DialogueProbe { steps }).unwrap()
    }

    /// A mail server, asked as `service=smtp` asks it.
    fn mail() -> Steps {
        steps(vec![
            expect(r"^220[ -].*\r\n"),
            send("EHLO director.example.com\r\n"),
            expect(r"(?m)^250 .*\n"),
            send("QUIT\r\n"),
            expect(r"^221 .*\r\n"),
        ])
    }

    const RECORDING: &[u8] = b"220 mail.example.com ESMTP Postfix\r\n\
        250-mail.example.com\r\n250-SIZE 10240000\r\n250 CHUNKING\r\n221 2.0.0 Bye\r\n";

    #[test]
    fn a_recorded_conversation_is_up_however_it_comes() {
        let told = hold_through(mail, Steps::kept, RECORDING);
        assert_eq!(told.result, Ok("5 steps done".to_owned()));
        assert_eq!(told.said, "EHLO director.example.com\r\nQUIT\r\n");
    }

    #[test]
    fn an_expectation_takes_what_it_matched_and_leaves_the_rest() {
        let twice = || steps(vec![expect("ok"), expect("ok")]);
        assert!(tell(&mut twice(), &[b"ok, ok"]).result.is_ok());
        let told = tell(&mut twice(), &[b"ok, "]);
        assert_eq!(
            told.result,
            Err("\"ok\" (step 2) does not match what the server said before it closed, 2 bytes: \", \"".to_owned())
        );
    }

    #[test]
    fn the_step_that_failed_is_named() {
        for (server, reason) in [
            (
                "",
                "the server closed without \"^220[ -].*\\r\\n\" (step 1)",
            ),
            (
                "220 x\r\n550 no\r\n",
                "\"(?m)^250 .*\\n\" (step 3) does not match what the server said before it closed, 8 bytes: \"550 no\\r\\n\"",
            ),
        ] {
            let told = tell(&mut mail(), &[server.as_bytes()]);
            assert_eq!(told.result, Err(reason.to_owned()));
        }
        let mut waiting = mail();
        assert_eq!(waiting.feed(b"220 x"), Turn::Listen);
        assert_eq!(waiting.awaited().unwrap(), "\"^220[ -].*\\r\\n\" (step 1)");
    }

    #[test]
    fn endless_words_end() {
        let told = tell(&mut mail(), &[&vec![b'x'; 3 * HEARD_MAX]]);
        let reason = told.result.unwrap_err();
        assert!(
            reason.contains("(step 1) does not come in the first 16384 bytes: \"xxx"),
            "{reason}"
        );
        assert!(!told.at_end);
    }

    #[test]
    fn a_conversation_may_only_send() {
        let told = tell(&mut steps(vec![send("a"), send("b")]), &[]);
        assert_eq!(told.result, Ok("2 steps done".to_owned()));
        assert_eq!(told.said, "ab");
    }
}
