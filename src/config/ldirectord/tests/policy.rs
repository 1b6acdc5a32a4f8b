//! Words of our own about standing and weight.

use std::time::Duration;

use super::*;
use crate::config::RealCheck;
use crate::model::{Damping, Policy};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn everything_is_off_by_default() {
    let service = service(section(""));
    assert_eq!(service.policy, Policy::default());
    assert_eq!(service.check.agent, None);
    assert_eq!(service.reals[0].agent, None);
}

#[test]
fn a_section_has_what_is_global_unless_it_says_otherwise() {
    let globals = "rise=2\nfall=3\nfastinterval=1\nslowstart=60\nflapdamping=yes\nfloor=50\nresponseweight=yes\nexternalweight=yes\n";
    let inherited = service(format!("{globals}{}", section("")));
    assert_eq!(
        inherited.policy,
        Policy {
            rise: 2,
            fast_interval: Some(SECOND),
            slow_start: Some(60 * SECOND),
            damping: Some(Damping::DEFAULT),
            floor: 50,
            response_weight: true,
            external_weight: true,
        }
    );
    assert_eq!(inherited.failure_count, 3);
    let own = "rise=1\nfall=1\nfastinterval=0\nslowstart=0\nflapdamping=no\nfloor=0\nresponseweight=no\nexternalweight=no\n";
    let own = service(format!("{globals}{}", section(own)));
    assert_eq!((own.policy, own.failure_count), (Policy::default(), 1));
}

#[test]
fn fall_and_failurecount_are_one_thing_and_only_one_of_them_counts() {
    assert_eq!(service(section("fall=4")).failure_count, 4);
    refuses(
        section("fall=4\nfailurecount=4"),
        LINE + 1,
        "the same thing",
    );
    refuses("failurecount=2\nfall=2\n", 2, "the same thing");
    // One outside, the other inside.
    let both = format!("failurecount=2\n{}", section("fall=4"));
    assert_eq!(service(both).failure_count, 4);
}

#[test]
fn damping_is_four_numbers_of_sense() {
    let damping = |value: &str| {
        service(section(&format!("flapdamping={value}")))
            .policy
            .damping
    };
    assert_eq!(
        damping("500, 30,2000 ,100"),
        Some(Damping {
            penalty: 500,
            half_life: 30 * SECOND,
            suppress: 2000,
            reuse: 100,
        })
    );
    assert_eq!(damping("no"), None);
    for (value, message) in [
        ("", "flapdamping must be"),
        ("on", "flapdamping must be"),
        ("1000,60,2500", "flapdamping must be"),
        ("1000,60,2500,1000,1", "flapdamping must be"),
        ("1000,0,2500,1000", "flapdamping must be"),
        ("1000,86401,2500,1000", "flapdamping must be"),
        ("1000,60,1000001,1000", "flapdamping must be"),
        ("+1000,60,2500,1000", "flapdamping must be"),
        ("1000,60,1000,1000", "must be above"),
    ] {
        refuses(section(&format!("flapdamping={value}")), LINE, message);
    }
}

#[test]
fn percentages_end_at_100() {
    assert_eq!(service(section("floor=100")).policy.floor, 100);
    refuses(section("floor=101"), LINE, "floor must be a percentage");
    refuses(section("rise=0"), LINE, "invalid rise value");
    refuses(section("agentcheck=0"), LINE, "agentcheck must be");
    refuses(section("agentcheck=70000"), LINE, "agentcheck must be");
}

#[test]
fn every_server_that_can_be_used_has_the_agent_of_its_own_host() {
    let text = "checkinterval=7\nchecktimeout=2\nvirtual=192.0.2.100:80\n\treal=192.0.2.21:8080 masq\n\treal=192.0.2.22:80 masq\n\tchecktype=on\n\tagentcheck=777\n";
    let with = |lines: &str| service(format!("{text}{lines}"));
    let plain = with("");
    let targets = plain.reals.iter().map(|real| {
        let agent = real.agent.as_ref().unwrap();
        assert_eq!(agent.interval, 7 * SECOND);
        assert_eq!(agent.method.thorough().timeout, 2 * SECOND);
        agent.target.to_string()
    });
    assert_eq!(
        targets.collect::<Vec<_>>(),
        ["192.0.2.21:777", "192.0.2.22:777"]
    );
    let faster = with("\tagentinterval=2\n");
    assert_eq!(faster.reals[0].agent.as_ref().unwrap().interval, 2 * SECOND);
    let off = with("\tchecktype=off\n");
    assert_eq!(off.reals[0].check, RealCheck::Off);
    assert_eq!(off.reals[0].agent, None);
    warns(
        section("agentinterval=2"),
        LINE,
        "only together with agentcheck",
    );
}

#[test]
fn ldirectord_knows_none_of_them() {
    for line in [
        "rise=2",
        "fall=2",
        "fastinterval=1",
        "slowstart=1",
        "flapdamping=no",
        "floor=0",
        "responseweight=no",
        "externalweight=no",
        "agentcheck=1",
        "agentinterval=1",
    ] {
        let parsed = parse(section(line).as_bytes(), "test.cf");
        assert_eq!(parsed.beyond().len(), 1, "{line}");
    }
}
