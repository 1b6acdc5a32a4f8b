//! Advice, slow start, damping and the floor, in simulated time.

use super::*;
use crate::director::lane::LastRound;
use crate::director::status::ServerStatus;
use crate::model::{Advice, Mode, ProbeKind, Verdict};

/// A service of servers .21, .22, … with weight 100 and these lines.
fn site(servers: usize, lines: &str) -> String {
    let mut reals = String::new();
    for n in 0..servers {
        reals += &format!("    real={} gate 100\n", name(n));
    }
    format!("quiescent=yes\nvirtual=192.0.2.100:80\n{reals}    service=http\n{lines}")
}

fn name(n: usize) -> String {
    format!("192.0.2.{}:80", 21 + n)
}

const SECOND: Duration = Duration::from_secs(1);

impl World {
    /// A world with servers that have all passed their first check.
    fn with(servers: usize, lines: &str) -> Self {
        let mut world = Self::new(&site(servers, lines));
        for n in 0..servers {
            world.up(&name(n));
        }
        world.changes();
        world.messages.clear();
        world
    }

    fn weights(&self) -> Vec<u32> {
        let service = &self.kernel.services()[&key("192.0.2.100:80")];
        let destinations = service.destinations.values();
        destinations.map(|d| d.destination.weight).collect()
    }

    fn server(&self, n: usize) -> ServerStatus {
        let no_round = |_| LastRound::default();
        let mut services = self.core.service_statuses(self.now, &no_round);
        services.remove(0).servers.remove(n)
    }

    /// A result of the check, or of the agent, of one server.
    fn tell(&mut self, n: usize, agent: bool, advice: Advice, latency: Duration) {
        let host = name(n).replace(":80", ":");
        let of_server = |check: &Check| {
            let is_agent = check.method.thorough().kind == ProbeKind::Agent;
            check.target.to_string().starts_with(&host) && is_agent == agent
        };
        let found = self.checks.iter().find(|(_, check)| of_server(check));
        let id = *found.expect("the server has such a check").0;
        let result = CheckResult {
            outcome: Outcome::Up,
            detail: "HTTP 200".to_owned(),
            advice,
            latency,
        };
        self.core.handle_result(id, &result, self.now);
        self.settle();
    }

    fn agent(&mut self, n: usize, advice: Advice) {
        self.tell(n, true, advice, SECOND);
    }

    fn count(&self, what: &str) -> usize {
        self.messages.iter().filter(|m| m.contains(what)).count()
    }
}

fn percent(percent: u8) -> Advice {
    Advice {
        percent: Some(percent),
        ..Advice::default()
    }
}

fn mode(mode: Mode) -> Advice {
    Advice {
        mode: Some(mode),
        ..Advice::default()
    }
}

fn verdict(verdict: Verdict) -> Advice {
    Advice {
        verdict: Some(verdict),
        ..Advice::default()
    }
}

#[test]
fn an_agent_sets_the_share_of_the_weight() {
    let mut world = World::with(2, "    agentcheck=777\n");
    world.agent(0, percent(50));
    assert_eq!(world.weights(), [50, 100]);
    assert!(world.said(
        "Changed real server: 192.0.2.21:80 (192.0.2.100:80) (Weight set to 50) [agent 50 %]"
    ));
    let server = world.server(0);
    assert_eq!(
        (server.state.as_str(), server.weight_configured),
        ("up", 100)
    );
    assert_eq!(server.weight_causes, ["agent 50 %"]);
    assert!(server.agent.is_some());
    // Again and again other words: one change in ten seconds, and the last word wins.
    world.changes();
    for share in [60, 70, 80, 90, 80] {
        world.pass(SECOND);
        world.agent(0, percent(share));
    }
    assert_eq!(world.changes(), 0);
    world.pass(5 * SECOND);
    assert_eq!(world.weights(), [80, 100]);
    assert_eq!(world.changes(), 1);
    assert_eq!(world.core.poll_timeout(), None);
}

#[test]
fn a_drain_is_immediate_and_keeps_the_entry_even_without_quiescent() {
    let mut world = World::with(2, "    agentcheck=777\n    quiescent=no\n");
    world.agent(0, percent(50));
    world.agent(0, mode(Mode::Drain));
    assert_eq!(world.weights(), [0, 100]);
    assert_eq!(world.server(0).state, "draining");
    assert!(world.said(
        "Quiescent real server: 192.0.2.21:80 (192.0.2.100:80) (Weight set to 0) [agent: drain]"
    ));
    world.pass(SECOND);
    // What it said before of its weight holds still.
    world.agent(0, mode(Mode::Ready));
    world.pass(10 * SECOND);
    assert_eq!(world.weights(), [50, 100]);
    world.agent(0, mode(Mode::Maintenance));
    assert_eq!(world.weights(), [100], "maintenance follows quiescent=no");
    assert_eq!(world.server(0).state, "maintenance");
}

