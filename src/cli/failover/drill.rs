//! `directord failover drill`: a planned switch and back, with orders that an operator could
//! give, and what it cost. Every wait has a limit, and what was ordered is taken back when
//! something goes wrong.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::super::commands::{complain, print_out};
use super::super::exit::Exit;
use super::gaps::{last_from, last_to, longest_gap, moments};
use super::orders::{chosen, watch};
use super::probe::Probe;
use super::{Scope, plain};
use crate::control::Client;
use crate::director::pair::order::{Order, Verb};
use crate::director::pair::status::{InstanceStatus, PairStatus};

/// How long things take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// On the other node.
    pub(super) stay: Duration,
    /// One switch, at most.
    pub(super) limit: Duration,
}

/// Moves of one drill.
const MOVES: u8 = 2;

/// Runs the drill, one instance after the other.
pub(super) async fn run(
    scope: &Scope,
    probe: Option<SocketAddr>,
    times: Times,
) -> anyhow::Result<Exit> {
    let client = scope.client();
    let pair = client.pair().await?;
    let mut names = Vec::new();
    for instance in chosen(&pair, scope.instance.as_deref())? {
        if let Some(reason) = unready(&pair, instance) {
            complain(&plain(&format!("directord: no drill: {reason}")));
            return Ok(Exit::Failure);
        }
        names.push((instance.name.clone(), instance.owner == "local"));
    }
    let running = match probe {
        Some(service) => Some((service, Probe::start(service).await?)),
        None => None,
    };
    for (name, is_here) in &names {
        let drill = Drill {
            client: &client,
            instance: name,
            peer: &pair.peer.name,
            times,
            stepped_back: Cell::new(false),
        };
        let result = tokio::select! {
            result = drill.switch_and_back(*is_here) => result,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
        };
        if let Err(error) = result {
            return Err(drill.take_back(error).await);
        }
    }
    if let Some((service, probe)) = running {
        print_out(&probed(service, longest_gap(&probe.end().await)))?;
    }
    Ok(Exit::Success)
}

/// Why a switch and back would not be a drill but a risk.
fn unready(pair: &PairStatus, instance: &InstanceStatus) -> Option<String> {
    let (peer, name) = (&pair.peer.name, &instance.name);
    if !pair.peer.alive || !pair.peer.hears_us {
        return Some(format!("{peer} and this node do not hear each other"));
    }
    if pair.peer.same_config != Some(true) {
        return Some(format!("{peer} has another configuration"));
    }
    if pair.frozen != "no" {
        return Some(format!("frozen {}", pair.frozen));
    }
    if instance.pinned_seconds.is_some() {
        return Some(format!("{name} moved too often and is pinned"));
    }
    let most = pair.timing.max_moves;
    if instance.moves.saturating_add(MOVES) > most {
        return Some(format!(
            "{name} moved {} times lately and is pinned after {most}; wait, or forget them on both \
             nodes with `directord failover cleanup`",
            instance.moves
        ));
    }
    if instance.admin_standby {
        return Some(format!("{name} is standby here on an operator's order"));
    }
    if let Some(obstacle) = instance.obstacles.first() {
        return Some(format!("{name} cannot be served here: {obstacle}"));
    }
    if !instance.ready {
        return Some(format!("this node is not ready for {name}"));
    }
    let states = (instance.owner.as_str(), instance.state.as_str());
    if !matches!(states, ("local", "active") | ("peer", "standby")) {
        return Some(format!("{name} is {} here", instance.state));
    }
    match &instance.peer {
        Some(other) if other.eligible && other.ready => None,
        _ => Some(format!("{peer} is not ready for {name}")),
    }
}

struct Drill<'a> {
    client: &'a Client,
    instance: &'a str,
    peer: &'a str,
    times: Times,
    /// Whether this node was ordered to stay standby.
    stepped_back: Cell<bool>,
}

