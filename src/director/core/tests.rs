//! The director's decisions against the fake kernel, without a clock: time is a number.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use proptest::prelude::*;

mod alerts;
mod rules;
mod standby;
mod uplink;
mod weights;

use super::{Action, Core, FallbackCommand, Refused};
use crate::config::{Config, Names, ldirectord};
use crate::director::alert::Occurrence;
use crate::director::lane::{CheckId, CheckResult, Watch};
use crate::kernel::fake::Table as Kernel;
use crate::kernel::{self, Ipvs as _};
use crate::model::{
    Check, Destination, DestinationKey, Entry, Failure, Fault, Forwarding, Operation, Outcome,
    Reason, ServiceKey, Table,
};

const SITE: &str = "\
quiescent=yes
virtual=192.0.2.100:80
    real=192.0.2.21:80 gate
    real=192.0.2.22:80 gate
    fallback=127.0.0.1:80 gate
    service=http
    scheduler=rr
";

/// A director, its kernel, and everything it ever said or did.
struct World {
    core: Core,
    kernel: Kernel,
    now: Instant,
    checks: BTreeMap<CheckId, Arc<Check>>,
    operations: Vec<Operation>,
    watches: BTreeMap<CheckId, Watch>,
    messages: Vec<String>,
    alerts: Vec<Occurrence>,
    commands: Vec<FallbackCommand>,
    /// How often the hosts of the uplink were to be asked.
    questions: u32,
    lowest: Option<usize>,
}

fn config(text: &str) -> Arc<Config> {
    let parsed = ldirectord::parse(text.as_bytes(), "test.cf");
    let accepted = parsed
        .resolve(&Names::default())
        .expect("the test's configuration is right");
    Arc::new(accepted.config)
}

fn managed(config: &Config, kernel: &Kernel) -> Table {
    let keys: BTreeSet<ServiceKey> = config.services.iter().map(|s| s.key).collect();
    let services = kernel
        .services()
        .iter()
        .filter(|(key, _)| keys.contains(key));
    services
        .map(|(key, service)| (*key, service.to_entry()))
        .collect()
}

impl World {
    fn new(text: &str) -> Self {
        Self::over(text, Kernel::new())
    }

    fn over(text: &str, kernel: Kernel) -> Self {
        let config = config(text);
        let now = Instant::now();
        let observed = managed(&config, &kernel);
        let mut world = Self {
            core: Core::new(config, observed, now),
            kernel,
            now,
            checks: BTreeMap::new(),
            operations: Vec::new(),
            watches: BTreeMap::new(),
            messages: Vec::new(),
            alerts: Vec::new(),
            commands: Vec::new(),
            questions: 0,
            lowest: None,
        };
        world.settle();
        world
    }

    /// Carries out whatever the core wants, until it wants nothing.
    fn settle(&mut self) {
        for _ in 0..100_000 {
            let Some(action) = self.core.poll_action(self.now) else {
                return;
            };
            match action {
                Action::StartCheck(id, check) => {
                    self.checks.insert(id, check);
                }
                Action::Watch(id, watch) => {
                    self.watches.insert(id, watch);
                }
                Action::StopCheck(id) => {
                    self.checks
                        .remove(&id)
                        .expect("only running checks are stopped");
                }
                Action::Apply(operations) => self.apply(&operations),
                Action::Reread(keys) => {
                    let readings = keys.into_iter().map(|key| {
                        let found = self.kernel.dump_service(&key).unwrap();
                        (key, found.map(|service| service.to_entry()))
                    });
                    let readings = readings.collect();
                    self.core.handle_observed(readings);
                }
                Action::Fallback(command) => self.commands.push(command),
                Action::Alert(occurrence) => self.alerts.push(occurrence),
                Action::Gone(_) => {}
                Action::AskUplink(targets) => {
                    self.questions += 1;
                    assert_eq!(targets.len(), 2);
                }
                Action::Notice(notice) => {
                    let reason = notice.reason.map(|r| format!(" [{r}]")).unwrap_or_default();
                    self.messages.push(format!("{}{reason}", notice.message));
                }
            }
        }
        panic!("the core does not come to rest");
    }

