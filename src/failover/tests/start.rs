//! From nothing to one owner.

use super::world::{World, ms};
use crate::failover::{Reason, State, Step, SyncPart};

#[test]
fn of_two_new_nodes_the_better_one_serves() {
    let mut world = World::new();
    world.boot(0);
    world.boot(1);
    let took = world.run_until(ms(1500), |w| w.states() == [State::Active, State::Standby]);
    assert!(took < ms(900), "{took:?}");
    assert_eq!(
        world.path(0),
        [
            (State::Init, State::Wait, Reason::Started),
            (State::Wait, State::Standby, Reason::PeerFound),
            (State::Standby, State::Probe, Reason::NoOwner),
            (State::Probe, State::Acquire, Reason::ProbeQuiet),
            (State::Acquire, State::Active, Reason::Acquired),
        ]
    );
    assert_eq!(
        world.steps(0),
        [
            Step::CancelAnnouncements,
            Step::RemoveAddresses,
            Step::Sync(SyncPart::Backup),
            Step::PrepareTable,
            Step::StoreEpoch,
            Step::PrepareTable,
            Step::Sync(SyncPart::None),
            Step::Sync(SyncPart::Master),
            Step::AddAddresses,
            Step::Announce,
        ]
    );
    world.run(ms(5000));
    assert_eq!(world.states(), [State::Active, State::Standby]);
    assert!(!world.hosts[1].had_address);
}
