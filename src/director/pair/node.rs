//! One node of the pair: what it owns and its event loop.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc, oneshot};

use super::epochs::Store;
use super::handle::{Answer, Request, Wish};
use super::hooks::Hooks;
use super::isolation::Isolation;
use super::keeper::Keeper;
use super::learning::Learning;
use super::links::{Links, Packet};
use super::plan::Plan;
use super::probes::Probes;
use super::status::Alarm;
use super::strangers::Strangers;
use super::sync;
use super::tracks::{Summary, Tracks};
use crate::director::guard::Report;
use crate::failover::{self, Event, Incarnation, InstanceId, Local};
use crate::kernel::neighbour;
use crate::kernel::worker::Handle as Kernel;
use crate::model::pair::Instance;

/// Time between two looks at what no event tells: hardware addresses, answering targets.
const LOOK: Duration = Duration::from_millis(500);
/// Time between two looks at a state machine that waits for nothing.
const IDLE: Duration = Duration::from_secs(3600);
/// Alarms kept for status.
const ALARMS: usize = 32;
/// How long an orderly end waits for hooks.
const HOOKS_AT_END: Duration = Duration::from_secs(3);

/// What a node is made of.
pub(super) struct Parts {
    pub(super) plan: Plan,
    pub(super) kernel: Kernel,
    pub(super) store: Store,
    pub(super) incarnation: Incarnation,
    /// The file of [`Isolation`].
    pub(super) isolated: PathBuf,
    pub(super) requests: mpsc::UnboundedReceiver<Request>,
    pub(super) wishes: mpsc::UnboundedSender<Wish>,
    /// The director's runtime, for tracks and hooks.
    pub(super) helpers: tokio::runtime::Handle,
}

/// A running node.
pub(super) struct Node {
    pub(super) plan: Plan,
    pub(super) core: failover::Pair,
    pub(super) links: Links,
    pub(super) keeper: Keeper,
    pub(super) kernel: Kernel,
    pub(super) store: Arc<Mutex<Store>>,
    pub(super) sync_parts: Arc<Mutex<sync::Parts>>,
    pub(super) hooks: Hooks,
    pub(super) tracks: Tracks,
    pub(super) probes: Probes,
    pub(super) wishes: mpsc::UnboundedSender<Wish>,
    /// Where everything that runs beside the loop puts its results.
    pub(super) results: mpsc::UnboundedSender<Event>,
    pub(super) tickets: BTreeMap<u64, oneshot::Sender<Answer>>,
    pub(super) alarms: VecDeque<Alarm>,
    pub(super) ended: bool,
    strangers: Strangers,
    pub(super) isolation: Isolation,
    /// The last transition of each instance.
    pub(super) entered: BTreeMap<InstanceId, (failover::State, failover::Reason)>,
    helpers: tokio::runtime::Handle,
    queue: VecDeque<Event>,
    requests: mpsc::UnboundedReceiver<Request>,
    inbox: mpsc::UnboundedReceiver<Event>,
    news: mpsc::Receiver<(String, Summary)>,
    ready: bool,
    learning: Learning,
    told: BTreeMap<InstanceId, Local>,
    macs: BTreeSet<neighbour::Mac>,
    next_ticket: u64,
}