    /// Applies one by one, so that every intermediate state is seen.
    fn apply(&mut self, operations: &[Operation]) {
        let mut failures = Vec::new();
        for (index, operation) in operations.iter().enumerate() {
            let refused = self.kernel.apply(std::slice::from_ref(operation)).unwrap();
            failures.extend(refused.into_iter().map(|failure| Failure {
                index,
                error: Refused {
                    text: failure.error.to_string(),
                    stale: matches!(
                        failure.error.class(),
                        kernel::Class::Exists
                            | kernel::Class::AbsentService
                            | kernel::Class::AbsentDestination
                    ),
                },
            }));
            if let Some(lowest) = &mut self.lowest {
                let table = self.kernel.services();
                let usable = table.values().map(|service| {
                    let all = service.destinations.values();
                    all.filter(|d| d.destination.weight > 0).count()
                });
                *lowest = (*lowest).min(usable.min().unwrap_or(0));
            }
        }
        self.operations.extend(operations.iter().cloned());
        self.core.handle_applied(operations, Ok(failures), self.now);
    }

    fn report(&mut self, server: &str, outcome: &Outcome) {
        let ids: Vec<CheckId> = self
            .checks
            .iter()
            .filter(|(_, check)| check.target.to_string() == server)
            .map(|(id, _)| *id)
            .collect();
        assert!(!ids.is_empty(), "{server} is not checked");
        for id in ids {
            self.core.handle_outcome(id, outcome, "HTTP 200", self.now);
        }
        self.settle();
    }

    fn up(&mut self, server: &str) {
        self.report(server, &Outcome::Up);
    }

    fn down(&mut self, server: &str) {
        self.report(server, &Outcome::Down(Reason::new("connection refused")));
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.core.handle_timeout(self.now);
        self.settle();
    }

    fn reload(&mut self, text: &str) {
        let config = config(text);
        let wanted = self.core.new_services(&config);
        let mut observed = managed(&config, &self.kernel);
        observed.retain(|key, _| wanted.contains(key));
        self.core.reload(config, observed, self.now);
        self.settle();
    }

    /// What a periodic comparison with the kernel would bring.
    fn look_for_drift(&mut self) {
        let believed = self
            .core
            .believed_table()
            .expect("no plan is under way")
            .clone();
        let config = Arc::clone(self.core.config());
        let differing = config.services.iter().map(|s| s.key).filter(|key| {
            let found = self
                .kernel
                .services()
                .get(key)
                .map(crate::model::ObservedService::to_entry);
            found.as_ref() != believed.get(key)
        });
        let differing = differing.collect();
        self.core.handle_drift(differing, self.core.generation());
        self.settle();
    }

    /// The kernel's table as `service server=weight …`.
    fn table(&self) -> Vec<String> {
        let services = self.kernel.services().iter();
        services
            .map(|(key, service)| {
                let servers = service.destinations.values().map(|observed| {
                    let destination = observed.destination;
                    format!(" {}={}", destination.key, destination.weight)
                });
                key.to_string() + &servers.collect::<String>()
            })
            .collect()
    }

    /// Operations since the last call.
    fn changes(&mut self) -> usize {
        std::mem::take(&mut self.operations).len()
    }

    fn said(&self, what: &str) -> bool {
        self.messages.iter().any(|message| message.contains(what))
    }
}

fn key(text: &str) -> ServiceKey {
    let address = text.parse::<std::net::SocketAddr>().unwrap();
    ServiceKey::Address {
        protocol: crate::model::Protocol::Tcp,
        address: address.ip(),
        port: address.port(),
    }
}

fn server(text: &str) -> DestinationKey {
    let address = text.parse::<std::net::SocketAddr>().unwrap();
    DestinationKey {
        address: address.ip(),
        port: address.port(),
    }
}

const A: &str = "192.0.2.21:80";
const B: &str = "192.0.2.22:80";

#[test]
fn no_server_enters_before_its_first_check_passed() {
    let mut world = World::new(SITE);
    assert_eq!(world.table(), ["tcp:192.0.2.100:80"]);
    world.up(A);
    assert_eq!(world.table(), ["tcp:192.0.2.100:80 192.0.2.21:80=1"]);
    world.down(B);
    assert_eq!(world.table(), ["tcp:192.0.2.100:80 192.0.2.21:80=1"]);
    assert_eq!(world.changes(), 2);
    assert!(
        world
            .said("Added real server: 192.0.2.21:80 (192.0.2.100:80) (Weight set to 1) [HTTP 200]")
    );
    assert!(world.said("Real server down: 192.0.2.22:80 (192.0.2.100:80) [connection refused]"));
}

