//! How much each server of a service is used: advice, slow start, damping and the floor.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::health::{
    Candidate, Climb, Damper, Event, Place, ResponseTime, Share, Transition, scaled, weigh,
};
use crate::model::{Advice, Availability, Destination, DestinationKey, Mode, Outcome, Policy};

use super::super::lane::{CheckResult, Watch};
use super::super::notice::Notice;
use super::managed::{Managed, Real};
use crate::config::RealCheck;

/// Whether the agent of a server was asked, with or without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    No,
    /// No, and the server was found in the table: it keeps its weight there until the agent
    /// was asked, or it fails.
    Awaited,
    Yes,
}

impl Asked {
    fn first(is_awaited: bool) -> Self {
        if is_awaited { Self::Awaited } else { Self::No }
    }
}

/// What a server's past and its own word add to its standing.
#[derive(Debug)]
pub(super) struct Usage {
    asked: Asked,
    share: Share,
    /// It was in service when it failed, and has been kept since or failed just now.
    leaving: bool,
    /// As of the last weighing.
    in_service: bool,
    place: Place,
    /// `None` as long as there is nothing to remember: most servers, of which there may be
    /// tens of thousands, have no agent and no policy.
    memory: Option<Box<Memory>>,
}

/// What only agents and policies need.
#[derive(Debug, Default)]
struct Memory {
    /// All that its agent has said.
    agent: Advice,
    /// Why the agent does not answer.
    agent_silent: Option<String>,
    /// What the last output of each of its external checks said, by the check's number.
    scripts: BTreeMap<usize, Advice>,
    response: ResponseTime,
    damper: Damper,
    climb: Option<Climb>,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            asked: Asked::No,
            share: Share::default(),
            leaving: false,
            in_service: false,
            place: Place::Own,
            memory: None,
        }
    }
}

impl Memory {
    /// Drops what a policy has no use for (any more).
    fn keep_to(&mut self, policy: &Policy) {
        if policy.damping.is_none() {
            self.damper = Damper::default();
        }
        if policy.slow_start.is_none() {
            self.climb = None;
        }
        if !policy.response_weight {
            self.response = ResponseTime::default();
        }
        if !policy.external_weight {
            self.scripts.clear();
        }
    }

    /// What its external check says; of several the one that asks for least.
    fn script(&self) -> Option<&Advice> {
        self.scripts.values().min_by_key(|advice| advice.share())
    }

    /// Percentage of the weight that all advice together asks for.
    fn advised(&self) -> u8 {
        let shares = [
            self.agent.share(),
            self.script().map_or(100, Advice::share),
            self.response.share(),
        ];
        if shares.contains(&0) {
            return 0;
        }
        let whole = shares.into_iter().map(u32::from);
        let percent = whole.fold(100, |percent, share| percent * share / 100);
        u8::try_from(percent.clamp(1, 100)).unwrap_or(100)
    }
}

impl Usage {
    /// A server that may stand in the table with what an agent said to another director.
    pub(super) fn found(awaits_agent: bool) -> Self {
        Self {
            asked: Asked::first(awaits_agent),
            ..Self::default()
        }
    }

    /// What is remembered, from now on.
    fn memory(&mut self) -> &mut Memory {
        self.memory.get_or_insert_default()
    }

    /// Forgets all that an agent said; whether there is another one.
    pub(super) fn forget_agent(&mut self, has_agent: bool) {
        if let Some(memory) = &mut self.memory {
            memory.agent = Advice::default();
            memory.agent_silent = None;
        }
        self.asked = Asked::first(has_agent);
        self.share = Share::default();
    }

    /// Whether the agent was asked.
    pub(super) fn is_agent_heard(&self) -> bool {
        self.asked == Asked::Yes
    }

    /// When a server that is suppressed may be used again.
    fn reuse(&self) -> Option<Instant> {
        self.memory.as_ref()?.damper.reuse()
    }

    fn climb(&self) -> Option<Climb> {
        self.memory.as_ref()?.climb
    }

