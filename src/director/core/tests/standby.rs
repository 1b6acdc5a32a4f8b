//! A cold standby keeps the services of its instances out of the kernel.

use super::*;
use crate::director::lane::LastRound;
use crate::director::status::ServiceStatus;

const TWO: &str = "\
quiescent=yes
virtual=192.0.2.100:80
    real=192.0.2.21:80 gate
    service=http
virtual=192.0.2.101:80
    real=192.0.2.22:80 gate
    service=http
";

fn keys(world: &World) -> Vec<ServiceKey> {
    world.kernel.services().keys().copied().collect()
}

#[test]
fn a_passive_service_leaves_the_kernel_and_comes_back_checked() {
    let mut world = World::new(TWO);
    let all = keys(&world);
    assert_eq!(all.len(), 2);
    let passive = BTreeSet::from([all[0]]);
    world.core.set_passive(passive.clone());
    assert!(!world.core.is_settled_for(&passive));
    world.settle();
    assert_eq!(keys(&world), [all[1]]);
    assert!(world.core.is_settled_for(&passive));

    // Its checks go on: a server that fails meanwhile comes back with weight 0.
    let check = *world.checks.keys().next().expect("a check runs");
    let down = Outcome::Down(Reason::new("refused"));
    world.core.handle_outcome(check, &down, "", world.now);
    world.settle();
    assert_eq!(keys(&world), [all[1]]);
    world.core.set_passive(BTreeSet::new());
    world.settle();
    assert_eq!(keys(&world), all);
    let entry = world.kernel.services()[&all[0]].to_entry();
    assert!(entry.destinations.values().all(|server| server.weight == 0));
}

#[test]
fn a_passive_service_added_by_hand_is_removed_again() {
    let mut world = World::new(TWO);
    let all = keys(&world);
    let kept = world.kernel.services()[&all[0]].clone();
    world.core.set_passive(BTreeSet::from([all[0]]));
    world.settle();
    world.kernel.services_mut().insert(all[0], kept);
    let generation = world.core.generation();
    world
        .core
        .handle_drift(BTreeSet::from([all[0]]), generation);
    world.settle();
    assert_eq!(keys(&world), [all[1]]);
}

#[test]
fn status_tells_a_cold_standby_from_a_fault() {
    let mut world = World::new(TWO);
    let all = keys(&world);
    let checks: Vec<_> = world.checks.keys().copied().collect();
    for check in checks {
        world
            .core
            .handle_outcome(check, &Outcome::Up, "", world.now);
    }
    world.core.set_passive(BTreeSet::from([all[0]]));
    world.settle();
    let status = world
        .core
        .service_statuses(world.now, &|_| LastRound::default());
    let told = |service: &ServiceStatus| (service.passive, service.in_kernel);
    assert_eq!(
        [told(&status[0]), told(&status[1])],
        [(true, false), (false, true)]
    );
    // Nothing is missing: it is not wanted.
    let wanted = |service: &ServiceStatus| service.servers[0].weight_wanted;
    assert_eq!([wanted(&status[0]), wanted(&status[1])], [None, Some(1)]);
}

#[test]
fn a_server_that_cannot_be_checked_does_not_keep_the_node_from_being_ready() {
    let mut world = World::new(TWO);
    let checks: Vec<CheckId> = world.checks.keys().copied().collect();
    let fault = Outcome::Inconclusive(Fault::new("no such script"));
    world.core.handle_outcome(checks[0], &fault, "", world.now);
    assert!(!world.core.is_fresh());
    world
        .core
        .handle_outcome(checks[1], &Outcome::Up, "", world.now);
    assert!(world.core.is_fresh());
}