#[test]
fn an_outcome_during_a_plan_is_told_by_the_plan_that_follows() {
    let config = config(SITE);
    let now = Instant::now();
    let mut core = Core::new(config, Table::new(), now);
    let ids: Vec<CheckId> = core
        .running_checks()
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    let mut messages = Vec::new();
    while let Some(action) = core.poll_action(now) {
        match action {
            Action::Apply(operations) => {
                core.handle_outcome(ids[0], &Outcome::Up, "HTTP 200", now);
                core.handle_applied(&operations, Ok(Vec::new()), now);
            }
            Action::Notice(notice) => messages.push(notice.message),
            _ => {}
        }
    }
    assert_eq!(
        messages,
        [
            "Added virtual server: 192.0.2.100:80",
            "Added real server: 192.0.2.21:80 (192.0.2.100:80) (Weight set to 1)"
        ]
    );
}

#[test]
fn the_fallback_waits_a_second_for_first_checks_and_no_longer() {
    let mut world = World::new(SITE);
    world.pass(Duration::from_millis(999));
    assert_eq!(world.table(), ["tcp:192.0.2.100:80"]);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.table(), ["tcp:192.0.2.100:80 127.0.0.1:80=1"]);
    world.up(A);
    assert_eq!(world.table(), ["tcp:192.0.2.100:80 192.0.2.21:80=1"]);
}

#[test]
fn the_fallback_does_not_wait_when_every_first_check_failed() {
    let mut world = World::new(SITE);
    world.down(A);
    assert_eq!(world.table(), ["tcp:192.0.2.100:80"]);
    world.down(B);
    assert_eq!(world.table(), ["tcp:192.0.2.100:80 127.0.0.1:80=1"]);
}

#[test]
fn a_failed_server_is_quiesced_by_one_operation_and_restored_by_one() {
    let mut world = World::new(SITE);
    world.up(A);
    world.up(B);
    world.changes();
    world.down(A);
    assert_eq!(
        world.table(),
        ["tcp:192.0.2.100:80 192.0.2.21:80=0 192.0.2.22:80=1"]
    );
    assert_eq!(world.changes(), 1);
    assert!(world.said("Quiescent real server: 192.0.2.21:80 (192.0.2.100:80) (Weight set to 0) [connection refused]"));
    world.up(A);
    assert_eq!(world.changes(), 1);
    assert!(
        world.said(
            "Restored real server: 192.0.2.21:80 (192.0.2.100:80) (Weight set to 1) [HTTP 200]"
        )
    );
}

#[test]
fn without_quiescent_a_failed_server_leaves() {
    let mut world = World::new(&SITE.replace("quiescent=yes", "quiescent=no"));
    world.up(A);
    world.up(B);
    world.down(A);
    assert_eq!(world.table(), ["tcp:192.0.2.100:80 192.0.2.22:80=1"]);
    assert!(world.said("Deleted real server: 192.0.2.21:80 (192.0.2.100:80) [connection refused]"));
}

#[test]
fn the_service_is_never_empty_while_the_fallback_takes_over_and_goes() {
    let mut world = World::new(SITE);
    world.up(A);
    world.lowest = Some(usize::MAX);
    world.down(A);
    world.down(B);
    world.up(B);
    world.up(A);
    assert_eq!(world.lowest, Some(1));
    assert!(world.said("Added fallback server: 127.0.0.1:80 (192.0.2.100:80) (Weight set to 1)"));
    assert!(world.said("Deleted fallback server: 127.0.0.1:80 (192.0.2.100:80)"));
}

#[test]
fn a_steady_state_changes_and_says_nothing() {
    let mut world = World::new(SITE);
    world.up(A);
    world.up(B);
    world.changes();
    world.messages.clear();
    for _ in 0..10 {
        world.up(A);
        world.up(B);
        world.look_for_drift();
        world.pass(Duration::from_secs(10));
    }
    assert_eq!(world.changes(), 0);
    assert_eq!(world.messages, Vec::<String>::new());
}

