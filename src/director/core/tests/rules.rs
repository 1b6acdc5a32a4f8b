//! Several checks of one server.

use super::*;
use crate::config::directord::{self, Here};
use crate::director::lane::LastRound;
use crate::model::{Advice, Mode};

const RULES: &str = "checks:
  page: { type: negotiate, service: http }
  shell: { type: connect, port: 22 }
  ping: { type: ping }
services:
- service: tcp:192.0.2.100:80
  failure_count: 2
  check: { at_least: 2, of: [ page, shell, ping ] }
  reals: [ { host: 192.0.2.21, port: 80, forwarding: gate } ]
- service: tcp:192.0.2.100:443
  check: { any: [ shell, ping ] }
  reals: [ { host: 192.0.2.21, port: 443, forwarding: gate } ]
";

fn yaml(text: &str) -> Arc<Config> {
    let here = Here {
        host_name: "loadb1",
        node: None,
    };
    let mut parsed = directord::parse(text.as_bytes(), "test.yaml", here);
    let services = parsed.take_services().expect("services are in the file");
    parsed.check(None).expect("the file is right");
    let accepted = services.resolve(&Names::default());
    Arc::new(accepted.expect("the services are right").config)
}

fn world(text: &str) -> World {
    let mut world = World::new("");
    let config = yaml(text);
    world.core.reload(config, Table::new(), world.now);
    world.settle();
    world
}

fn weights(world: &World, port: u16) -> Vec<u32> {
    let services = world.kernel.services().iter();
    let mut of_port = services.filter(|(key, _)| key.port() == port);
    let (_, service) = of_port.next().expect("the service is in the kernel");
    let all = service.destinations.values();
    all.map(|d| d.destination.weight).collect()
}

#[test]
fn a_check_that_several_rules_name_runs_once() {
    let world = world(RULES);
    let targets: BTreeSet<String> = world
        .checks
        .values()
        .map(|check| check.target.to_string())
        .collect();
    assert_eq!(world.checks.len(), 3);
    let wanted = ["192.0.2.21:0", "192.0.2.21:22", "192.0.2.21:80"];
    assert_eq!(targets, wanted.map(str::to_owned).into());
}

#[test]
fn a_server_is_up_when_enough_of_its_checks_pass() {
    let mut world = world(RULES);
    world.up("192.0.2.21:0");
    assert_eq!(weights(&world, 443), [1], "one is enough there");
    assert!(weights(&world, 80).is_empty(), "two are needed here");
    world.report(
        "192.0.2.21:80",
        &Outcome::Inconclusive(Fault::new("no memory")),
    );
    assert!(weights(&world, 80).is_empty());
    world.up("192.0.2.21:22");
    assert_eq!(weights(&world, 80), [1]);
    world.down("192.0.2.21:80");
    assert_eq!(weights(&world, 80), [1], "two of three are left");
}

#[test]
fn failurecount_counts_rounds_of_the_rule() {
    let mut world = world(RULES);
    for target in ["192.0.2.21:0", "192.0.2.21:22", "192.0.2.21:80"] {
        world.up(target);
    }
    world.down("192.0.2.21:80");
    world.down("192.0.2.21:80");
    world.down("192.0.2.21:80");
    assert_eq!(weights(&world, 80), [1], "one may fail for ever");
    world.down("192.0.2.21:22");
    assert_eq!(weights(&world, 80), [1], "the first round of two");
    world.down("192.0.2.21:80");
    assert_eq!(weights(&world, 80), [1], "still the first");
    world.down("192.0.2.21:22");
    assert!(weights(&world, 80).is_empty(), "the second");
    let last = world.messages.last().expect("it was told");
    assert!(
        last.contains(
            "[2 of 3 needed, up: ping; down: page (connection refused), shell (connection refused)]"
        ),
        "{last}"
    );
    assert_eq!(weights(&world, 443), [1], "the ping is enough there");
    world.up("192.0.2.21:22");
    assert_eq!(weights(&world, 80), [1]);
}

