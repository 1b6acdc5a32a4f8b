//! What mail may tell of: every change of a server's entry, in the words of the log.

use super::*;
use crate::config::Phase;
use crate::director::alert::Kind;

const MAIL: &str = "\
emailalert=a@example.com
quiescent=no
virtual=192.0.2.100:80
    real=192.0.2.21:80 gate
    real=192.0.2.22:80 gate
    fallback=127.0.0.1:80 gate
    service=http
";

/// What may have been told since the last look: kind, phase, message.
fn told(world: &mut World) -> Vec<(Kind, Phase, String)> {
    let alerts = std::mem::take(&mut world.alerts).into_iter();
    alerts.map(|a| (a.kind, a.phase, a.message)).collect()
}

fn real(word: &str, server: u8, weight: &str) -> String {
    format!("{word} real server: 192.0.2.{server}:80 (192.0.2.100:80){weight}")
}

// LOG-15
#[test]
fn a_healthy_start_tells_what_was_added_and_nothing_else() {
    let mut world = World::new(MAIL);
    world.up("192.0.2.21:80");
    world.up("192.0.2.22:80");
    let added = |server| real("Added", server, " (Weight set to 1)");
    let expected = [21, 22].map(|server| (Kind::Recovered, Phase::Starting, added(server)));
    assert_eq!(told(&mut world), expected);
    assert_eq!(world.core.phase(), Phase::Running);
}

#[test]
fn a_restart_over_the_same_table_tells_nothing() {
    let mut world = World::new(MAIL);
    world.up("192.0.2.21:80");
    world.up("192.0.2.22:80");
    let mut world = World::over(MAIL, world.kernel.clone());
    world.up("192.0.2.21:80");
    world.up("192.0.2.22:80");
    // In order, and no change: the desk leaves that out.
    assert!(
        world
            .alerts
            .iter()
            .all(|a| !a.applied && a.kind == Kind::Recovered)
    );
}

#[test]
fn failures_returns_and_the_fallback_are_told_as_in_the_log() {
    let mut world = World::new(MAIL);
    world.up("192.0.2.21:80");
    world.up("192.0.2.22:80");
    told(&mut world);
    world.down("192.0.2.21:80");
    let reason = world.alerts[0].reason.clone();
    assert!(reason.is_some_and(|reason| !reason.is_empty()));
    let deleted = real("Deleted", 21, "");
    assert_eq!(told(&mut world), [(Kind::Failed, Phase::Running, deleted)]);
    world.down("192.0.2.22:80");
    let fallback = "Added fallback server: 127.0.0.1:80 (192.0.2.100:80) (Weight set to 1)";
    let mut found = told(&mut world);
    found.sort_by_key(|(kind, _, _)| *kind != Kind::Failed);
    let deleted = real("Deleted", 22, "");
    let expected = [
        (Kind::Failed, Phase::Running, deleted),
        (Kind::Other, Phase::Running, fallback.to_owned()),
    ];
    assert_eq!(found, expected);
    world.up("192.0.2.22:80");
    let added = (
        Kind::Recovered,
        Phase::Running,
        real("Added", 22, " (Weight set to 1)"),
    );
    assert!(told(&mut world).contains(&added));
}

#[test]
fn a_server_that_is_dead_at_the_start_is_told_without_a_change() {
    let mut world = World::new(MAIL);
    world.up("192.0.2.21:80");
    world.down("192.0.2.22:80");
    let found = told(&mut world);
    let dead = (Kind::Failed, Phase::Starting, real("Inaccessible", 22, ""));
    assert!(found.contains(&dead), "{found:?}");
}

#[test]
fn phases_follow_start_reload_and_stop() {
    let mut world = World::new(MAIL);
    world.up("192.0.2.21:80");
    world.up("192.0.2.22:80");
    told(&mut world);
    let text = MAIL.replace(
        "    real=192.0.2.22:80 gate\n",
        "    real=192.0.2.23:80 gate\n",
    );
    world.reload(&text);
    assert_eq!(world.core.phase(), Phase::Reloading);
    // An ordinary failure meanwhile is one of a director that runs.
    world.down("192.0.2.21:80");
    world.up("192.0.2.23:80");
    let found = told(&mut world);
    let purged = "Purged real server (start): 192.0.2.22:80 (192.0.2.100:80)".to_owned();
    for expected in [
        (Kind::Other, Phase::Reloading, purged),
        (Kind::Failed, Phase::Running, real("Deleted", 21, "")),
        (
            Kind::Recovered,
            Phase::Reloading,
            real("Added", 23, " (Weight set to 1)"),
        ),
    ] {
        assert!(found.contains(&expected), "{expected:?}: {found:?}");
    }
    assert_eq!(world.core.phase(), Phase::Running);
    world.core.stop();
    world.settle();
    let purged = "Purged real server (stop): 192.0.2.23:80 (192.0.2.100:80)".to_owned();
    assert_eq!(told(&mut world), [(Kind::Other, Phase::Stopping, purged)]);
}

#[test]
fn a_check_that_never_ends_does_not_keep_the_start_going() {
    let mut world = World::new(MAIL);
    assert_eq!(world.core.phase(), Phase::Starting);
    world.pass(Duration::from_secs(59));
    assert_eq!(world.core.phase(), Phase::Starting);
    world.pass(Duration::from_secs(2));
    assert_eq!(world.core.phase(), Phase::Running);
}

#[test]
fn a_service_without_recipients_is_told_to_nobody() {
    let mut world = World::new(&MAIL.replace("emailalert=a@example.com\n", ""));
    world.up("192.0.2.21:80");
    world.core.stop();
    world.settle();
    assert_eq!(told(&mut world), []);
}