#[test]
fn a_fault_of_ours_takes_nobody_out() {
    let mut world = World::new(SITE);
    world.up(A);
    for _ in 0..5 {
        world.report(A, &Outcome::Inconclusive(Fault::new("no descriptors")));
    }
    assert_eq!(world.table(), ["tcp:192.0.2.100:80 192.0.2.21:80=1"]);
}

#[test]
fn a_restart_over_a_right_table_changes_nothing() {
    let mut before = World::new(SITE);
    before.up(A);
    before.up(B);
    before.down(B);
    let mut world = World::over(SITE, before.kernel.clone());
    world.up(A);
    world.down(B);
    world.pass(Duration::from_secs(5));
    assert_eq!(world.changes(), 0);
    assert_eq!(world.table(), before.table());
}

#[test]
fn a_restart_keeps_a_servers_weight_until_its_first_result() {
    let mut kernel = World::new(SITE);
    kernel.up(A);
    kernel.up(B);
    let mut kernel = kernel.kernel;
    let service = kernel
        .services_mut()
        .get_mut(&key("192.0.2.100:80"))
        .unwrap();
    service
        .destinations
        .get_mut(&server(A))
        .unwrap()
        .destination
        .weight = 7;
    let mut world = World::over(SITE, kernel);
    assert_eq!(world.changes(), 0);
    world.up(A);
    assert_eq!(
        world.table(),
        ["tcp:192.0.2.100:80 192.0.2.21:80=1 192.0.2.22:80=1"]
    );
}

#[test]
fn strangers_in_a_managed_service_leave_and_foreign_services_stay() {
    let mut kernel = Kernel::new();
    let stranger = Destination::new(server("192.0.2.99:80"), Forwarding::DirectRoute, 1);
    let service = crate::model::Service::new("rr".parse().unwrap());
    let foreign = key("192.0.2.200:80");
    let ours = key("192.0.2.100:80");
    kernel
        .apply(&[
            Operation::AddService(ours, service.clone()),
            Operation::AddDestination(ours, stranger),
            Operation::AddService(foreign, service),
            Operation::AddDestination(foreign, stranger),
        ])
        .unwrap();
    let mut world = World::over(SITE, kernel);
    world.up(A);
    assert!(world.said("Purged real server (start): 192.0.2.99:80 (192.0.2.100:80)"));
    assert_eq!(
        world.table(),
        [
            "tcp:192.0.2.100:80 192.0.2.21:80=1",
            "tcp:192.0.2.200:80 192.0.2.99:80=1"
        ]
    );
    world.core.stop();
    world.settle();
    assert_eq!(world.table(), ["tcp:192.0.2.200:80 192.0.2.99:80=1"]);
}

#[test]
fn a_flushed_table_is_healed_and_dead_servers_stay_out() {
    let mut world = World::new(SITE);
    world.up(A);
    world.up(B);
    world.down(B);
    world.kernel.flush().unwrap();
    world.look_for_drift();
    assert_eq!(world.table(), ["tcp:192.0.2.100:80 192.0.2.21:80=1"]);
    assert!(
        world.said("Putting virtual server right: 192.0.2.100:80 [it was removed by other hands]")
    );
}

#[test]
fn many_services_removed_at_once_are_told_of_once() {
    let sections = (1..=20).map(|n| {
        format!("virtual=192.0.2.{n}:80\n    real=198.51.100.{n}:80 gate\n    checktype=on\n\n")
    });
    let mut world = World::new(&sections.collect::<String>());
    let before = world.table();
    world.messages.clear();
    world.kernel.flush().unwrap();
    world.look_for_drift();
    assert_eq!(world.table(), before);
    assert_eq!(
        world
            .messages
            .iter()
            .filter(|m| m.contains("other hands"))
            .count(),
        1
    );
}