#[test]
fn a_fault_of_this_host_keeps_the_standing() {
    let mut world = world(RULES);
    world.up("192.0.2.21:0");
    world.up("192.0.2.21:22");
    let fault = Outcome::Inconclusive(Fault::new("no descriptors"));
    for target in ["192.0.2.21:0", "192.0.2.21:22", "192.0.2.21:80"] {
        for _ in 0..3 {
            world.report(target, &fault);
        }
    }
    assert_eq!(weights(&world, 80), [1]);
    assert_eq!(weights(&world, 443), [1]);
    let status = world
        .core
        .service_statuses(world.now, &|_| LastRound::default());
    let check = status[0].servers[0].check.as_ref().unwrap();
    assert_eq!(check.what, "2 of page, shell, ping");
    let names: Vec<_> = check
        .parts
        .iter()
        .map(|part| part.name.as_deref())
        .collect();
    assert_eq!(names, [Some("page"), Some("shell"), Some("ping")]);
    let result = check.last_result.as_deref().unwrap();
    assert!(result.starts_with("could not be checked: 2 of 3 needed, not known: page (no desc"));
}

#[test]
fn a_service_that_joins_running_checks_takes_their_verdict() {
    let (checks, both) = RULES.split_once("services:\n").unwrap();
    let second = both.find("- service: tcp:192.0.2.100:443").unwrap();
    let one = format!("{checks}services:\n{}", &both[..second]);
    let mut world = world(&one);
    world.down("192.0.2.21:0");
    world.up("192.0.2.21:22");
    let config = yaml(RULES);
    world.core.reload(config, Table::new(), world.now);
    world.settle();
    assert_eq!(weights(&world, 443), [1]);
    assert_eq!(world.checks.len(), 3, "none was begun anew");
}

/// Two servers with checks of different intervals and all that follows from verdicts.
const WEIGHED: &str = "checks:
  page: { type: external, command: /bin/page, interval_s: 1 }
  load: { type: external, command: /bin/load, interval_s: 5 }
services:
- service: tcp:192.0.2.100:80
  fall: 2
  rise: 2
  fast_interval_s: 1
  slow_start_s: 60
  flap_damping: '1000,60,2500,1000'
  external_weight: true
  quiescent: true
  check: { any: [ page, load ], agent_port: 777 }
  reals:
  - { host: 192.0.2.21, port: 80, forwarding: gate, weight: 100 }
  - { host: 192.0.2.22, port: 80, forwarding: gate, weight: 100 }
";

/// The checks of a server: `page`, `load`, or `agent`.
fn id(world: &World, host: &str, what: &str) -> CheckId {
    let is_it = |check: &Check| {
        let kind = format!("{:?}", check.method.thorough().kind);
        let wanted = if what == "agent" { "Agent" } else { what };
        check.target.ip().to_string() == host && kind.contains(wanted)
    };
    let found = world.checks.iter().find(|(_, check)| is_it(check));
    *found.expect("the server has such a check").0
}

fn tell(world: &mut World, host: &str, what: &str, outcome: &Outcome, advice: Advice) {
    let id = id(world, host, what);
    let result = CheckResult {
        outcome: outcome.clone(),
        detail: "fine".to_owned(),
        advice,
        latency: Duration::from_millis(1),
    };
    world.core.handle_result(id, &result, world.now);
    world.settle();
}

fn plainly(world: &mut World, host: &str, what: &str, up: bool) {
    let failed = Outcome::Down(Reason::new("connection refused"));
    let outcome = if up { Outcome::Up } else { failed };
    tell(world, host, what, &outcome, Advice::default());
}

fn weighed() -> World {
    let mut world = world(WEIGHED);
    for host in ["192.0.2.21", "192.0.2.22"] {
        plainly(&mut world, host, "page", true);
        plainly(&mut world, host, "load", true);
    }
    assert_eq!(weights(&world, 80), [100, 100]);
    world
}

const ONE: &str = "192.0.2.21";

fn fail_twice(world: &mut World) {
    for what in ["page", "load", "page", "load"] {
        plainly(world, ONE, what, false);
    }
}

#[test]
fn rise_and_fall_count_rounds_in_which_the_checks_suffice() {
    let mut world = weighed();
    plainly(&mut world, ONE, "load", false);
    for _ in 0..5 {
        plainly(&mut world, ONE, "page", false);
    }
    assert_eq!(
        weights(&world, 80),
        [100, 100],
        "load has failed once only, however often page has"
    );
    plainly(&mut world, ONE, "load", false);
    assert_eq!(weights(&world, 80), [0, 100]);
    // Up again after two rounds; here the page alone is enough for each.
    plainly(&mut world, ONE, "page", true);
    assert_eq!(weights(&world, 80), [0, 100]);
    plainly(&mut world, ONE, "load", false);
    assert_eq!(weights(&world, 80), [0, 100]);
    plainly(&mut world, ONE, "page", true);
    assert_eq!(weights(&world, 80), [10, 100], "slow start begins");
}