impl Drill<'_> {
    async fn switch_and_back(&self, is_here: bool) -> anyhow::Result<()> {
        if is_here {
            self.away().await?;
        } else {
            self.home().await?;
        }
        tokio::time::sleep(self.times.stay).await;
        if is_here {
            self.home().await
        } else {
            self.away().await
        }
    }

    /// From this node to the peer.
    async fn away(&self) -> anyhow::Result<()> {
        let peer = self.peer;
        self.wait(&format!("{peer} is not ready for it"), |one| {
            one.peer
                .as_ref()
                .is_some_and(|other| other.eligible && other.ready)
        })
        .await?;
        let begun = Instant::now();
        self.stepped_back.set(true);
        self.standby(true).await?;
        let (pair, seen) = self
            .wait(&format!("{peer} has not taken it over"), |one| {
                one.owner == "peer" && one.peer.as_ref().is_some_and(|p| p.state == "active")
            })
            .await?;
        self.standby(false).await?;
        self.stepped_back.set(false);
        let moments = moments(&pair, self.instance, seen, begun);
        let given_up = last_from(&moments, "release").unwrap_or(begun);
        let leg = Leg {
            from: &pair.node,
            to: peer,
            release: given_up.saturating_duration_since(begun),
            gap: seen.saturating_duration_since(given_up),
            bound: true,
        };
        print_out(&leg.text(self.instance))
    }

    /// From the peer to this node.
    async fn home(&self) -> anyhow::Result<()> {
        self.wait("this node is not ready for it", |one| {
            one.ready && one.obstacles.is_empty() && one.state == "standby"
        })
        .await?;
        let begun = Instant::now();
        let order = self.order(Verb::Takeover);
        self.client.order(&order).await?;
        let (pair, seen) = self
            .wait(&format!("{} has not handed it over", self.peer), |one| {
                one.owner == "local" && one.state == "active"
            })
            .await?;
        let moments = moments(&pair, self.instance, seen, begun);
        let active = last_to(&moments, "active").unwrap_or(seen);
        let released = last_to(&moments, "acquire").unwrap_or(begun);
        let leg = Leg {
            from: self.peer,
            to: &pair.node,
            release: released.saturating_duration_since(begun),
            gap: active.saturating_duration_since(released),
            bound: false,
        };
        print_out(&leg.text(self.instance))
    }

    async fn wait(
        &self,
        otherwise: &str,
        is_wanted: impl Fn(&InstanceStatus) -> bool,
    ) -> anyhow::Result<(PairStatus, Instant)> {
        let seen = watch(self.client, self.times.limit, |pair| {
            let mut all = pair.instances.iter();
            all.find(|one| one.name == self.instance)
                .is_some_and(&is_wanted)
        })
        .await?;
        anyhow::ensure!(
            seen.reached,
            "{}: {otherwise} after {} s",
            self.instance,
            self.times.limit.as_secs()
        );
        Ok((seen.pair, seen.at))
    }

    fn order(&self, verb: Verb) -> Order {
        Order {
            instance: Some(self.instance.to_owned()),
            ..Order::new(verb)
        }
    }

    async fn standby(&self, on: bool) -> anyhow::Result<()> {
        let order = Order {
            on: Some(on),
            ..self.order(Verb::Standby)
        };
        self.client.order(&order).await?;
        Ok(())
    }

    /// Ends what was ordered, and adds to the error where things stand.
    async fn take_back(&self, error: anyhow::Error) -> anyhow::Error {
        if self.stepped_back.get()
            && let Err(second) = self.standby(false).await
        {
            return error.context(format!(
                "this node is still standby ({second}); end it with `directord failover standby \
                 --off {}`",
                self.instance
            ));
        }
        match self.client.pair().await {
            Ok(pair) => error.context(format!("drill ended early; {}", super::summary(&pair))),
            Err(_) => error.context("drill ended early"),
        }
    }
}

/// One way of the drill.
struct Leg<'a> {
    from: &'a str,
    to: &'a str,
    /// From the order until the addresses were gone.
    release: Duration,
    /// From then until the other one served.
    gap: Duration,
    /// Whether the gap is no longer than that, because its end came with an advert.
    bound: bool,
}

impl Leg<'_> {
    fn text(&self, instance: &str) -> String {
        let most = if self.bound { "at most " } else { "" };
        format!(
            "{instance}: {} → {}: released {} ms after the order, without owner for {most}{} ms\n",
            self.from,
            self.to,
            self.release.as_millis(),
            self.gap.as_millis()
        )
    }
}

fn probed(
    service: SocketAddr,
    (attempts, failed, gap): (usize, usize, Option<Duration>),
) -> String {
    let gap = gap.map_or_else(
        || "none succeeded".to_owned(),
        |gap| format!("longest gap {} ms", gap.as_millis()),
    );
    format!("probe of {service} every 10 ms: {attempts} attempts, {failed} failed, {gap}\n")
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    type Change = fn(&mut PairStatus);

    #[test]
    fn a_whole_pair_is_ready_on_both_nodes() {
        for pair in [sample::active(), sample::standby()] {
            assert_eq!(unready(&pair, &pair.instances[0]), None);
        }
    }

    #[test]
    fn whatever_is_amiss_prevents_a_drill() {
        let cases: [(Change, &str); 12] = [
            (|p| p.peer.alive = false, "do not hear"),
            (|p| p.peer.hears_us = false, "do not hear"),
            (|p| p.peer.same_config = None, "another configuration"),
            (|p| p.frozen = "for 9 s".to_owned(), "frozen for 9 s"),
            (|p| p.instances[0].pinned_seconds = Some(1.0), "pinned"),
            (|p| p.instances[0].moves = 4, "moved 4 times lately"),
            (|p| p.instances[0].admin_standby = true, "operator"),
            (
                |p| p.instances[0].obstacles.push("no carrier".to_owned()),
                "no carrier",
            ),
            (|p| p.instances[0].ready = false, "this node is not ready"),
            (
                |p| p.instances[0].state = "release".to_owned(),
                "web is release here",
            ),
            (|p| p.instances[0].peer = None, "loadb2 is not ready"),
            (
                |p| p.instances[0].peer.as_mut().unwrap().ready = false,
                "loadb2 is not ready",
            ),
        ];
        for (change, wanted) in cases {
            let mut pair = sample::active();
            change(&mut pair);
            let reason = unready(&pair, &pair.instances[0]).unwrap_or_default();
            assert!(reason.contains(wanted), "{wanted}: {reason}");
        }
    }

    #[test]
    fn the_gaps_are_told_in_milliseconds() {
        let leg = Leg {
            from: "loadb1",
            to: "loadb2",
            release: Duration::from_millis(9),
            gap: Duration::from_micros(31_700),
            bound: true,
        };
        assert_eq!(
            leg.text("web"),
            "web: loadb1 → loadb2: released 9 ms after the order, without owner for at most 31 ms\n"
        );
        let service = "192.0.2.100:80".parse().unwrap();
        assert_eq!(
            probed(service, (212, 3, Some(Duration::from_millis(41)))),
            "probe of 192.0.2.100:80 every 10 ms: 212 attempts, 3 failed, longest gap 41 ms\n"
        );
        assert!(probed(service, (9, 9, None)).ends_with("none succeeded\n"));
    }
}