#[test]
fn a_weight_set_by_hand_is_kept_until_the_next_transition() {
    let mut world = World::new(SITE);
    world.up(A);
    world.up(B);
    set_weight(&mut world, A, 50);
    world.messages.clear();
    world.look_for_drift();
    world.look_for_drift();
    world.up(A);
    world.down(B);
    assert_eq!(
        world.table(),
        ["tcp:192.0.2.100:80 192.0.2.21:80=50 192.0.2.22:80=0"]
    );
    assert_eq!(
        world
            .messages
            .iter()
            .filter(|m| m.contains("by hand"))
            .count(),
        1
    );
    let status = world
        .core
        .service_statuses(world.now, &|_| crate::director::lane::LastRound::default());
    assert_eq!(status[0].servers[0].weight_without_hand, Some(1));
    world.down(A);
    world.up(A);
    assert_eq!(
        world.table(),
        ["tcp:192.0.2.100:80 192.0.2.21:80=1 192.0.2.22:80=0"]
    );
}

#[test]
fn enforced_weights_are_put_right_at_once() {
    let mut world = World::new(&format!("enforceweights=yes\n{SITE}"));
    world.up(A);
    set_weight(&mut world, A, 50);
    world.look_for_drift();
    assert_eq!(world.table(), ["tcp:192.0.2.100:80 192.0.2.21:80=1"]);
}

fn set_weight(world: &mut World, address: &str, weight: u32) {
    let service = world
        .kernel
        .services_mut()
        .get_mut(&key("192.0.2.100:80"))
        .unwrap();
    service
        .destinations
        .get_mut(&server(address))
        .unwrap()
        .destination
        .weight = weight;
}

#[test]
fn what_other_hands_removed_or_added_is_put_right() {
    let mut world = World::new(SITE);
    world.up(A);
    world.up(B);
    let ours = key("192.0.2.100:80");
    let stranger = Destination::new(server("192.0.2.99:80"), Forwarding::DirectRoute, 1);
    world
        .kernel
        .apply(&[
            Operation::DeleteDestination(ours, server(A)),
            Operation::AddDestination(ours, stranger),
        ])
        .unwrap();
    world.look_for_drift();
    assert_eq!(
        world.table(),
        ["tcp:192.0.2.100:80 192.0.2.21:80=1 192.0.2.22:80=1"]
    );
    assert!(world.said("192.0.2.21:80 was removed, 192.0.2.99:80 was added by other hands"));
}

#[test]
fn a_quiesced_server_removed_by_hand_stays_out_unless_readdquiescent() {
    for (readd, expected) in [
        ("no", "192.0.2.22:80=1"),
        ("yes", "192.0.2.21:80=0 192.0.2.22:80=1"),
    ] {
        let mut world = World::new(&format!("readdquiescent={readd}\n{SITE}"));
        world.up(A);
        world.up(B);
        world.down(A);
        let ours = key("192.0.2.100:80");
        world
            .kernel
            .apply(&[Operation::DeleteDestination(ours, server(A))])
            .unwrap();
        world.look_for_drift();
        world.down(A);
        assert_eq!(
            world.table(),
            [format!("tcp:192.0.2.100:80 {expected}")],
            "{readd}"
        );
    }
}

#[test]
fn a_false_alarm_changes_and_says_nothing() {
    let mut world = World::new(SITE);
    world.up(A);
    world.changes();
    world.messages.clear();
    let ours = BTreeSet::from([key("192.0.2.100:80")]);
    world.core.handle_drift(ours, world.core.generation());
    assert!(matches!(
        world.core.poll_action(world.now),
        Some(Action::Reread(_))
    ));
    world.look_for_drift();
    let found = world.kernel.services()[&key("192.0.2.100:80")].to_entry();
    world
        .core
        .handle_observed(vec![(key("192.0.2.100:80"), Some(found))]);
    world.settle();
    assert_eq!(world.changes(), 0);
    assert_eq!(world.messages, Vec::<String>::new());
}

#[test]
fn a_drift_seen_before_the_newest_plan_is_dropped() {
    let mut world = World::new(SITE);
    let old = world.core.generation();
    world.up(A);
    world
        .core
        .handle_drift(BTreeSet::from([key("192.0.2.100:80")]), old);
    assert_eq!(world.core.poll_action(world.now), None);
}