#[test]
fn an_agent_that_says_down_is_believed_and_one_that_is_silent_changes_nothing() {
    let mut world = World::with(2, "    agentcheck=777\n");
    world.agent(
        0,
        verdict(Verdict::Down(Reason::new("agent: down: disk full"))),
    );
    assert_eq!(world.weights(), [0, 100]);
    assert_eq!(
        world.server(0).reason.as_deref(),
        Some("agent: down: disk full")
    );
    world.agent(0, verdict(Verdict::Up));
    assert_eq!(world.weights(), [100, 100]);
    world.changes();
    let agents = world.checks.iter();
    let agents = agents.filter(|(_, check)| check.method.thorough().kind == ProbeKind::Agent);
    let ids: Vec<CheckId> = agents.map(|(id, _)| *id).collect();
    for _ in 0..3 {
        let refused = Outcome::Down(Reason::new("connection refused"));
        world.core.handle_outcome(ids[0], &refused, "", world.now);
        world.settle();
    }
    assert_eq!(world.changes(), 0);
    assert_eq!(world.count("Agent does not answer"), 1);
    assert_eq!(
        world.server(0).weight_causes,
        ["agent silent: connection refused"]
    );
    world.agent(0, Advice::default());
    assert_eq!(world.count("Agent answers"), 1);
}

#[test]
fn a_drained_server_stays_drained_over_a_restart_until_its_agent_has_spoken() {
    let text = site(2, "    agentcheck=777\n");
    let mut world = World::new(&text);
    world.up(A);
    world.up(B);
    world.agent(0, mode(Mode::Drain));
    world.agent(1, percent(30));
    assert_eq!(world.weights(), [0, 30]);
    let mut again = World::over(&text, world.kernel.clone());
    for n in 0..2 {
        again.tell(n, false, Advice::default(), SECOND);
    }
    assert_eq!(again.weights(), [0, 30]);
    again.agent(0, mode(Mode::Drain));
    again.agent(1, Advice::default());
    assert_eq!(again.weights(), [0, 100]);
}

#[test]
fn advice_of_a_program_counts_only_where_it_is_asked_for() {
    for (word, weights) in [("no", [100, 100]), ("yes", [40, 100])] {
        let mut world = World::with(2, &format!("    externalweight={word}\n"));
        world.tell(0, false, percent(40), SECOND);
        assert_eq!(world.weights(), weights);
        world.pass(20 * SECOND);
        world.tell(0, false, Advice::default(), SECOND);
        assert_eq!(
            world.weights(),
            [100, 100],
            "what is not said again is over"
        );
    }
}

#[test]
fn the_weight_falls_with_the_response_time_and_seldom_changes() {
    let mut world = World::with(2, "    responseweight=yes\n");
    assert!(world.watches.values().all(|watch| watch.every_result));
    let ms = Duration::from_millis;
    for round in 0..300 {
        world.pass(SECOND);
        world.tell(0, false, Advice::default(), ms(20));
        let wobble = ms(60 + round % 11);
        world.tell(1, false, Advice::default(), wobble);
    }
    assert_eq!(world.weights(), [100, 40]);
    assert_eq!(world.server(1).weight_causes, ["response time 40 %"]);
    let changes = world.changes();
    assert!((1..=6).contains(&changes), "{changes}");
}

#[test]
fn slow_start_climbs_in_ten_steps_after_a_recovery_and_not_at_the_start() {
    let mut world = World::new(&site(2, "    slowstart=60\n"));
    world.up(A);
    world.up(B);
    assert_eq!(world.weights(), [100, 100]);
    world.down(A);
    world.changes();
    world.up(A);
    assert_eq!(world.weights(), [10, 100]);
    assert!(world.said(
        "Restored real server: 192.0.2.21:80 (192.0.2.100:80) (Weight set to 10) [HTTP 200]"
    ));
    assert_eq!(world.server(0).weight_causes, ["slow start 10 %"]);
    let mut seen = vec![10];
    for _ in 0..60 {
        world.pass(SECOND);
        seen.push(world.weights()[0]);
    }
    assert!(seen.is_sorted());
    assert_eq!((seen[30], seen[59], seen[60]), (50, 90, 100));
    assert_eq!(world.changes(), 10);
    assert_eq!(world.core.poll_timeout(), None);
    // One that fails on the way begins anew.
    world.down(A);
    world.up(A);
    world.pass(30 * SECOND);
    world.down(A);
    assert_eq!(world.weights(), [0, 100]);
    world.pass(SECOND);
    world.up(A);
    assert_eq!(world.weights(), [10, 100]);
}

