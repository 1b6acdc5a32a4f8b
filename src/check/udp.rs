//! A datagram is sent: `service=udp`.
//!
//! With an expected answer the first datagram that comes back decides, and silence is down.
//! Without one a server may keep silent, as syslog does: it is down only when an ICMP error
//! says that nobody listens or that the host cannot be reached. The question is repeated,
//! since hosts limit how many ICMP errors they send.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout_at;

use super::datagram::{self, Query};
use super::dialogue::{Turn, Verdict, Words};
use super::fault::{Bytes, Seconds, excerpt};
use super::pattern::{self, Matcher};
use super::socket::Route;
use super::trace::Trace;
use crate::model::{Fault, Outcome, Report, UdpProbe};

/// Bytes of an answer that are quoted.
const QUOTED_MAX: usize = 200;

pub(super) async fn run(route: Route<'_>, probe: &UdpProbe, timeout: Duration) -> Report {
    let mut trace = Trace::new(timeout);
    let mut question = match Question::new(probe) {
        Ok(question) => question,
        Err(fault) => return trace.report(Outcome::Inconclusive(fault), ""),
    };
    let deadline = trace.deadline();
    let exchange = datagram::exchange(route, &mut question, timeout, &mut trace);
    match timeout_at(deadline, exchange).await {
        Err(_elapsed) if question.matcher.is_none() => {
            let detail = format!("nobody refused the datagram within {}", Seconds(timeout));
            trace.report(Outcome::Up, detail)
        }
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            let refused = Verdict::down("nobody listens on the port (ICMP port unreachable)");
            datagram::conclude(Ok(Ok(refused)), None, trace)
        }
        ended => datagram::conclude(ended, None, trace),
    }
}

/// What is sent, and the judgement of what comes back.
#[derive(Debug)]
pub struct Question {
    payload: Vec<u8>,
    matcher: Option<Arc<Matcher>>,
}

impl Question {
    /// Makes a probe ready.
    ///
    /// # Errors
    ///
    /// The pattern cannot be used.
    pub fn new(probe: &UdpProbe) -> Result<Self, Fault> {
        Ok(Self {
            payload: probe.send.clone(),
            matcher: probe.receive.as_ref().map(pattern::compile).transpose()?,
        })
    }
}

impl Query for Question {
    fn ask(&mut self, _local: SocketAddr) -> Words {
        Words::open(self.payload.clone())
    }

    fn judge(&mut self, datagram: &[u8]) -> Turn {
        let count = Bytes(datagram.len() as u64);
        let found = match &self.matcher {
            None => Ok(true),
            Some(matcher) => matcher.is_match(datagram),
        };
        Turn::Over(match (found, &self.matcher) {
            (Ok(true), _) => Verdict::up(format!("answered with {count}")),
            (Ok(false), matcher) => {
                let pattern = matcher.as_ref().map_or("", |matcher| matcher.source());
                let quoted = excerpt(datagram, QUOTED_MAX);
                Verdict::down(format!(
                    "the answer ({count}) does not match \"{pattern}\": \"{quoted}\""
                ))
            }
            (Err(too_hard), _) => Verdict::down(too_hard.to_string()),
        })
    }

    fn doubt(&self) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::check;
    use crate::model::{Pattern, Probe, ProbeKind, Reason};

    const SHORT: Duration = Duration::from_millis(300);
    const LONG: Duration = Duration::from_secs(20);

    async fn ask(target: SocketAddr, receive: Option<&str>, timeout: Duration) -> Report {
        let probe = UdpProbe {
            send: b"\x01ping".to_vec(),
            receive: receive.map(|text| Pattern(text.to_owned())),
        };
        check::run(target, &Probe::new(ProbeKind::Udp(probe), timeout)).await
    }

    /// A server that answers with this; without an answer it only keeps the port.
    fn serve(host: &str, answer: Option<&'static [u8]>) -> SocketAddr {
        let socket = UdpSocket::bind((host, 0)).unwrap();
        let target = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 100];
            while let Ok((count, from)) = socket.recv_from(&mut buffer) {
                assert_eq!(&buffer[..count], b"\x01ping");
                if let Some(answer) = answer {
                    let _ = socket.send_to(answer, from);
                }
            }
        });
        target
    }

    fn down(text: &str) -> Outcome {
        Outcome::Down(Reason::new(text))
    }

    #[tokio::test]
    async fn silence_is_up_only_when_nothing_is_expected() {
        for host in ["127.0.0.1", "::1"] {
            let silent = serve(host, None);
            let report = ask(silent, None, SHORT).await;
            assert_eq!(report.outcome, Outcome::Up);
            assert_eq!(report.detail, "nobody refused the datagram within 0.3 s");
            let report = ask(silent, Some("pong"), SHORT).await;
            assert_eq!(report.outcome, down("no answer within 0.3 s"));
        }
    }

    #[tokio::test]
    async fn a_closed_port_is_down_long_before_the_deadline() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let closed = UdpSocket::bind(host).unwrap().local_addr().unwrap();
            for receive in [None, Some("pong")] {
                let report = ask(closed, receive, LONG).await;
                let expected = down("nobody listens on the port (ICMP port unreachable)");
                assert_eq!(report.outcome, expected);
                assert!(report.phases.total < LONG / 2);
            }
        }
    }

    #[tokio::test]
    async fn the_answer_decides() {
        let server = serve("127.0.0.1", Some(b"\xffpong 7"));
        let report = ask(server, Some(r"^\xffpong \d"), LONG).await;
        assert_eq!(report.outcome, Outcome::Up);
        assert_eq!(report.detail, "answered with 7 bytes");
        assert_eq!(ask(server, None, LONG).await.outcome, Outcome::Up);
        let report = ask(server, Some("ping"), LONG).await;
        let expected = "the answer (7 bytes) does not match \"ping\": \"\u{fffd}pong 7\"";
        assert_eq!(report.outcome, down(expected));
    }
}
