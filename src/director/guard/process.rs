//! The guard process: packets, changes and time in, actions out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::setsid;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::channel::{Channel, Outbox};
use super::core::{Action, Core, Event};
use super::host::{self, Host};
use super::message::Request;
use super::since_boot;
use crate::director::realtime;
use crate::kernel::address::Link;
use crate::kernel::address::watch::{Change, Watch};
use crate::kernel::neighbour::{Claim, Listener, Said};
use crate::model::InterfaceName;

/// Claims of others that wait to be looked at; more are left out.
const CLAIMS: usize = 64;

/// Messages that are taken at once.
const MESSAGES: usize = 512;

/// How long a broken subscription waits before it is opened again, and reports before they
/// are tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// Runs the guard with its standard input as the socket to the main process, until that is
/// gone and everything is given up. Leaves the session and takes no notice of signals that
/// end programs.
///
/// # Errors
///
/// When standard input is no socket, or the kernel refuses what is needed to begin.
pub fn run() -> io::Result<()> {
    let stdin = io::stdin();
    let kind = SFlag::from_bits_truncate(fstat(&stdin)?.st_mode) & SFlag::S_IFMT;
    if kind != SFlag::S_IFSOCK {
        return Err(io::Error::other("only the director starts the guard"));
    }
    // It is no leader of a session or group when the director starts it.
    let _ = setsid();
    let mut ignored = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        ignored.add(signal);
    }
    ignored.thread_block()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let socket = stdin.as_fd().try_clone_to_owned()?;
    runtime.block_on(async {
        let mut process = Process::open(Channel::new(socket)?)?;
        realtime::lock_memory();
        realtime::prefer_this_thread();
        process.serve().await;
        Ok(())
    })
}

struct Process {
    channel: Channel,
    outbox: Outbox,
    core: Core,
    host: Host,
    watch: Option<Watch>,
    /// When to open the watch again after it broke.
    watch_again: Instant,
    said: mpsc::Receiver<Said>,
    ears: Ears,
    /// What happened while actions were carried out.
    log: Vec<String>,
}

/// Listeners of the interfaces with addresses.
struct Ears {
    sender: mpsc::Sender<Said>,
    wanted: BTreeMap<InterfaceName, Vec<IpAddr>>,
    links: Vec<Link>,
    tasks: Vec<JoinHandle<()>>,
}

enum Wake {
    Packet(Vec<u8>),
    Gone,
    Said(Said),
    Changed,
    Appeared(IpAddr),
    WatchBroke,
    Time,
}

impl Process {
    fn open(channel: Channel) -> io::Result<Self> {
        let (sender, said) = mpsc::channel(CLAIMS);
        Ok(Self {
            channel,
            outbox: Outbox::default(),
            core: Core::default(),
            host: Host::open().map_err(io::Error::other)?,
            watch: Watch::open().ok(),
            watch_again: Instant::now() + AGAIN,
            said,
            ears: Ears {
                sender,
                wanted: BTreeMap::new(),
                links: Vec::new(),
                tasks: Vec::new(),
            },
            log: Vec::new(),
        })
    }

    async fn serve(&mut self) {
        let mut gone = false;
        loop {
            self.outbox.flush(&self.channel);
            let mut requests = Vec::new();
            let event = match self.wake(gone).await {
                Wake::Packet(packet) => {
                    requests.extend(Request::decode(&packet));
                    None
                }
                Wake::Gone => {
                    gone = true;
                    Some(Event::Gone)
                }
                Wake::Said(said) => Some(Event::Foreign {
                    address: said.address,
                    mac: said.mac,
                }),
                Wake::Changed => self.look().await,
                Wake::Appeared(address) => Some(Event::Appeared(address)),
                Wake::WatchBroke => {
                    // At most so often, should the next one break as well.
                    self.watch = if self.watch.is_some() {
                        None
                    } else {
                        Watch::open().ok()
                    };
                    self.watch_again = Instant::now() + AGAIN;
                    self.look().await
                }
                Wake::Time => None,
            };
            // Whatever it was that took time: what has been said meanwhile comes first.
            self.read(&mut requests);
            let mut ended = self.receive(requests).await;
            if !ended && let Some(event) = event {
                let actions = self.core.event(event, since_boot());
                ended = self.carry_out(actions).await;
            }
            if ended {
                if gone {
                    self.say_goodbye();
                }
                return;
            }
        }
    }

    /// Adds the messages that wait.
    fn read(&self, requests: &mut Vec<Request>) {
        while requests.len() < MESSAGES
            && let Ok(Some(packet)) = self.channel.take()
        {
            requests.extend(Request::decode(&packet));
        }
    }

    /// Takes messages, each carried out before the next. Whether it was the end.
    async fn receive(&mut self, requests: Vec<Request>) -> bool {
        let due = self.core.hear(&requests, since_boot());
        let mut ended = self.carry_out(due).await;
        for request in requests {
            if ended {
                return true;
            }
            let actions = self.core.receive(request, since_boot());
            ended = self.carry_out(actions).await;
        }
        ended
    }

    /// Waits for the next thing; messages come before anything else.
    async fn wake(&mut self, gone: bool) -> Wake {
        let mut due = self.core.next().map(|at| at.saturating_sub(since_boot()));
        let held: BTreeSet<IpAddr> = self.core.addresses().iter().map(|a| a.address).collect();
        let absent: BTreeSet<IpAddr> = self.core.absent().collect();
        if !self.outbox.is_empty() {
            due = Some(due.map_or(AGAIN, |due| due.min(AGAIN)));
        }
        tokio::select! {
            biased;
            packet = self.channel.next(), if !gone => match packet {
                Ok(Some(packet)) => Wake::Packet(packet),
                Ok(None) | Err(_) => Wake::Gone,
            },
            wake = changes(self.watch.as_mut(), (&held, &absent), self.watch_again) => wake,
            Some(said) = self.said.recv() => Wake::Said(said),
            () = tokio::time::sleep(due.unwrap_or_default()), if due.is_some() => Wake::Time,
        }
    }