#[test]
fn slow_start_waits_for_no_one_when_there_is_no_other_server() {
    let mut world = World::new(&site(
        2,
        "    slowstart=60\n    fallback=127.0.0.1:80 gate\n",
    ));
    for server in [A, B] {
        world.up(server);
        world.down(server);
    }
    world.up(A);
    assert_eq!(world.weights(), [100, 0]);
    world.up(B);
    assert_eq!(world.weights(), [100, 10]);
}

#[test]
fn rise_and_fall_count_and_hurry() {
    let mut world = World::new(&site(2, "    rise=3\n    fall=2\n    fastinterval=1\n"));
    let is_hurried = |world: &World| {
        let watch = world
            .watches
            .values()
            .find(|watch| watch.interval.is_some());
        watch.is_some_and(|watch| watch.every_result && watch.interval == Some(SECOND))
    };
    world.up(A);
    world.up(B);
    assert_eq!(
        world.weights(),
        [100, 100],
        "the first result counts at once"
    );
    assert!(!is_hurried(&world));
    world.down(A);
    assert!(is_hurried(&world));
    world.down(A);
    assert_eq!(world.weights(), [0, 100]);
    assert!(!is_hurried(&world));
    world.up(A);
    world.up(A);
    assert_eq!((world.weights()[0], world.server(0).successes), (0, 2));
    assert!(is_hurried(&world));
    assert!(world.said("Soft success real server: 192.0.2.21:80"));
    world.up(A);
    assert_eq!(world.weights(), [100, 100]);
    assert!(!is_hurried(&world));
}

#[test]
fn ten_minutes_of_flapping_are_few_changes_when_damped_and_many_when_not() {
    let flap = |lines: &str| {
        let mut world = World::with(3, lines);
        for round in 0..200 {
            world.pass(3 * SECOND);
            if round % 2 == 0 {
                world.down(A);
            } else {
                world.up(A);
            }
        }
        world
    };
    let mut undamped = flap("");
    assert_eq!(undamped.changes(), 200);
    let mut world = flap("    flapdamping=yes\n");
    assert_eq!(world.server(0).state, "damped");
    assert!(world.server(0).weight_causes[0].starts_with("damped for 2"));
    assert_eq!(world.count("Damping real server: 192.0.2.21:80"), 1);
    assert!(world.messages.len() <= 12, "{:#?}", world.messages);
    // Four half-lives after the last failure it is over.
    world.pass(4 * Duration::from_secs(60));
    assert_eq!(world.weights(), [100, 100, 100]);
    assert_eq!(world.count("Damping ended"), 1);
    let changes = world.changes();
    assert!(changes <= 12, "{changes}");
    assert_eq!(world.core.poll_timeout(), None);
}

#[test]
fn all_servers_flapping_leave_one_in_service() {
    let mut world = World::with(2, "    flapdamping=yes\n");
    for _ in 0..10 {
        for server in [A, B] {
            world.pass(SECOND);
            world.down(server);
            world.up(server);
            assert!(world.weights().iter().any(|weight| *weight > 0));
        }
    }
    let states = [0, 1].map(|n| world.server(n).weight_causes.concat());
    assert!(
        states.iter().any(|why| why.ends_with("but needed")),
        "{states:?}"
    );
    let idle = world.weights().iter().position(|weight| *weight == 0);
    // The one that serves fails for good: the other one is used, damped or not.
    let server = if idle == Some(0) { B } else { A };
    world.down(server);
    assert_eq!(world.weights()[idle.unwrap()], 100);
}