impl Node {
    /// Opens everything. To be called within the thread's runtime.
    pub(super) fn start(parts: Parts) -> io::Result<Self> {
        let Parts {
            plan,
            kernel,
            store,
            incarnation,
            isolated,
            requests,
            wishes,
            helpers,
        } = parts;
        let isolation = Isolation::open(isolated, &plan.pair.instances);
        let (results, inbox) = mpsc::unbounded_channel();
        let (news_sender, news) = mpsc::channel(16);
        let (hooks, tracks) = {
            // Not on this thread: programs would inherit its priority.
            let _elsewhere = helpers.enter();
            let hooks = Hooks::start(&plan.pair);
            (hooks, Tracks::start(&plan.pair, news_sender)?)
        };
        let links = Links::open(&plan.pair.links);
        let keeper = Keeper::start(&plan, &links.routes());
        let epochs: Vec<(InstanceId, u64)> = plan
            .pair
            .instances
            .iter()
            .map(|i| (InstanceId::of(&i.name), store.highest(&i.name)))
            .collect();
        if plan.pair.instances.iter().any(|i| i.sync.is_some()) {
            sync::tune();
        }
        let now = Instant::now();
        let core = failover::Pair::new(plan.settings.clone(), incarnation, &epochs, now);
        Ok(Self {
            core,
            keeper,
            links,
            kernel,
            store: Arc::new(Mutex::new(store)),
            sync_parts: Arc::default(),
            hooks,
            tracks,
            helpers,
            probes: Probes::default(),
            wishes,
            results,
            tickets: BTreeMap::new(),
            alarms: VecDeque::new(),
            ended: false,
            strangers: Strangers::default(),
            isolation,
            entered: BTreeMap::new(),
            queue: VecDeque::new(),
            requests,
            inbox,
            news,
            ready: false,
            learning: Learning::default(),
            told: BTreeMap::new(),
            macs: BTreeSet::new(),
            next_ticket: 0,
            plan,
        })
    }