    /// Percentage of the weight that is in force.
    fn percent(&self, now: Instant) -> u8 {
        let share = u16::from(self.share.percent());
        let climb = self
            .climb()
            .map_or(100, |climb| u16::from(climb.percent(now)));
        let percent = share * climb / 100;
        u8::try_from(percent.max(u16::from(share > 0))).unwrap_or(100)
    }

    /// What the weight and the place are due to, in words.
    pub(super) fn causes(&self, now: Instant) -> Vec<String> {
        let mut causes = Vec::new();
        let left = self.reuse().map(|reuse| {
            let left = reuse.saturating_duration_since(now);
            left.as_secs_f64().ceil()
        });
        let memory = self.memory.as_deref();
        let script = memory.and_then(Memory::script);
        let script = script.map(|script| ("script", script));
        let agent = memory.map(|memory| ("agent", &memory.agent));
        for (who, advice) in agent.into_iter().chain(script) {
            match (advice.mode, advice.percent) {
                (Some(Mode::Drain), _) => causes.push(format!("{who}: drain")),
                (_, Some(percent)) if percent < 100 => causes.push(format!("{who} {percent} %")),
                _ => {}
            }
        }
        let response = memory.map_or(100, |memory| memory.response.share());
        if response < 100 {
            causes.push(format!("response time {response} %"));
        }
        if let Some(climb) = self.climb().filter(|climb| climb.percent(now) < 100) {
            causes.push(format!("slow start {} %", climb.percent(now)));
        }
        match (self.place, left) {
            (Place::Damped, Some(left)) => causes.push(format!("damped for {left} s")),
            (Place::Needed, Some(left)) => {
                causes.push(format!("damped for {left} s, but needed"));
            }
            (Place::Kept, _) => causes.push("kept by the floor".to_owned()),
            _ => {}
        }
        if let Some(silent) = memory.and_then(|memory| memory.agent_silent.as_deref()) {
            causes.push(format!("agent silent: {silent}"));
        }
        causes
    }
}

impl Real {
    /// The word for its state.
    pub(super) fn state(&self) -> &'static str {
        let standing = self.machine.availability();
        let is_drained = standing == Availability::Up && self.usage.share.percent() == 0;
        match self.usage.place {
            _ if is_drained => "draining",
            Place::Damped => "damped",
            Place::Own | Place::Needed | Place::Kept => standing.word(),
        }
    }

    /// What the kernel should be given, by the last weighing.
    pub(super) fn destination(&self, configured: Destination, now: Instant) -> Destination {
        let weight = scaled(configured.weight, self.usage.percent(now));
        Destination {
            weight,
            ..configured
        }
    }

    /// The standing with which it goes into the table. One that waits for its agent is left
    /// as it `is_found` there.
    pub(super) fn standing(&self, is_found: bool) -> Availability {
        let standing = self.usage.place.standing(self.machine.availability());
        match standing {
            Availability::Up if self.usage.asked == Asked::Awaited && is_found => {
                Availability::Unknown
            }
            standing => standing,
        }
    }

    fn candidate(&self, is_off: bool, destination: Destination, now: Instant) -> Candidate {
        let standing = self.machine.availability();
        let weight = self.destination(destination, now).weight;
        Candidate {
            counts: !is_off && standing != Availability::Maintenance && weight > 0,
            serving: self.machine.is_serving(),
            reuse: self.usage.reuse(),
            leaving: self.usage.leaving,
            since: self.machine.since(),
        }
    }
}

/// What a result changed.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// A weight may have to change.
    pub(super) weights: bool,
    /// To be told.
    pub(super) notice: Option<Notice>,
}

