//! Tables of who is used, and properties over random services.

use proptest::prelude::*;

use super::*;

/// Servers in words: `up`, `damped` (up, but suppressed), `failed` (while in service), `out`,
/// `off`. Each failed a second after the one before.
fn candidates(words: &str) -> Vec<Candidate> {
    let start = Instant::now();
    let servers = words.split(' ').zip(0u64..);
    servers
        .map(|(word, second)| {
            let since = start + Duration::from_secs(second);
            Candidate {
                counts: word != "off",
                serving: matches!(word, "up" | "damped"),
                reuse: (word == "damped").then_some(since),
                leaving: word == "failed",
                since,
            }
        })
        .collect()
}

/// The servers in use, by position.
fn used(words: &str, floor: u8) -> Vec<usize> {
    let candidates = candidates(words);
    let places = weigh(&candidates, floor);
    let used = candidates.iter().zip(&places).enumerate();
    used.filter(|(_, (candidate, place))| match place {
        Place::Own => candidate.serving,
        Place::Damped => false,
        Place::Needed | Place::Kept => true,
    })
    .map(|(index, _)| index)
    .collect()
}

#[test]
fn the_floor_keeps_those_that_failed_last() {
    for (words, floor, wanted) in [
        ("up up failed", 0, vec![0, 1]),
        ("failed failed failed", 0, vec![]),
        ("up failed failed failed", 50, vec![0, 3]),
        ("failed failed failed failed", 50, vec![2, 3]),
        ("failed failed failed", 100, vec![0, 1, 2]),
        // Half of three is two.
        ("up failed failed", 50, vec![0, 2]),
        // One that has left does not come back.
        ("out out out failed", 50, vec![3]),
        // Neither does one that is off count, nor as a failed one.
        ("off off up failed", 50, vec![2]),
        ("off off", 100, vec![]),
        (
            "up up up up failed failed failed failed failed failed",
            50,
            vec![0, 1, 2, 3, 9],
        ),
    ] {
        assert_eq!(used(words, floor), wanted, "{words} {floor}");
    }
}

#[test]
fn a_damped_server_is_used_when_there_are_not_enough_others() {
    for (words, floor, wanted) in [
        ("up damped", 0, vec![0]),
        ("damped damped", 0, vec![0]),
        ("out damped", 0, vec![1]),
        ("up damped damped damped", 50, vec![0, 1]),
        // Rather one whose checks pass than one that failed.
        ("damped failed", 50, vec![0]),
        ("damped failed", 100, vec![0, 1]),
    ] {
        assert_eq!(used(words, floor), wanted, "{words} {floor}");
    }
}

#[test]
fn weights_are_scaled_and_never_vanish() {
    for (weight, percent, wanted) in [
        (100, 50, 50),
        (100, 0, 0),
        (1, 10, 1),
        (0, 50, 0),
        (3, 50, 2),
        (65_535, 100, 65_535),
        (u32::MAX, 200, u32::MAX),
    ] {
        assert_eq!(scaled(weight, percent), wanted);
    }
}

#[test]
fn a_share_changes_once_in_ten_seconds_and_drains_at_once() {
    let start = Instant::now();
    let at = |s| start + Duration::from_secs(s);
    let mut share = Share::default();
    assert_eq!(share.follow(50, at(0)), None);
    assert_eq!(share.follow(60, at(1)), Some(at(10)));
    assert_eq!(share.percent(), 50);
    assert_eq!(share.follow(0, at(2)), None);
    assert_eq!(share.percent(), 0);
    assert_eq!(share.follow(60, at(3)), Some(at(12)));
    assert_eq!(share.follow(60, at(12)), None);
    assert_eq!(share.percent(), 60);
}

fn candidate() -> impl Strategy<Value = (bool, bool, bool, bool, u64)> {
    (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        0..1000u64,
    )
}

proptest! {
    /// Whatever fails: as many servers are in service as the floor asks for, as long as that
    /// many passed or were in service when they failed; and not one failed server more.
    #[test]
    fn the_floor_is_never_violated(
        servers in prop::collection::vec(candidate(), 0..30), floor in 0..=100u8
    ) {
        let start = Instant::now();
        let candidates: Vec<Candidate> = servers
            .into_iter()
            .map(|(counts, serving, suppressed, leaving, second)| {
                let since = start + Duration::from_secs(second);
                Candidate { counts, serving, reuse: suppressed.then_some(since), leaving, since }
            })
            .collect();
        let places = weigh(&candidates, floor);
        let all = || candidates.iter().zip(&places).filter(|(c, _)| c.counts);
        let count = |wanted: &dyn Fn(&Candidate, Place) -> bool| {
            all().filter(|(c, place)| wanted(c, **place)).count()
        };
        let required = (all().count() * usize::from(floor)).div_ceil(100);
        let kept = count(&|_, place| place == Place::Kept);
        let needed = count(&|_, place| place == Place::Needed);
        let free = count(&|c, place| place == Place::Own && c.serving);
        let could = count(&|c, _| c.serving || c.leaving);
        let used = free + needed + kept;
        prop_assert!(used >= required.min(could));
        prop_assert!(kept == 0 || used <= required);
        prop_assert!(needed == 0 || used <= required.max(1));
        let usable = count(&|c, _| c.serving);
        prop_assert!(used > 0 || usable == 0);
        for (c, place) in candidates.iter().zip(&places) {
            prop_assert!(*place != Place::Kept || (c.leaving && !c.serving && c.counts));
            prop_assert!(*place != Place::Needed || (c.reuse.is_some() && c.serving));
        }
    }

    #[test]
    fn a_scaled_weight_is_bounded_and_grows_with_the_share(weight: u32, percent in 1..=100u8) {
        let share = scaled(weight, percent);
        prop_assert!(share <= weight && (share > 0 || weight == 0));
        prop_assert!(scaled(weight, percent - 1) <= share);
        prop_assert_eq!(scaled(weight, 100), weight);
    }

    /// However often advice changes, the share changes at most twice in ten seconds: once to
    /// nothing, and once to something.
    #[test]
    fn shares_do_not_change_at_every_word(
        words in prop::collection::vec((0..3000u64, 0..=100u8), 1..100)
    ) {
        let mut now = Instant::now();
        let mut share = Share::default();
        let mut changes: Vec<Instant> = Vec::new();
        for (ms, advised) in words {
            now += Duration::from_millis(ms);
            let before = share.percent();
            share.follow(advised, now);
            prop_assert!(advised > 0 || share.percent() == 0);
            if share.percent() != before {
                changes.push(now);
            }
        }
        for three in changes.windows(3) {
            prop_assert!(three[2] - three[0] >= SETTLING);
        }
    }
}
