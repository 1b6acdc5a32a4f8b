//! What an operator may want to see of a probe afterwards.

use std::time::{Duration, Instant};

use super::fault::{self, Seconds, Stage};
use crate::model::{Advice, CertificateState, Outcome, Phases, Reason, Report, Said, Side};

/// Bytes of each direction that a [`Report`] shows.
const EXCERPT: usize = 4096;

/// Takes notes while a probe runs.
pub(super) struct Trace {
    started: Instant,
    timeout: Duration,
    stage: Stage,
    phases: Phases,
    certificate: Option<CertificateState>,
    dialogue: Vec<Said>,
    /// Bytes kept of the director and of the server.
    kept: [usize; 2],
}

impl Trace {
    /// Begins now.
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            started: Instant::now(),
            timeout,
            stage: Stage::Connecting,
            phases: Phases::default(),
            certificate: None,
            dialogue: Vec::new(),
            kept: [0; 2],
        }
    }

    /// The moment at which the probe must be over.
    pub(super) fn deadline(&self) -> tokio::time::Instant {
        (self.started + self.timeout).into()
    }

    /// A new connection is attempted, after a redirect.
    pub(super) fn reconnecting(&mut self) {
        self.stage = Stage::Connecting;
    }

    /// The connection is established.
    pub(super) fn connected(&mut self, tls_follows: bool) {
        self.phases.connected = Some(self.started.elapsed());
        self.stage = if tls_follows {
            Stage::Handshake
        } else {
            Stage::Waiting(0)
        };
    }

    /// A TLS handshake begins on the connection that was plain so far.
    pub(super) fn securing(&mut self) {
        self.stage = Stage::Handshake;
    }

    /// The TLS handshake is complete.
    pub(super) fn tls_ready(&mut self, certificate: CertificateState) {
        self.certificate = Some(certificate);
        self.phases.tls = Some(self.started.elapsed());
        self.stage = Stage::Waiting(0);
    }

    /// A datagram is on its way: nobody knows whether somebody is there.
    pub(super) fn asking(&mut self) {
        self.stage = Stage::Asking;
    }

    /// These bytes are being sent.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        self.say(Side::Director, bytes);
    }

    /// These bytes came back.
    pub(super) fn received(&mut self, bytes: &[u8]) {
        if self.phases.first_byte.is_none() {
            self.phases.first_byte = Some(self.started.elapsed());
        }
        if let Stage::Waiting(count) = &mut self.stage {
            *count += bytes.len() as u64;
        }
        self.say(Side::Server, bytes);
    }

    /// Reason of having reached the deadline here.
    pub(super) fn timed_out(&self) -> Reason {
        fault::timed_out(self.stage, self.timeout)
    }

    /// Ends the probe at its deadline.
    pub(super) fn expire(self) -> Report {
        let reason = self.timed_out();
        self.report(Outcome::Down(reason), "")
    }

    /// Ends the probe at its deadline, and says what a connected server did not do.
    pub(super) fn expire_without(self, awaited: Option<String>) -> Report {
        let (Stage::Waiting(received), Some(what)) = (self.stage, awaited) else {
            return self.expire();
        };
        let within = Seconds(self.timeout);
        let connected = if received == 0 { "connected, but " } else { "" };
        let reason = Reason::new(format!("{connected}no {what} within {within}"));
        self.report(Outcome::Down(reason), "")
    }

    /// Ends the probe with an error of the system.
    pub(super) fn fail(self, error: &std::io::Error) -> Report {
        let outcome = fault::failed(error, self.stage);
        self.report(outcome, "")
    }

    /// Ends the probe. `detail` describes a success.
    pub(super) fn report(self, outcome: Outcome, detail: impl Into<String>) -> Report {
        Report {
            outcome,
            detail: detail.into(),
            advice: Advice::default(),
            phases: Phases {
                total: self.started.elapsed(),
                ..self.phases
            },
            certificate: self.certificate,
            dialogue: self.dialogue,
        }
    }

    fn say(&mut self, by: Side, bytes: &[u8]) {
        let kept = &mut self.kept[usize::from(by == Side::Server)];
        let bytes = &bytes[..bytes.len().min(EXCERPT - *kept)];
        *kept += bytes.len();
        match self.dialogue.last_mut() {
            _ if bytes.is_empty() => {}
            Some(last) if last.by == by => last.bytes.extend_from_slice(bytes),
            _ => self.dialogue.push(Said {
                by,
                bytes: bytes.to_vec(),
            }),
        }
    }
}
