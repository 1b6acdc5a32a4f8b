//! Checks, as many as asked, and what they cost.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use directord::director::lane::{CheckId, Lane, LastResult};
use directord::model::{Check, HttpMethod, HttpProbe, Method, Pattern, Probe, ProbeKind};

use crate::host;

/// Head of the rows that [`Load::run`] gives.
pub(crate) const HEAD: &str = "| checks | interval | checks/s | left out | CPU per check | core used | late p50 | p99 | max | memory per check |\n\
     |---|---|---|---|---|---|---|---|---|---|";

/// What is asked of the lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Checks of servers that answer.
    pub(crate) fine: u32,
    /// Checks of servers that accept and say nothing.
    pub(crate) hanging: u32,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    /// How long it runs before it is measured, and how long it is.
    pub(crate) warm: Duration,
    pub(crate) window: Duration,
}

impl Load {
    /// As arguments of another process, which adds the server's two ports.
    pub(crate) fn words(&self) -> Vec<String> {
        let times = [self.interval, self.timeout, self.warm, self.window];
        let times = times.map(|time| time.as_millis().to_string());
        [self.fine.to_string(), self.hanging.to_string()]
            .into_iter()
            .chain(times)
            .collect()
    }

    /// From these arguments, the ports at their end.
    pub(crate) fn from_words(words: &[&str]) -> anyhow::Result<Run> {
        let numbers: Result<Vec<u64>, _> = words.iter().map(|word| word.parse()).collect();
        let [fine, hanging, interval, timeout, warm, window, port, silent] = numbers?[..] else {
            bail!("eight numbers are needed");
        };
        Ok(Run {
            load: Self {
                fine: fine.try_into()?,
                hanging: hanging.try_into()?,
                interval: Duration::from_millis(interval),
                timeout: Duration::from_millis(timeout),
                warm: Duration::from_millis(warm),
                window: Duration::from_millis(window),
            },
            port: port.try_into()?,
            silent: silent.try_into()?,
        })
    }

    fn check(&self, number: u32, port: u16) -> Check {
        let address = Ipv4Addr::from(0x7F01_0000 + number);
        let http = HttpProbe {
            method: HttpMethod::Get,
            path: "/status".to_owned(),
            host: "www.example.com".to_owned(),
            receive: Some(Pattern("Test Page".to_owned())),
            ..HttpProbe::default()
        };
        Check {
            target: SocketAddr::from((address, port)),
            method: Method::Single(Probe {
                kind: ProbeKind::Http(http),
                timeout: self.timeout,
                way: None,
            }),
            interval: self.interval,
        }
    }
}

/// A load and where it goes.
pub(crate) struct Run {
    load: Load,
    port: u16,
    silent: u16,
}

impl Run {
    /// Carries the load out; a row of figures.
    pub(crate) fn run(&self) -> anyhow::Result<String> {
        host::settle(0)?;
        let load = &self.load;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
        let lane = Lane::start(runtime.handle().clone(), sender)?;
        let memory = host::resident()?;
        let mut fine = Vec::new();
        for number in 0..load.fine.max(load.hanging) {
            let add = |number: u32, port| {
                let check = Arc::new(load.check(number, port));
                lane.add(CheckId(number.into()), check, false)
            };
            if number < load.hanging {
                add(2 * number + 1, self.silent);
            }
            if number < load.fine {
                fine.push(Watched::new(add(2 * number, self.port)));
            }
        }
        // The director takes events all the time.
        let drain = runtime.spawn(async move { while events.recv().await.is_some() {} });
        std::thread::sleep(load.warm.max(load.interval));
        let memory = host::resident()?.saturating_sub(memory);
        let (began, busy) = (Instant::now(), host::processor_time("checks")?);
        let mut delays = Vec::new();
        for watched in &mut fine {
            watched.news();
        }
        let (mut rounds, mut skipped) = (0, 0);
        while began.elapsed() < load.window {
            // More often than the interval, so that no round is overlooked.
            std::thread::sleep(load.interval / 2);
            for watched in &mut fine {
                let (new, left_out, lateness) = watched.news();
                rounds += new;
                skipped += left_out;
                delays.extend((new > 0).then_some(lateness));
            }
        }
        let took = began.elapsed();
        let busy = host::processor_time("checks")?.saturating_sub(busy);
        drop(lane);
        drain.abort();
        delays.sort_unstable();
        let at = |share: f64| {
            let index = (delays.len() as f64 * share) as usize;
            let time = delays.get(index.min(delays.len().saturating_sub(1)));
            time.map(|time| time.as_secs_f64() * 1000.0)
                .context("no round has ended")
        };
        let checks = u64::from(load.fine + load.hanging);
        // Probes of servers that hang cost as well, and are as many as their time-out allows.
        let per_second = rounds as f64 / took.as_secs_f64();
        let silent_rounds = f64::from(load.hanging) * took.as_secs_f64()
            / load.timeout.max(load.interval).as_secs_f64();
        Ok(format!(
            "| {checks} | {} s | {per_second:.0} | {skipped} | {:.1} µs | {:.0} % | {:.1} ms | {:.1} ms | {:.1} ms | {} B |",
            load.interval.as_secs_f64(),
            busy.as_secs_f64() * 1e6 / (rounds as f64 + silent_rounds),
            busy.as_secs_f64() * 100.0 / took.as_secs_f64(),
            at(0.5)?,
            at(0.99)?,
            at(1.0)?,
            memory / checks
        ))
    }
}

/// A check whose figures are looked at now and then.
struct Watched {
    last: Arc<LastResult>,
    rounds: u64,
    skipped: u64,
}

impl Watched {
    fn new(last: Arc<LastResult>) -> Self {
        Self {
            last,
            rounds: 0,
            skipped: 0,
        }
    }

    /// Rounds that have ended and were left out since the last look, and how late the last
    /// one began.
    fn news(&mut self) -> (u64, u64, Duration) {
        let now = self.last.read();
        let news = (
            now.rounds - self.rounds,
            now.skipped - self.skipped,
            now.late,
        );
        (self.rounds, self.skipped) = (now.rounds, now.skipped);
        news
    }
}