#[test]
fn sixty_percent_that_fail_at_once_stop_at_the_floor() {
    let mut world = World::with(10, "    floor=50\n    fallback=127.0.0.1:80 gate\n");
    let failed: Vec<CheckId> = world.checks.keys().take(6).copied().collect();
    for id in failed {
        let down = Outcome::Down(Reason::new("connection refused"));
        world.core.handle_outcome(id, &down, "", world.now);
    }
    world.settle();
    assert_eq!(world.changes(), 5);
    assert_eq!(
        world.weights().iter().filter(|weight| **weight > 0).count(),
        5
    );
    assert_eq!(world.count("Floor of 50 % reached"), 1);
    let no_round = |_| LastRound::default();
    let status = world.core.service_statuses(world.now, &no_round).remove(0);
    assert_eq!((status.kept_by_floor, status.in_service), (1, 5));
    let kept = status
        .servers
        .iter()
        .find(|server| server.weight_causes == ["kept by the floor"]);
    assert_eq!(kept.unwrap().state, "down");
    // The others fail as well, and nothing more happens.
    for n in 0..10 {
        world.pass(SECOND);
        world.down(&name(n));
    }
    assert_eq!(world.changes(), 0);
    assert_eq!(world.count("Floor of 50 % reached"), 1);
    assert_eq!(world.commands, []);
    // It ends by itself: each that returns lets the one go that failed first.
    for n in 0..10 {
        world.up(&name(n));
        let used = world.weights().iter().filter(|weight| **weight > 0).count();
        assert!(used >= 5, "{used}");
    }
    assert_eq!(world.weights(), [100; 10]);
    assert_eq!(world.count("Floor no longer reached"), 1);
}

#[test]
fn maintenance_and_off_are_no_failures_for_the_floor() {
    let mut world = World::with(4, "    floor=50\n");
    let out = |world: &mut World, until: usize| {
        let now = world.now;
        world.core.handle_maintenance(|_, index| index < until, now);
        world.settle();
    };
    out(&mut world, 3);
    assert_eq!(world.weights(), [0, 0, 0, 100]);
    // Half of the one that is left is one.
    world.down(&name(3));
    assert_eq!(world.weights(), [0, 0, 0, 100]);
    out(&mut world, 0);
    assert_eq!(world.weights(), [100, 100, 100, 0]);
    assert_eq!(world.count("Floor no longer reached"), 1);
}

#[test]
fn a_reload_without_the_words_ends_what_they_did() {
    let all = "    slowstart=60\n    flapdamping=yes\n    floor=100\n    agentcheck=777\n";
    let mut world = World::with(3, all);
    world.agent(1, percent(10));
    for _ in 0..3 {
        world.down(A);
        world.up(A);
    }
    world.down(&name(2));
    assert_eq!(world.server(2).weight_causes, ["kept by the floor"]);
    world.reload(&site(3, ""));
    assert_eq!(world.weights(), [100, 100, 0]);
    assert!(world.server(1).agent.is_none());
    assert_eq!(world.core.poll_timeout(), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever servers and agents say, in any order: the floor holds as long as that many
    /// have ever been in service, no weight is above the configured one, a failed server is in
    /// use only for the floor, and there is no end of things to do.
    #[test]
    fn service_is_never_worse_than_the_floor(
        events in prop::collection::vec((0..5usize, 0..6u8, 0..20u64), 0..120),
        floor in 0..=100usize,
    ) {
        let lines = format!("    floor={floor}\n    flapdamping=yes\n    slowstart=30\n    agentcheck=777\n");
        let mut world = World::with(5, &lines);
        let mut drained = [false; 5];
        for (n, event, seconds) in events {
            world.pass(Duration::from_secs(seconds));
            match event {
                0 | 1 => world.down(&name(n)),
                2 | 3 => world.up(&name(n)),
                4 => world.agent(n, mode(Mode::Drain)),
                _ => world.agent(n, mode(Mode::Ready)),
            }
            drained[n] = match event { 4 => true, 5 => false, _ => drained[n] };
            let weights = world.weights();
            prop_assert!(weights.iter().all(|weight| *weight <= 100));
            let counted = drained.iter().filter(|drained| !**drained).count();
            let used = weights.iter().filter(|weight| **weight > 0).count();
            let states: Vec<ServerStatus> = (0..5).map(|n| world.server(n)).collect();
            let usable = states.iter().filter(|s| matches!(s.state.as_str(), "up" | "damped"));
            let kept = states.iter().filter(|s| s.weight_causes.contains(&"kept by the floor".to_owned()));
            let kept = kept.count();
            prop_assert!(used > 0 || usable.count() == 0, "{:?}", weights);
            prop_assert!(kept == 0 || used * 100 < counted * floor + 100);
        }
        // Things come to rest.
        for _ in 0..40 {
            world.pass(Duration::from_secs(60));
        }
        prop_assert_eq!(world.core.poll_timeout(), None);
    }
}
