//! Several checks of one server.

use super::*;
use crate::config::directord::{self, Here};
use crate::director::lane::LastRound;

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