    /// Runs until everything is given up.
    pub(super) async fn run(mut self) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // The state machine takes nothing before its start.
        self.feed(Event::Start);
        self.look_at_macs();
        while !self.ended {
            let timer = self.core.next_timer();
            let timer = timer.unwrap_or_else(|| Instant::now() + IDLE);
            tokio::select! {
                packet = self.links.recv() => self.take_packet(packet),
                report = self.keeper.report() => self.take_report(report),
                () = tokio::time::sleep_until(timer.into()) => self.feed(Event::Timer),
                Some(event) = self.inbox.recv() => self.feed(event),
                Some((instance, _)) = self.news.recv() => self.tell_local(&instance),
                request = self.requests.recv() => self.take_request(request),
                _ = look.tick() => self.look(),
            }
        }
        self.end().await;
    }

    /// Tells the state machine, carries out what it wants, and so on until it wants nothing.
    pub(super) fn feed(&mut self, event: Event) {
        self.queue.push_back(event);
        while let Some(event) = self.queue.pop_front() {
            self.end_isolation(&event);
            self.learning.note(&event, Instant::now());
            for action in self.core.step(Instant::now(), event) {
                self.perform(action);
            }
        }
    }

    /// An event for after what is being done now.
    pub(super) fn later(&mut self, event: Event) {
        self.queue.push_back(event);
    }

    fn take_packet(&mut self, packet: Packet) {
        self.feed(Event::Packet {
            link: packet.link,
            bytes: packet.bytes,
        });
    }

    /// Takes everything that has arrived already.
    pub(super) fn drain(&mut self) {
        while let Some(packet) = self.links.try_recv() {
            self.later(Event::Packet {
                link: packet.link,
                bytes: packet.bytes,
            });
        }
        while let Some(report) = self.keeper.try_report() {
            for event in self.keeper.understand(Some(report)) {
                self.later(event);
            }
        }
        self.later(Event::Drained);
    }

    pub(super) fn take_report(&mut self, report: Option<Report>) {
        for event in self.keeper.understand(report) {
            if let Some(event) = self.introduce_before(event) {
                self.feed(event);
            }
        }
    }

    fn take_request(&mut self, request: Option<Request>) {
        match request {
            Some(Request::Ready(ready)) => {
                self.ready = ready;
                self.tell_all();
            }
            Some(Request::Available { service, available }) => {
                self.tracks.set_available(&service, available);
            }
            Some(Request::Command(command, reply)) => {
                let ticket = self.next_ticket;
                self.next_ticket += 1;
                self.tickets.insert(ticket, reply);
                self.feed(Event::Operator { ticket, command });
            }
            Some(Request::Status(reply)) => {
                // The client may have gone meanwhile.
                let _ = reply.send(self.status());
            }
            Some(Request::Reconfigure(plan)) => self.reconfigure(*plan),
            Some(Request::Stop) | None => self.feed(Event::Stop),
        }
    }

    fn reconfigure(&mut self, plan: Plan) {
        self.links.replace(&plan.pair.links);
        {
            let _elsewhere = self.helpers.enter();
            self.tracks.replace(&plan.pair);
            self.hooks.replace(&plan.pair);
        }
        let settings = Box::new(plan.settings.clone());
        self.plan = plan;
        self.keeper.renew(&self.plan, &self.links.routes());
        self.told.clear();
        self.feed(Event::Reconfigured(settings));
        self.tell_all();
    }

    /// An instance by its short form.
    pub(super) fn instance(&self, id: InstanceId) -> Option<&Instance> {
        let mut all = self.plan.pair.instances.iter();
        all.find(|instance| InstanceId::of(&instance.name) == id)
    }

    fn look(&mut self) {
        let routes = self.links.routes();
        self.keeper.follow(&self.plan, &routes, Instant::now());
        self.look_at_macs();
        self.keep_sync();
        self.tell_all();
        let now = Instant::now();
        if self.strangers.is_due(now) {
            let links = self.core.view(now).links;
            for line in self.strangers.news(&links, now) {
                tracing::warn!("{line}");
            }
        }
    }

    /// Not while a step changes the sync daemons.
    fn keep_sync(&self) {
        if let Ok(mut parts) = Arc::clone(&self.sync_parts).try_lock_owned() {
            let kernel = self.kernel.clone();
            tokio::spawn(async move { parts.keep(&kernel).await });
        }
    }

    fn look_at_macs(&mut self) {
        match neighbour::own_macs() {
            Ok(macs) if macs != self.macs => {
                let event = Event::OwnMacs(macs.iter().copied().collect());
                self.macs = macs;
                self.feed(event);
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "hardware addresses cannot be read"),
        }
    }

    fn tell_all(&mut self) {
        let names: Vec<String> = self
            .plan
            .pair
            .instances
            .iter()
            .map(|i| i.name.clone())
            .collect();
        for name in names {
            self.tell_local(&name);
        }
    }

    /// Tells the state machine of this node's own condition, if it has changed.
    fn tell_local(&mut self, name: &str) {
        let id = InstanceId::of(name);
        let summary = self.tracks.summary(name);
        let Some(carrier) = summary.carrier else {
            return;
        };
        let local = Local {
            reachable: summary.reachable,
            total: summary.total,
            unknown: summary.unknown,
            weight: summary.weight,
            fault: None,
            ready: self.ready && self.knows_connections(name, id),
            carrier,
            answered: summary.answered,
        };
        if self.told.get(&id) != Some(&local) {
            self.told.insert(id, local.clone());
            self.feed(Event::Local {
                instance: id,
                local,
            });
        }
    }

    /// Whether a planned switch would find the peer's connections here.
    fn knows_connections(&self, name: &str, id: InstanceId) -> bool {
        let mut all = self.plan.pair.instances.iter();
        let synchronised = all.any(|i| i.name == name && i.sync.is_some());
        !synchronised
            || self
                .learning
                .is_over(id, sync::learning_time(), Instant::now())
    }

    pub(super) fn note_alarm(&mut self, alarm: Alarm) {
        self.alarms.truncate(ALARMS - 1);
        self.alarms.push_front(alarm);
    }

    async fn end(self) {
        let Self {
            keeper,
            hooks,
            kernel,
            plan,
            sync_parts,
            mut isolation,
            ..
        } = self;
        keeper.end();
        for instance in &plan.pair.instances {
            if let Some(sync) = &instance.sync {
                let mut parts = sync_parts.lock().await;
                let none = failover::SyncPart::None;
                if let Err(error) = parts.take(&kernel, &instance.name, sync, none).await {
                    tracing::warn!(%error, "the sync daemon could not be stopped");
                }
            }
        }
        if isolation.is_some() {
            // Nobody gives the addresses more time: the kernel removes them.
            tokio::time::sleep(plan.pair.timing.address_lifetime).await;
            isolation.end_all();
        }
        hooks.finish(HOOKS_AT_END).await;
    }
}