#[test]
fn a_refused_change_is_told_once_and_tried_again_until_it_succeeds() {
    let mut world = World::new(SITE);
    world.kernel.refuse_operation(1, Errno::ENOMEM);
    world.kernel.refuse_operation(2, Errno::ENOMEM);
    world.up(A);
    assert_eq!(world.table(), ["tcp:192.0.2.100:80"]);
    world.pass(Duration::from_millis(999));
    assert_eq!(world.table(), ["tcp:192.0.2.100:80"]);
    world.pass(Duration::from_millis(1));
    world.pass(Duration::from_secs(2));
    assert_eq!(world.table(), ["tcp:192.0.2.100:80 192.0.2.21:80=1"]);
    assert_eq!(
        world
            .messages
            .iter()
            .filter(|m| m.contains("refused a change"))
            .count(),
        1
    );
    assert!(world.said("The kernel took the change: 192.0.2.100:80 (refused before: 2)"));
    assert_eq!(world.core.poll_timeout(), None);
}

#[test]
fn a_missing_scheduler_concerns_only_its_service() {
    let mut kernel = Kernel::new();
    kernel.remove_scheduler("sed");
    let text = "virtual=192.0.2.100:80\n    real=192.0.2.21:80 gate\n    checktype=on\n    scheduler=sed\n\n\
                virtual=192.0.2.101:80\n    real=192.0.2.21:80 gate\n    checktype=on\n    scheduler=rr\n";
    let mut world = World::over(text, kernel);
    world.pass(Duration::from_secs(60));
    assert_eq!(world.table(), ["tcp:192.0.2.101:80 192.0.2.21:80=1"]);
    assert!(world.said("sed"));
}

#[test]
fn an_entry_that_appeared_or_vanished_meanwhile_is_no_obstacle() {
    let mut world = World::new(SITE);
    let ours = key("192.0.2.100:80");
    let early = Destination::new(server(A), Forwarding::DirectRoute, 9);
    world
        .kernel
        .apply(&[Operation::AddDestination(ours, early)])
        .unwrap();
    world.up(A);
    assert_eq!(world.kernel.services()[&ours].destinations.len(), 1);
    world.up(B);
    world
        .kernel
        .apply(&[Operation::DeleteDestination(ours, server(B))])
        .unwrap();
    world.down(B);
    world.pass(Duration::from_secs(2));
    assert!(world.table()[0].contains("192.0.2.21:80="));
    assert!(!world.table()[0].contains("192.0.2.22:80"));
    assert!(!world.said("refused a change"));
}

#[test]
fn a_reload_applies_the_difference_only() {
    let mut world = World::new(SITE);
    world.up(A);
    world.up(B);
    world.changes();
    world.reload(SITE);
    assert_eq!(world.changes(), 0);
    let wider = SITE.replace(
        "    fallback",
        "    real=192.0.2.23:80 gate 3\n    fallback",
    );
    world.reload(&wider);
    assert_eq!(world.changes(), 0, "a new server waits for its check");
    world.up("192.0.2.23:80");
    assert_eq!(world.changes(), 1);
    world.reload(&SITE.replace("22:80 gate", "22:80 gate 4"));
    assert_eq!(
        world.table(),
        ["tcp:192.0.2.100:80 192.0.2.21:80=1 192.0.2.22:80=4"]
    );
    assert_eq!(world.changes(), 2);
}

#[test]
fn a_reload_neither_forgets_failures_nor_brings_the_dead_back() {
    let text = format!("failurecount=2\n{SITE}");
    let mut world = World::new(&text);
    world.up(A);
    world.up(B);
    world.down(A);
    world.down(B);
    world.down(B);
    world.changes();
    world.reload(&text);
    world.reload(&text.replace("rr", "wlc"));
    assert_eq!(world.changes(), 1, "the scheduler only");
    world.down(A);
    assert!(world.table()[0].ends_with("127.0.0.1:80=1 192.0.2.21:80=0 192.0.2.22:80=0"));
}

#[test]
fn a_server_whose_check_changed_stays_until_the_new_check_says_otherwise() {
    let mut world = World::new(SITE);
    world.up(A);
    world.up(B);
    world.changes();
    world.reload(&SITE.replace("service=http", "service=http\n    receive=\"ok\""));
    assert_eq!(world.changes(), 0);
    world.down(A);
    assert_eq!(
        world.table(),
        ["tcp:192.0.2.100:80 192.0.2.21:80=0 192.0.2.22:80=1"]
    );
}