    /// Where the held addresses are, after something changed.
    async fn look(&mut self) -> Option<Event> {
        let addresses = self.core.addresses();
        if addresses.is_empty() {
            return None;
        }
        let seen = self.host.look(addresses).await.ok()?;
        self.ears.adjust(&self.host).await;
        Some(Event::Observed(seen))
    }

    /// Carries actions out, and what follows from their outcomes. Whether it was the end.
    async fn carry_out(&mut self, actions: Vec<Action>) -> bool {
        let mut waiting: VecDeque<Action> = actions.into();
        while let Some(action) = waiting.pop_front() {
            if action == Action::Exit {
                return true;
            }
            if let Some(event) = self.act(action).await {
                let follow = self.core.event(event, since_boot());
                for action in follow.into_iter().rev() {
                    waiting.push_front(action);
                }
            }
            self.outbox.flush(&self.channel);
        }
        false
    }

    async fn act(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::RemoveLeftOver { addresses, keep } => {
                let result = self.host.remove_left_over(&addresses, &keep).await;
                Some(Event::Cleaned(result))
            }
            Action::Take {
                instance,
                addresses,
                lifetime,
            } => {
                let result = self.host.take(&addresses, lifetime).await;
                Some(Event::Taken { instance, result })
            }
            Action::Refresh {
                instance,
                addresses,
                lifetime,
            } => {
                let failed = self.host.refresh(&addresses, lifetime).await;
                Some(Event::Refreshed { instance, failed })
            }
            Action::Drop {
                instance,
                addresses,
                loopback,
            } => {
                let result = self.host.drop(&addresses, &loopback).await;
                if result.is_ok() {
                    self.log.push(format!("addresses of {instance} removed"));
                }
                Some(Event::Dropped { instance, result })
            }
            Action::Restore {
                instance,
                address,
                lifetime,
            } => {
                let is_back = self.host.add(&address, lifetime).await.is_ok();
                Some(Event::Restored {
                    instance,
                    address,
                    is_back,
                })
            }
            Action::Announce {
                instance,
                addresses,
            } => {
                let why = host::announce(&addresses).err()?;
                Some(Event::NotAnnounced { instance, why })
            }
            Action::Farewell(packets) => {
                for (link, bytes) in packets {
                    if let Err(error) = link.send(&bytes) {
                        self.log.push(format!("farewell to {}: {error}", link.to));
                    }
                }
                None
            }
            Action::Report(report) => {
                if let Some(packet) = report.encode() {
                    self.outbox.push(packet);
                }
                None
            }
            Action::Listen(wanted) => {
                self.ears.wanted = wanted;
                self.ears.open(&self.host).await;
                None
            }
            Action::Exit => None,
        }
    }

    /// Says on standard error what was done at the end, when somebody reads it: the main
    /// process cannot say it any more.
    fn say_goodbye(&self) {
        let stderr = io::stderr();
        let mut ready = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
        let writable = poll(&mut ready, PollTimeout::ZERO).is_ok_and(|count| count > 0);
        let last = self.log.iter().rev().take(8).rev();
        let text = last.fold(String::new(), |text, line| {
            text + &format!(
                "directord guard: {line}
"
            )
        });
        if writable {
            let _ = stderr.lock().write_all(text.as_bytes());
        }
    }
}

impl Ears {
    /// Listens anew when an interface is another one than before, or has another MAC.
    async fn adjust(&mut self, host: &Host) {
        let links = host.links(&self.wanted).await;
        if links.is_ok_and(|links| links != self.links) {
            self.open(host).await;
        }
    }

    async fn open(&mut self, host: &Host) {
        self.close();
        self.links = host.links(&self.wanted).await.unwrap_or_default();
        for (interface, addresses) in &self.wanted {
            // Without an interface nobody claims anything there; it is tried again when
            // there is one.
            let Ok(Some(listener)) = Listener::open(interface, addresses.iter().copied()) else {
                continue;
            };
            let sender = self.sender.clone();
            self.tasks.push(tokio::spawn(async move {
                while let Ok(said) = listener.heard().await {
                    // The peer asks before it takes over; that is no claim.
                    if said.claim == Claim::Owner {
                        let _ = sender.try_send(said);
                    }
                }
            }));
        }
    }

    fn close(&mut self) {
        self.tasks.drain(..).for_each(|task| task.abort());
    }
}

/// The next change that concerns addresses that are held or must not be here.
async fn changes(
    watch: Option<&mut Watch>,
    (held, absent): (&BTreeSet<IpAddr>, &BTreeSet<IpAddr>),
    again: Instant,
) -> Wake {
    let Some(watch) = watch else {
        tokio::time::sleep_until(again).await;
        return Wake::WatchBroke;
    };
    loop {
        match watch.next().await {
            None => return Wake::WatchBroke,
            Some(Change::Added(new)) if absent.contains(&new.address) => {
                return Wake::Appeared(new.address);
            }
            Some(Change::Added(_)) => {}
            Some(Change::Removed(gone)) if !held.contains(&gone.address) => {}
            Some(_) => return Wake::Changed,
        }
    }
}
