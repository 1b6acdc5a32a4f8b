//! A news server greets (RFC 3977 §5.1): `service=nntp`.

use std::net::SocketAddr;
use std::time::Duration;

use super::dialogue::{self, Dialogue, Turn, Verdict};
use super::reply::{Manner, Reader};
use super::socket::Route;
use crate::model::Report;

pub(super) async fn run(route: Route<'_>, timeout: Duration) -> Report {
    dialogue::run(route, None, Nntp::new(), timeout).await
}

/// The conversation.
#[derive(Debug)]
pub struct Nntp {
    reader: Reader,
}

impl Nntp {
    /// Waits for the greeting.
    #[expect(
        clippy::new_without_default,
        reason = "a conversation is begun, not defaulted"
    )]
    pub fn new() -> Self {
        Self {
            reader: Reader::new("NNTP", None),
        }
    }

    /// Bytes of the server's words that are kept.
    pub fn kept(&self) -> usize {
        self.reader.kept()
    }
}

impl Dialogue for Nntp {
    fn begin(&mut self, _local: SocketAddr) -> Turn {
        Turn::Listen
    }

    fn feed(&mut self, bytes: &[u8]) -> Turn {
        self.reader.push(bytes);
        Turn::Over(match self.reader.reply(Manner::Strict) {
            Ok(None) => return Turn::Listen,
            Ok(Some(reply)) => {
                let quoted = self.reader.quote(&reply.line);
                if reply.is_positive() {
                    Verdict::up(format!("greeted with {quoted}")).saying("QUIT\r\n")
                } else {
                    // 400 and 502: the server closes by itself (RFC 3977 §3.2.1).
                    Verdict::down(format!("connected, but the greeting is {quoted}"))
                }
            }
            Err(verdict) => verdict,
        })
    }

    fn end(&mut self) -> Verdict {
        self.reader.ended()
    }

    fn awaited(&self) -> Option<String> {
        Some(self.reader.awaited())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::transcript::{hold_through, tell};

    #[test]
    fn a_recorded_greeting_is_up_however_it_comes() {
        let inn = b"200 news.example.net InterNetNews NNRP server INN 2.7.1 ready (posting ok)\r\n";
        let told = hold_through(Nntp::new, Nntp::kept, inn);
        assert_eq!(
            told.result,
            Ok("greeted with \"200 news.example.net InterNetNews NNRP server INN 2.7.1 ready (posting ok)\"".to_owned())
        );
        assert_eq!(told.said, "QUIT\r\n");
    }

    #[test]
    fn posting_need_not_be_allowed() {
        let told = tell(&mut Nntp::new(), &[b"201 reading only\n"]);
        assert_eq!(
            told.result,
            Ok("greeted with \"201 reading only\"".to_owned())
        );
    }

    #[test]
    fn other_greetings_are_down() {
        for (server, reason) in [
            (
                &b"400 load at 17\r\n"[..],
                "connected, but the greeting is \"400 load at 17\"",
            ),
            (
                b"502 go away\r\n",
                "connected, but the greeting is \"502 go away\"",
            ),
            (
                b"2 what\r\n",
                "connected, but the greeting is not NNTP: \"2 what\"",
            ),
            (
                b"\xff\xfd\n",
                "connected, but the greeting is not NNTP: \"\u{fffd}\u{fffd}\"",
            ),
            (b"", "connected, but the server closed without a greeting"),
        ] {
            let told = tell(&mut Nntp::new(), &[server]);
            assert_eq!(told.result, Err(reason.to_owned()));
            assert_eq!(told.said, "");
        }
    }
}