impl Managed {
    /// The agent of a server was asked.
    pub(super) fn note_agent(&mut self, index: usize, result: &CheckResult) -> Heard {
        let mut heard = Heard::default();
        let (service, Some(server)) = (self.virtual_service.key, self.server(index)) else {
            return heard;
        };
        let Some(real) = self.reals.get_mut(index) else {
            return heard;
        };
        let usage = &mut real.usage;
        heard.weights = std::mem::replace(&mut usage.asked, Asked::Yes) == Asked::Awaited;
        let silent = match &result.outcome {
            Outcome::Up => {
                let agent = &mut usage.memory().agent;
                heard.weights |= *agent != result.advice;
                *agent = result.advice.clone();
                None
            }
            Outcome::Down(reason) => Some(reason.to_string()),
            Outcome::Inconclusive(fault) => Some(fault.to_string()),
        };
        let known = &mut usage.memory().agent_silent;
        if known.is_some() != silent.is_some() {
            let notice = Notice::agent(service, server, silent.as_deref());
            heard.notice = Some(notice);
        }
        *known = silent;
        heard
    }

    /// What the server's agent has said decides whether it is used at all.
    pub(super) fn handle_advice(&mut self, index: usize, now: Instant) -> Option<Event> {
        let real = self.reals.get_mut(index)?;
        real.machine.handle_advice(&real.usage.memory().agent, now)
    }

    /// Adds to how closely a check of a server is looked at; `interval` is the check's own.
    pub(super) fn watch(&self, index: usize, interval: Duration, watch: &mut Watch) {
        let policy = &self.virtual_service.policy;
        let is_changing = self
            .reals
            .get(index)
            .is_some_and(|real| real.machine.is_changing());
        watch.every_result |= is_changing || policy.response_weight;
        let fast = policy.fast_interval.filter(|_| is_changing);
        let fast = fast.filter(|fast| *fast < interval);
        watch.interval = watch.interval.into_iter().chain(fast).min();
    }

    /// What the check of a server with this number says beyond its outcome. Whether a weight
    /// may have to change.
    pub(super) fn note_health(
        &mut self,
        index: usize,
        number: usize,
        result: &CheckResult,
    ) -> bool {
        let policy = &self.virtual_service.policy;
        let (external, response) = (policy.external_weight, policy.response_weight);
        let Some(real) = self.reals.get_mut(index) else {
            return false;
        };
        if result.outcome != Outcome::Up {
            return false;
        }
        let mut changed = false;
        if external {
            let scripts = &mut real.usage.memory().scripts;
            let before = scripts.insert(number, result.advice.clone());
            changed = before.unwrap_or_default() != result.advice;
        }
        if response && !result.latency.is_zero() {
            real.usage.memory().response.note(number, result.latency);
            changed |= self.compare_responses();
        }
        changed
    }

    /// Compares the response times of the servers that are up. Whether a share changed.
    fn compare_responses(&mut self) -> bool {
        let up = |real: &&Real| real.machine.is_serving();
        let times = self.reals.iter().filter(up);
        let memories = times.filter_map(|real| real.usage.memory.as_ref());
        let times = memories.filter_map(|memory| memory.response.smoothed());
        let Some(fastest) = times.min() else {
            return false;
        };
        let mut changed = false;
        for memory in self
            .reals
            .iter_mut()
            .filter_map(|r| r.usage.memory.as_mut())
        {
            changed |= memory.response.compare(fastest);
        }
        changed
    }