#[test]
fn all_checks_of_a_rule_are_looked_at_closely_while_it_counts() {
    let mut world = weighed();
    let (page, load) = (id(&world, ONE, "page"), id(&world, ONE, "load"));
    let other = id(&world, "192.0.2.22", "load");
    assert!(world.watches.is_empty());
    plainly(&mut world, ONE, "page", false);
    assert!(world.watches.is_empty(), "one is enough");
    plainly(&mut world, ONE, "load", false);
    let watch = |interval| Watch {
        interval,
        every_result: true,
    };
    let fast = Some(Duration::from_secs(1));
    assert_eq!(
        world.watches.get(&page),
        Some(&watch(None)),
        "as often as it is"
    );
    assert_eq!(world.watches.get(&load), Some(&watch(fast)));
    assert_eq!(world.watches.get(&other), None);
    plainly(&mut world, ONE, "page", true);
    let usual = [page, load].map(|id| world.watches[&id]);
    assert_eq!(usual, [Watch::default(); 2]);
}

#[test]
fn a_rule_that_flaps_is_damped_and_its_agent_goes_on_advising() {
    let mut world = weighed();
    for round in 0..3 {
        fail_twice(&mut world);
        assert_eq!(weights(&world, 80)[0], 0, "{round}");
        if round < 2 {
            plainly(&mut world, ONE, "page", true);
            plainly(&mut world, ONE, "page", true);
            assert!(weights(&world, 80)[0] > 0, "{round}");
        }
    }
    plainly(&mut world, ONE, "page", true);
    plainly(&mut world, ONE, "page", true);
    let status = |world: &World| {
        let no_round = |_| LastRound::default();
        let mut services = world.core.service_statuses(world.now, &no_round);
        services.remove(0).servers.remove(0)
    };
    assert_eq!(status(&world).state, "damped");
    assert_eq!(weights(&world, 80), [0, 100]);
    world.pass(Duration::from_secs(100));
    assert_eq!(status(&world).state, "up");
    world.pass(Duration::from_secs(100));
    assert_eq!(weights(&world, 80), [100, 100]);
    let drain = Advice {
        mode: Some(Mode::Drain),
        ..Advice::default()
    };
    tell(&mut world, ONE, "agent", &Outcome::Up, drain);
    assert_eq!(weights(&world, 80), [0, 100]);
    assert_eq!(status(&world).state, "draining");
    assert!(status(&world).agent.is_some());
}

#[test]
fn each_external_check_of_a_rule_advises_and_the_least_share_counts() {
    let mut world = weighed();
    let percent = |percent| Advice {
        percent: Some(percent),
        ..Advice::default()
    };
    tell(&mut world, ONE, "load", &Outcome::Up, percent(40));
    assert_eq!(weights(&world, 80), [40, 100]);
    tell(&mut world, ONE, "page", &Outcome::Up, percent(70));
    world.pass(Duration::from_secs(20));
    assert_eq!(weights(&world, 80), [40, 100]);
    plainly(&mut world, ONE, "load", true);
    assert_eq!(weights(&world, 80), [70, 100]);
}

#[test]
fn another_rule_takes_what_its_checks_have_said_and_counts_it_once() {
    let text = WEIGHED.replace(", agent_port: 777", "");
    let mut world = world(&text);
    for host in [ONE, "192.0.2.22"] {
        plainly(&mut world, host, "page", true);
    }
    let percent = Advice {
        percent: Some(40),
        ..Advice::default()
    };
    tell(&mut world, "192.0.2.22", "load", &Outcome::Up, percent);
    plainly(&mut world, ONE, "page", false);
    plainly(&mut world, ONE, "load", false);
    assert_eq!(weights(&world, 80), [100, 40]);
    let config = yaml(&text.replace("any: [ page, load ]", "all: [ page, load ]"));
    world.core.reload(config, Table::new(), world.now);
    world.settle();
    assert_eq!(weights(&world, 80), [100, 40], "one round of two");
    plainly(&mut world, ONE, "page", false);
    assert_eq!(weights(&world, 80), [0, 40]);
}