#[test]
fn a_service_that_vanished_from_the_configuration_is_deleted() {
    let mut world = World::new(SITE);
    world.up(A);
    world.reload("virtual=192.0.2.101:80\n    real=192.0.2.21:80 gate\n    service=http\n");
    assert_eq!(
        world.table(),
        ["tcp:192.0.2.101:80 192.0.2.21:80=1"],
        "the shared check is known"
    );
    assert!(world.said("Purged virtual server (start): 192.0.2.100:80"));
}

#[test]
fn one_check_serves_every_service_and_counts_once_in_each() {
    let two = "failurecount=2\n".to_owned()
        + &["100", "101"]
            .map(|last| {
                format!(
                    "virtual=192.0.2.{last}:80\n    real=192.0.2.21:80 gate\n    service=http\n\n"
                )
            })
            .concat();
    let mut world = World::new(&two);
    assert_eq!(world.checks.len(), 1);
    world.up(A);
    world.down(A);
    assert_eq!(
        world.table(),
        [
            "tcp:192.0.2.100:80 192.0.2.21:80=1",
            "tcp:192.0.2.101:80 192.0.2.21:80=1"
        ]
    );
    world.down(A);
    assert_eq!(world.table(), ["tcp:192.0.2.100:80", "tcp:192.0.2.101:80"]);
}

#[test]
fn the_fallback_command_runs_on_change_only() {
    let mut world = World::new(&SITE.replace(
        "fallback=127.0.0.1:80 gate",
        "fallbackcommand=\"/bin/echo x\"",
    ));
    world.up(A);
    world.up(B);
    assert_eq!(world.commands, []);
    world.down(A);
    world.down(B);
    world.down(B);
    world.up(B);
    world.up(A);
    let starts: Vec<bool> = world.commands.iter().map(|command| command.start).collect();
    assert_eq!(starts, [true, false]);
    assert_eq!(world.commands[0].words, ["/bin/echo", "x"]);
}

#[test]
fn maintenance_takes_a_server_out_at_once_and_brings_it_back() {
    let mut world = World::new(SITE);
    world.up(A);
    world.up(B);
    world
        .core
        .handle_maintenance(|_, index| index == 0, world.now);
    world.settle();
    assert_eq!(
        world.table(),
        ["tcp:192.0.2.100:80 192.0.2.21:80=0 192.0.2.22:80=1"]
    );
    world.core.handle_maintenance(|_, _| false, world.now);
    world.settle();
    assert_eq!(
        world.table(),
        ["tcp:192.0.2.100:80 192.0.2.21:80=1 192.0.2.22:80=1"]
    );
}

#[test]
fn off_servers_are_out_and_the_fallback_is_in_at_once() {
    let world = World::new(&SITE.replace("service=http", "checktype=off"));
    assert_eq!(world.table(), ["tcp:192.0.2.100:80 127.0.0.1:80=1"]);
}

#[test]
fn an_orderly_end_respects_cleanstop_of_each_service() {
    let text = "cleanstop=no\nvirtual=192.0.2.100:80\n    real=192.0.2.21:80 gate\n    checktype=on\n    cleanstop=yes\n\n\
                virtual=192.0.2.101:80\n    real=192.0.2.21:80 gate\n    checktype=on\n";
    let mut world = World::new(text);
    world.core.stop();
    world.settle();
    assert!(world.core.is_settled());
    assert_eq!(world.table(), ["tcp:192.0.2.101:80 192.0.2.21:80=1"]);
    assert!(world.said("Purged virtual server (stop): 192.0.2.100:80"));
}

#[test]
fn two_thousand_servers_that_return_at_once_are_one_plan() {
    let mut reals = String::new();
    for n in 0..2000 {
        reals += &format!(
            "    real=198.51.{}.{}:80 masq\n",
            100 + n / 250,
            1 + n % 250
        );
    }
    let mut world = World::new(&format!(
        "virtual=192.0.2.100:80\n{reals}    service=http\n"
    ));
    let before = world.core.generation();
    let ids: Vec<CheckId> = world.checks.keys().copied().collect();
    for id in ids {
        world.core.handle_outcome(id, &Outcome::Up, "", world.now);
    }
    world.settle();
    assert_eq!(world.core.generation(), before + 1);
    assert_eq!(world.changes(), 2001);
}

