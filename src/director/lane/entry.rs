//! A check as the lane keeps it: small, and ready to start.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

use super::flight::Plain;
use super::rounds::{Passed, Rounds, Turn};
use super::schedule::Rhythm;
use super::{CheckId, LastResult, Watch};
use crate::check::http::Prepared;
use crate::check::socket::has_preamble;
use crate::model::{
    Advice, CertificateState, Check, Fault, Method, Outcome, Probe, ProbeKind, Way,
};

/// Time between two warnings of one certificate.
const WARNING_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// Seconds of a day.
const DAY: i64 = 24 * 3600;

/// A check with its state.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: CheckId,
    pub(super) generation: u32,
    pub(super) target: SocketAddr,
    /// When the next round is due; `None` before the first.
    pub(super) due: Option<Instant>,
    rhythm: Rhythm,
    hash: u64,
    watch: Watch,
    pub(super) running: Running,
    /// When the last round began.
    pub(super) began: Option<Instant>,
    judged: Judged,
    /// A round came due while the one before was under way.
    pub(super) overdue: bool,
    /// How late the last round began.
    pub(super) late: Duration,
    pub(super) last: Arc<LastResult>,
    /// What kept the last round from being carried out.
    pub(super) fault: Option<Box<str>>,
    report_all: bool,
    pub(super) first: First,
    was_up: bool,
    advice: Advice,
    /// When the operator was last warned that the server's certificate expires.
    warned: Option<Instant>,
    method: Probes,
}

/// Whether, and where, a probe of the check is under way.
#[derive(Debug)]
pub(super) enum Running {
    /// Nowhere.
    No,
    /// On the lane's loop, in this place.
    Here(usize),
    /// On the runtime.
    There(AbortHandle),
}

/// What became of the outcome of the last round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judged {
    /// It counted.
    Counted,
    /// It was a failure that said nothing.
    Excused,
}

/// How the first round of a check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// Not started.
    Waiting,
    /// Started.
    UnderWay,
    /// Ended.
    Over,
}

/// A probe made ready.
#[derive(Debug, Clone)]
pub(super) enum Ready {
    /// For the lane's own loop.
    Plain(Plain, Duration, Option<Arc<Way>>),
    /// For the runtime.
    Handed(Arc<Probe>),
    /// Cannot be carried out.
    Unusable(Fault),
}

#[derive(Debug)]
enum Probes {
    Single(Ready),
    Combined {
        rounds: Rounds,
        negotiate: Ready,
        connect: Ready,
    },
}

impl Entry {
    pub(super) fn new(
        (id, generation): (CheckId, u32),
        check: Check,
        report_all: bool,
        last: Arc<LastResult>,
    ) -> Self {
        let mut hasher = DefaultHasher::new();
        check.hash(&mut hasher);
        let target = check.target;
        Self {
            id,
            generation,
            target,
            due: None,
            rhythm: Rhythm::new(check.interval, hasher.finish()),
            hash: hasher.finish(),
            watch: Watch::default(),
            running: Running::No,
            overdue: false,
            late: Duration::ZERO,
            last,
            fault: None,
            began: None,
            judged: Judged::Counted,
            report_all,
            first: First::Waiting,
            was_up: false,
            advice: Advice::default(),
            warned: None,
            method: match check.method {
                Method::Single(probe) => Probes::Single(ready(target, probe)),
                Method::Combined {
                    negotiate,
                    connect,
                    connects,
                } => Probes::Combined {
                    rounds: Rounds::new(connects),
                    negotiate: ready(target, negotiate),
                    connect: ready(target, connect),
                },
            },
        }
    }

    /// The rhythm of its rounds as it is now.
    pub(super) fn rhythm(&self) -> Rhythm {
        match self.watch.interval {
            Some(interval) => Rhythm::new(interval, self.hash),
            None => self.rhythm,
        }
    }

    /// Looks at it in another way. Whether its rhythm changed.
    pub(super) fn watch(&mut self, watch: Watch) -> bool {
        let before = self.rhythm();
        self.watch = watch;
        self.rhythm() != before
    }

    /// The probe whose turn it is.
    pub(super) fn probe(&self) -> &Ready {
        match &self.method {
            Probes::Single(ready) => ready,
            Probes::Combined {
                rounds,
                negotiate,
                connect,
            } => match rounds.turn() {
                Turn::Negotiate => negotiate,
                Turn::Connect => connect,
            },
        }
    }

    /// A TLS handshake was completed. A certificate that expires soon is warned of once a
    /// day.
    pub(super) fn handle_certificate(&mut self, certificate: CertificateState, now: Instant) {
        self.last
            .update(|last| last.certificate = Some((certificate, now)));
        let is_due = self
            .warned
            .is_none_or(|at| now.saturating_duration_since(at) >= WARNING_INTERVAL);
        if !certificate.expires_soon {
            self.warned = None;
        } else if is_due && let Some(left) = certificate.expires_in {
            self.warned = Some(now);
            let target = self.target;
            let days = left.div_euclid(DAY);
            if left < 0 {
                tracing::warn!(%target, "certificate expired {} days ago", -days);
            } else {
                tracing::warn!(%target, days, "certificate expires in {days} days");
            }
        }
    }

    /// What a round says: a failure says nothing when this process stood still meanwhile and
    /// `woke` after the round began. Not twice in a row, for a host may be so busy that it
    /// always is late, and servers die on it as well.
    pub(super) fn judge(&mut self, outcome: Outcome, woke: Option<Instant>) -> Outcome {
        let is_spoiled = matches!(outcome, Outcome::Down(_))
            && woke.is_some_and(|woke| self.began.is_some_and(|began| began < woke));
        if is_spoiled && self.judged == Judged::Counted {
            self.judged = Judged::Excused;
            return Outcome::Inconclusive(Fault::new("this process stood still meanwhile"));
        }
        self.judged = Judged::Counted;
        outcome
    }

    /// A round has ended. Returns whether it is news.
    pub(super) fn handle_end(&mut self, outcome: &Outcome, advice: &Advice) -> bool {
        self.running = Running::No;
        let passed = match outcome {
            Outcome::Up => Passed::Yes,
            Outcome::Down(_) => Passed::No,
            Outcome::Inconclusive(_) => Passed::Unknown,
        };
        if let Probes::Combined { rounds, .. } = &mut self.method {
            rounds.handle_end(passed);
        }
        let is_up = passed == Passed::Yes;
        let every = self.report_all || self.watch.every_result;
        let is_news = every || !is_up || !self.was_up || *advice != self.advice;
        self.was_up = is_up;
        self.advice.clone_from(advice);
        is_news
    }
}

fn ready(target: SocketAddr, probe: Probe) -> Ready {
    if has_preamble(probe.way.as_ref()) {
        return Ready::Handed(Arc::new(probe));
    }
    match &probe.kind {
        ProbeKind::Connect => Ready::Plain(Plain::Connect, probe.timeout, probe.way),
        ProbeKind::Http(http) => match Prepared::new(target, http.clone()) {
            Ok(prepared) if prepared.is_plain() && prepared.is_linear() => {
                Ready::Plain(Plain::Http(Arc::new(prepared)), probe.timeout, probe.way)
            }
            Ok(_) => Ready::Handed(Arc::new(probe)),
            Err(fault) => Ready::Unusable(fault),
        },
        _ => Ready::Handed(Arc::new(probe)),
    }
}
