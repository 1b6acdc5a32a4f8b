//! One look at a track, before its deadline.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout_at};

use super::kind::authority;
use super::process::Scanner;
use crate::check;
use crate::director::pair::program::Names;
use crate::model::pair::{Track, TrackKind};
use crate::model::{Fault, Outcome, Probe, ProbeKind, Reason};

/// A reading of `/proc` serves for this long at most.
const SCAN_AGE: Duration = Duration::from_millis(500);

/// What a look found, and a line that describes a success.
pub(super) type Finding = (Outcome, String);

/// Looks at one track, again and again.
pub(super) struct Looker {
    timeout: Duration,
    what: What,
}

enum What {
    Probe(SocketAddr, ProbeKind),
    Http {
        host: Host,
        header: String,
        path: String,
    },
    Script(check::Program),
    Process {
        name: String,
        age: Duration,
        scanner: Arc<Scanner>,
    },
}

impl Looker {
    /// Who looks at a track of an instance; `None` when it is told instead.
    pub(super) fn new(
        instance: &str,
        track: &Track,
        names: &Names,
        scanner: &Arc<Scanner>,
    ) -> Option<Self> {
        let what = match &track.kind {
            TrackKind::Interface(_) | TrackKind::Service { .. } => return None,
            TrackKind::Ping(address) => What::Probe(
                SocketAddr::new(*address, 0),
                ProbeKind::Ping { attempts: 1 },
            ),
            TrackKind::Tcp(address) => What::Probe(*address, ProbeKind::Connect),
            TrackKind::Http { host, port, path } => What::Http {
                host: Host::new(host, *port),
                header: authority(host, *port),
                path: path.clone(),
            },
            TrackKind::Script { command, user } => {
                let (program, arguments) = command.split_first()?;
                let more = [("TRACK", track.name.as_str())];
                What::Script(check::Program::new(
                    program,
                    arguments.to_vec(),
                    names.environment(instance, &more),
                    user.clone(),
                ))
            }
            TrackKind::Process(name) => What::Process {
                name: name.clone(),
                age: SCAN_AGE.min(track.interval / 2),
                scanner: Arc::clone(scanner),
            },
        };
        Some(Self {
            timeout: track.timeout,
            what,
        })
    }

    /// Looks once. The finding is there at the latest when the track's time-out has passed,
    /// unless this process itself was held up.
    pub(super) async fn look(&mut self) -> Finding {
        let started = Instant::now();
        let (outcome, detail) = self.find(started).await;
        let outcome = credible(outcome, started.elapsed(), self.timeout);
        (outcome, detail)
    }

    async fn find(&mut self, started: Instant) -> Finding {
        let timeout = self.timeout;
        let report = match &mut self.what {
            What::Probe(target, kind) => {
                let kind = kind.clone();
                check::run(*target, &Probe::new(kind, timeout)).await
            }
            What::Script(program) => check::execute(program, timeout).await,
            What::Http { host, header, path } => {
                let Some(target) = host.address(started + timeout / 2).await else {
                    let fault = Fault::new(format!("no address for {header}"));
                    return (Outcome::Inconclusive(fault), String::new());
                };
                // Whole milliseconds, for the sake of the words.
                let spent = Duration::from_millis(started.elapsed().as_millis() as u64);
                let left = timeout.saturating_sub(spent);
                check::http::status(target, header, path, left).await
            }
            What::Process { name, age, scanner } => {
                let asked = scanner.exists(name, *age);
                return process(name, timeout_at(started + timeout, asked).await.ok());
            }
        };
        (report.outcome, report.detail)
    }
}

fn process(name: &str, answer: Option<io::Result<bool>>) -> Finding {
    let outcome = match answer {
        Some(Ok(true)) => Outcome::Up,
        Some(Ok(false)) => Outcome::Down(Reason::new(format!("no process {name}"))),
        Some(Err(error)) => {
            Outcome::Inconclusive(Fault::new(format!("cannot read /proc: {error}")))
        }
        None => Outcome::Inconclusive(Fault::new("/proc was not read in time")),
    };
    (outcome, format!("process {name} runs"))
}

/// A failure counts only when somebody was there to see the success: a process that was
/// stopped or starved finds its deadlines passed.
fn credible(outcome: Outcome, took: Duration, timeout: Duration) -> Outcome {
    match outcome {
        Outcome::Down(_) if took > timeout + timeout / 2 => Outcome::Inconclusive(Fault::new(
            format!("this host was held up: a look took {} ms", took.as_millis()),
        )),
        outcome => outcome,
    }
}

/// The host of a URL. A name is looked up anew for each look; when that does not succeed in
/// time, it has the address it had before.
struct Host {
    name: String,
    port: u16,
    known: Option<SocketAddr>,
    /// A look-up that hangs is not joined by another.
    pending: Option<JoinHandle<io::Result<Option<SocketAddr>>>>,
    literal: bool,
}

impl Host {
    fn new(name: &str, port: u16) -> Self {
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let literal: Option<IpAddr> = bare.parse().ok();
        Self {
            name: name.to_owned(),
            port,
            known: literal.map(|address| SocketAddr::new(address, port)),
            pending: None,
            literal: literal.is_some(),
        }
    }

    async fn address(&mut self, until: Instant) -> Option<SocketAddr> {
        if self.literal {
            return self.known;
        }
        let lookup = self.pending.get_or_insert_with(|| {
            let host = (self.name.clone(), self.port);
            let ask = move || (host.0.as_str(), host.1).to_socket_addrs();
            spawn_blocking(move || ask().map(|mut addresses| addresses.next()))
        });
        if let Ok(ended) = timeout_at(until, lookup).await {
            self.pending = None;
            if let Ok(Ok(Some(address))) = ended {
                self.known = Some(address);
            }
        }
        self.known
    }
}

#[cfg(test)]
mod tests;