    /// A standing changed: what that means for damping, slow start and the floor. Whether
    /// the change is to be told, and what else is.
    pub(super) fn note_past(
        &mut self,
        index: usize,
        transition: &Transition,
        now: Instant,
    ) -> (bool, Option<Notice>) {
        let policy = self.virtual_service.policy.clone();
        let others = self.reals.iter().enumerate();
        let others_serve = others
            .into_iter()
            .any(|(other, real)| other != index && real.usage.in_service);
        let (service, Some(server)) = (self.virtual_service.key, self.server(index)) else {
            return (true, None);
        };
        let Some(real) = self.reals.get_mut(index) else {
            return (true, None);
        };
        let usage = &mut real.usage;
        if usage.asked == Asked::Awaited && transition.to != Availability::Up {
            usage.asked = Asked::No;
        }
        let is_told = usage.reuse().is_none() || usage.in_service;
        usage.leaving = transition.to == Availability::Down && usage.in_service;
        let recovers = matches!(
            transition.from,
            Availability::Down | Availability::Maintenance
        );
        if let Some(over) = policy.slow_start {
            let climbs = transition.to == Availability::Up && recovers && others_serve;
            usage.memory().climb = climbs.then(|| Climb::new(now, over));
        }
        let mut notice = None;
        if let Some(damping) = &policy.damping
            && (transition.from, transition.to) == (Availability::Up, Availability::Down)
            && usage.memory().damper.note_down(damping, now)
        {
            let reuse = usage.reuse().unwrap_or(now);
            notice = Some(Notice::damped(service, server, Some(reuse - now)));
        }
        (is_told, notice)
    }

    /// Decides anew who is used, and how much. Says when to do so again, and what is to be
    /// told.
    pub(super) fn weigh(&mut self, now: Instant) -> Vec<Notice> {
        let virtual_service = std::sync::Arc::clone(&self.virtual_service);
        let (policy, key) = (&virtual_service.policy, virtual_service.key);
        let mut notices = Vec::new();
        let mut due: Vec<Instant> = Vec::new();
        for (configured, real) in virtual_service.reals.iter().zip(&mut self.reals) {
            let serving = real.machine.is_serving();
            let usage = &mut real.usage;
            let mut advised = 100;
            if let Some(memory) = &mut usage.memory {
                memory.keep_to(policy);
                if memory.damper.handle_timeout(now) {
                    notices.push(Notice::damped(key, configured.destination.key, None));
                    let over = policy.slow_start.filter(|_| serving);
                    memory.climb = over.map(|over| Climb::new(now, over));
                }
                due.extend(memory.damper.reuse());
                due.extend(memory.climb.and_then(|climb| climb.next(now)));
                advised = memory.advised();
            }
            due.extend(usage.share.follow(advised, now));
        }
        self.due = due.into_iter().min();
        let configured = virtual_service.reals.iter().zip(&self.reals);
        let candidates: Vec<Candidate> = configured
            .map(|(configured, real)| {
                let is_off = configured.check == RealCheck::Off;
                real.candidate(is_off, configured.destination, now)
            })
            .collect();
        let places = weigh(&candidates, policy.floor);
        for ((real, place), candidate) in self.reals.iter_mut().zip(places).zip(candidates) {
            let usage = &mut real.usage;
            usage.place = place;
            usage.leaving = place == Place::Kept;
            usage.in_service = match place {
                Place::Own => candidate.counts && candidate.serving,
                Place::Damped => false,
                Place::Needed | Place::Kept => true,
            };
        }
        let kept = self.kept();
        if (self.told_kept > 0) != (kept > 0) {
            notices.push(Notice::floor(key, policy.floor, kept));
        }
        self.told_kept = kept;
        notices
    }

    /// How many failed servers the floor keeps in service.
    pub(super) fn kept(&self) -> usize {
        let places = self.reals.iter().map(|real| real.usage.place);
        places.filter(|place| *place == Place::Kept).count()
    }

    /// Why a server has the weight it has; `None` when nothing but its checks decides.
    pub(super) fn cause(&self, server: &DestinationKey, now: Instant) -> Option<String> {
        let policy = &self.virtual_service.policy;
        let index = *self.positions(server).first()?;
        let real = self.reals.get(index)?;
        let causes = real.usage.causes(now);
        if !causes.is_empty() {
            return Some(causes.join(", "));
        }
        let is_weighed = self.agent(index).is_some()
            || policy.slow_start.is_some()
            || policy.response_weight
            || policy.external_weight;
        is_weighed.then(|| "full weight".to_owned())
    }

    fn server(&self, index: usize) -> Option<DestinationKey> {
        let real = self.virtual_service.reals.get(index)?;
        Some(real.destination.key)
    }
}