/// What may happen to a director, in any order.
#[derive(Debug, Clone)]
enum Chance {
    Up(usize),
    Down(usize),
    Inconclusive(usize),
    Flush,
    RemoveServer(usize),
    SetWeight(usize, u32),
    Refuse(u64),
    Maintenance(Option<usize>),
    Reload(bool),
    Pass(u64),
    Drift,
}

fn chances() -> impl Strategy<Value = Chance> {
    prop_oneof![
        4 => (0..2usize).prop_map(Chance::Up),
        4 => (0..2usize).prop_map(Chance::Down),
        1 => (0..2usize).prop_map(Chance::Inconclusive),
        1 => Just(Chance::Flush),
        1 => (0..2usize).prop_map(Chance::RemoveServer),
        1 => (0..2usize, 0..5u32).prop_map(|(server, weight)| Chance::SetWeight(server, weight)),
        1 => (1..4u64).prop_map(Chance::Refuse),
        1 => prop::option::of(0..2usize).prop_map(Chance::Maintenance),
        1 => any::<bool>().prop_map(Chance::Reload),
        2 => (0..5000u64).prop_map(Chance::Pass),
        2 => Just(Chance::Drift),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever happens: once things calm down, the kernel holds what the last results say,
    /// and a further look changes nothing.
    #[test]
    fn the_table_converges(chances in prop::collection::vec(chances(), 0..40), quiescent: bool) {
        let text = if quiescent { SITE.to_owned() } else { SITE.replace("=yes", "=no") };
        let other = text.replace("22:80 gate", "22:80 gate 4");
        let servers = [A, B];
        let mut world = World::new(&text);
        let mut wider = false;
        for chance in chances {
            match chance {
                Chance::Up(n) => world.up(servers[n]),
                Chance::Down(n) => world.down(servers[n]),
                Chance::Inconclusive(n) => world.report(servers[n], &Outcome::Inconclusive(Fault::new("x"))),
                Chance::Flush => world.kernel.flush().unwrap(),
                Chance::RemoveServer(n) => {
                    world.kernel.apply(&[Operation::DeleteDestination(key("192.0.2.100:80"), server(servers[n]))]).unwrap();
                }
                Chance::SetWeight(n, weight) => {
                    let entry = world.kernel.services_mut().get_mut(&key("192.0.2.100:80"));
                    let server = entry.and_then(|e| e.destinations.get_mut(&server(servers[n])));
                    if let Some(found) = server { found.destination.weight = weight; }
                }
                Chance::Refuse(nth) => world.kernel.refuse_operation(nth, Errno::ENOMEM),
                Chance::Maintenance(which) => {
                    world.core.handle_maintenance(|_, index| Some(index) == which, world.now);
                    world.settle();
                }
                Chance::Reload(other_weight) => {
                    wider = other_weight;
                    world.reload(if wider { &other } else { &text });
                }
                Chance::Pass(ms) => world.pass(Duration::from_millis(ms)),
                Chance::Drift => world.look_for_drift(),
            }
        }
        world.core.handle_maintenance(|_, _| false, world.now);
        world.settle();
        // The last word: a full transition of each server, and time for every retry.
        for _ in 0..3 {
            world.look_for_drift();
            world.pass(Duration::from_secs(40));
        }
        world.down(A);
        world.up(A);
        world.up(B);
        world.down(B);
        for _ in 0..3 {
            world.look_for_drift();
            world.pass(Duration::from_secs(40));
        }
        let entry: Entry = world.kernel.services()[&key("192.0.2.100:80")].to_entry();
        prop_assert_eq!(entry.destinations[&server(A)].weight, 1);
        let b = entry.destinations.get(&server(B)).map(|d| d.weight);
        prop_assert!(b == quiescent.then_some(0) || b.is_none(), "{:?} {}", b, wider);
        prop_assert!(entry.destinations.len() <= 2);
        world.changes();
        world.look_for_drift();
        world.pass(Duration::from_secs(40));
        prop_assert_eq!(world.changes(), 0);
    }
}
