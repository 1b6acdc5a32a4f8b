//! Whose fault it is, and the words for it.
//!
//! A fault of this host says nothing about the server and must not take it out; all else
//! that goes wrong with a connection is the server's, or lies between it and us, where
//! its clients would meet it too.

use std::fmt;
use std::io;
use std::time::Duration;

use nix::errno::Errno;

use crate::model::{Fault, Outcome, Reason};

/// How far an exchange over a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The connection request is on its way.
    Connecting,
    /// Connected; the TLS handshake is not complete.
    Handshake,
    /// A datagram was sent.
    Asking,
    /// Connected and ready; this many bytes of the answer have come.
    Waiting(u64),
}

/// Words for descriptors that this process, and this host, has no more of.
const PROCESS_EXHAUSTED: &str = "this process has no file descriptors left (LimitNOFILE=)";
const HOST_EXHAUSTED: &str = "this host has no file descriptors left (fs.file-max)";

/// Whether a probe could not be carried out since descriptors had run out.
pub fn is_of_descriptors(fault: &Fault) -> bool {
    [PROCESS_EXHAUSTED, HOST_EXHAUSTED]
        .iter()
        .any(|words| fault.as_str().contains(words))
}

/// Whether this host ran out of descriptors.
pub fn is_descriptor_exhaustion(error: &io::Error) -> bool {
    matches!(errno(error), Some(Errno::EMFILE | Errno::ENFILE))
}

/// Outcome of a probe that an error of the system ended at `stage`.
pub fn failed(error: &io::Error, stage: Stage) -> Outcome {
    let what = words(error);
    if is_ours(error) {
        return Outcome::Inconclusive(Fault::new(what));
    }
    Outcome::Down(Reason::new(match stage {
        Stage::Connecting => what,
        Stage::Asking => format!("no answer: {what}"),
        Stage::Handshake => format!("connected, but the TLS handshake failed: {what}"),
        Stage::Waiting(0) => format!("connected, but no answer: {what}"),
        Stage::Waiting(received) => format!("answer stopped after {}: {what}", Bytes(received)),
    }))
}

/// Reason of a probe whose deadline passed at `stage`.
pub fn timed_out(stage: Stage, timeout: Duration) -> Reason {
    let within = Seconds(timeout);
    Reason::new(match stage {
        Stage::Connecting => format!("no answer to the connection request within {within}"),
        Stage::Asking => format!("no answer within {within}"),
        Stage::Handshake => format!("connected, but no TLS handshake within {within}"),
        Stage::Waiting(0) => format!("connected, but no answer within {within}"),
        Stage::Waiting(received) => {
            format!("answer incomplete after {within}: {}", Bytes(received))
        }
    })
}

/// Outcome of a probe that could not even get a socket.
pub fn no_socket(error: &io::Error) -> Outcome {
    Outcome::Inconclusive(Fault::new(format!("no socket: {}", words(error))))
}

/// A fault of this host as an error, for what carries nothing else: [`failed`] makes
/// [`Outcome::Inconclusive`] of it.
pub(super) fn own(fault: Fault) -> io::Error {
    io::Error::other(Own(fault))
}

/// A fault of this host that the system knows nothing of.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Own(Fault);

/// Whether the error comes from this host alone.
///
/// `EADDRNOTAVAIL` is what connecting gives when no local port is left. `EPERM` is a
/// local packet filter. `EACCES` is not ours: it is how an `ICMPv6` "administratively
/// prohibited" arrives (`net/ipv6/icmp.c`, `tab_unreach`). A missing route is the
/// server's: what the director cannot reach it cannot forward to either.
fn is_ours(error: &io::Error) -> bool {
    let own = error.get_ref().and_then(|inner| inner.downcast_ref());
    if let Some(Own(_)) = own {
        return true;
    }
    matches!(
        errno(error),
        Some(
            Errno::EMFILE
                | Errno::ENFILE
                | Errno::ENOMEM
                | Errno::ENOBUFS
                | Errno::EADDRNOTAVAIL
                | Errno::EADDRINUSE
                | Errno::EAGAIN
                | Errno::EPERM
                | Errno::EAFNOSUPPORT
                | Errno::EPROTONOSUPPORT
                | Errno::EINVAL
        )
    )
}

fn errno(error: &io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw)
}

/// The error in the words of an operator.
pub(super) fn words(error: &io::Error) -> String {
    let known = match errno(error) {
        Some(Errno::ECONNREFUSED) => "connection refused",
        Some(Errno::ECONNRESET) => "connection reset",
        Some(Errno::EPIPE) => "connection closed by the server",
        Some(Errno::ETIMEDOUT) => "no answer from the host (the kernel gave up)",
        Some(Errno::EHOSTUNREACH) => "host unreachable",
        Some(Errno::ENETUNREACH) => "network unreachable",
        Some(Errno::ENETDOWN) => "network interface is down",
        Some(Errno::EACCES) => "administratively prohibited",
        Some(Errno::EMFILE) => PROCESS_EXHAUSTED,
        Some(Errno::ENFILE) => HOST_EXHAUSTED,
        Some(Errno::ENOMEM) => "this host has no memory left",
        Some(Errno::ENOBUFS) => "this host has no buffer space left",
        Some(Errno::EADDRNOTAVAIL) => {
            "no local address or port left (net.ipv4.ip_local_port_range)"
        }
        Some(Errno::EPERM) => "not permitted by this host (packet filter)",
        Some(Errno::EAFNOSUPPORT) => "address family not supported by this host",
        Some(errno) => errno.desc(),
        None => return error.to_string(),
    };
    known.to_owned()
}

/// A duration as `30 s` or `0.3 s`.
pub(super) struct Seconds(pub(super) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0.as_millis() as f64 / 1000.0)
    }
}

/// A count as `1 byte` or `17 bytes`.
pub(super) struct Bytes(pub(super) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} byte{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

/// Beginning of foreign bytes for a reason, at most `max` of them; what is not UTF-8
/// shows as a replacement character, control characters are left to [`Reason`].
pub(super) fn excerpt(bytes: &[u8], max: usize) -> String {
    let cut = &bytes[..bytes.len().min(max)];
    let more = if cut.len() < bytes.len() { "…" } else { "" };
    format!("{}{more}", String::from_utf8_lossy(cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(errno: Errno, stage: Stage) -> Outcome {
        failed(&io::Error::from(errno), stage)
    }

    #[test]
    fn shortages_of_this_host_are_inconclusive() {
        for errno in [
            Errno::EMFILE,
            Errno::ENFILE,
            Errno::ENOMEM,
            Errno::ENOBUFS,
            Errno::EADDRNOTAVAIL,
            Errno::EPERM,
        ] {
            let outcome = outcome(errno, Stage::Connecting);
            assert!(matches!(outcome, Outcome::Inconclusive(_)), "{errno}");
        }
    }

    #[test]
    fn a_shortage_of_descriptors_is_told_from_others() {
        for (errno, is_one) in [
            (Errno::EMFILE, true),
            (Errno::ENFILE, true),
            (Errno::ENOMEM, false),
        ] {
            let Outcome::Inconclusive(fault) = outcome(errno, Stage::Connecting) else {
                panic!("{errno}");
            };
            assert_eq!(is_of_descriptors(&fault), is_one, "{errno}");
        }
    }

    #[test]
    fn what_clients_would_meet_too_is_down() {
        for errno in [
            Errno::ECONNREFUSED,
            Errno::ECONNRESET,
            Errno::EHOSTUNREACH,
            Errno::ENETUNREACH,
            Errno::ETIMEDOUT,
            Errno::EACCES,
        ] {
            let outcome = outcome(errno, Stage::Connecting);
            assert!(matches!(outcome, Outcome::Down(_)), "{errno}");
        }
    }

    #[test]
    fn reasons_name_the_phase() {
        let reset = |stage| match outcome(Errno::ECONNRESET, stage) {
            Outcome::Down(reason) => reason.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(reset(Stage::Connecting), "connection reset");
        assert_eq!(
            reset(Stage::Waiting(0)),
            "connected, but no answer: connection reset"
        );
        assert_eq!(
            reset(Stage::Waiting(17)),
            "answer stopped after 17 bytes: connection reset"
        );
        assert_eq!(
            timed_out(Stage::Connecting, Duration::from_secs(5)).as_str(),
            "no answer to the connection request within 5 s"
        );
        assert_eq!(
            timed_out(Stage::Waiting(1), Duration::from_millis(300)).as_str(),
            "answer incomplete after 0.3 s: 1 byte"
        );
    }
}
