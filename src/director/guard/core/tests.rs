use super::*;

const STALL: Duration = Duration::from_millis(500);
const LIFETIME: Duration = Duration::from_secs(3);

fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

fn vip(last: u8) -> VirtualAddress {
    VirtualAddress {
        address: [192, 0, 2, last].into(),
        prefix: 24,
        interface: "eth0".parse().unwrap(),
        label: None,
    }
}

fn beat(at: u64) -> Request {
    Request::Beat(Beat {
        at: ms(at),
        limit: STALL,
        farewell: vec![
            (0, b"bye".to_vec()),
            (1, b"bye".to_vec()),
            (9, b"?".to_vec()),
        ],
    })
}

fn hold(epoch: u64, addresses: &[u8]) -> Request {
    Request::Hold {
        instance: "web".to_owned(),
        epoch,
        addresses: addresses.iter().map(|last| vip(*last)).collect(),
        // Never too late.
        at: Duration::MAX,
    }
}

fn release(epoch: u64, addresses: &[u8]) -> Request {
    Request::Release {
        instance: "web".to_owned(),
        epoch,
        addresses: addresses.iter().map(|last| vip(*last)).collect(),
    }
}

fn announce(epoch: u64) -> Request {
    Request::Announce {
        instance: "web".to_owned(),
        epoch,
    }
}

/// A guard with a kernel that does what it is told, unless told otherwise.
struct Bench {
    core: Core,
    now: u64,
    /// Refuses deletions.
    stubborn: bool,
    /// What was done, as words, with the time in ms.
    done: Vec<(u64, String)>,
    ended: bool,
}

impl Bench {
    fn new() -> Self {
        let mut bench = Self {
            core: Core::default(),
            now: 0,
            stubborn: false,
            done: Vec::new(),
            ended: false,
        };
        bench.begin(Vec::new());
        assert_eq!(bench.words(), ["0 clean keep 0", "0 ready"]);
        bench
    }

    fn begin(&mut self, adopt: Vec<Holding>) {
        let link = |port| FarewellLink {
            device: None,
            source: None,
            to: ([192, 0, 2, 12], port).into(),
        };
        let adopt = adopt.into_iter().map(Request::Adopt);
        let begin = Request::Begin {
            links: vec![link(1), link(2)],
            stall_after: STALL,
            lifetime: LIFETIME,
            announce_again: None,
        };
        let requests = adopt.chain([begin]).collect();
        self.receive(requests);
    }

    /// Holding 100 and 101 for epoch 7, all said.
    fn holding() -> Self {
        let mut bench = Self::new();
        bench.receive(vec![beat(0), hold(7, &[100, 101])]);
        assert_eq!(bench.words(), ["0 take 100 101", "0 held web 7"]);
        bench
    }

    fn receive(&mut self, requests: Vec<Request>) {
        let actions = self.core.hear(&requests, ms(self.now));
        self.perform(actions);
        for request in requests {
            let actions = self.core.receive(request, ms(self.now));
            self.perform(actions);
        }
    }

    fn event(&mut self, event: Event) {
        let actions = self.core.event(event, ms(self.now));
        self.perform(actions);
    }

    /// Lets time pass, waking the core when it wants to be woken.
    fn pass(&mut self, until: u64) {
        for _ in 0..1000 {
            let next = self
                .core
                .next()
                .filter(|next| *next <= ms(until) && !self.ended);
            let Some(next) = next else {
                self.now = until;
                return;
            };
            self.now = self.now.max(next.as_micros().div_ceil(1000) as u64);
            let actions = self.core.tick(ms(self.now));
            self.perform(actions);
        }
        panic!("the core never rests");
    }

    /// Lets time pass with an advert every 200 ms.
    fn live(&mut self, until: u64) {
        while self.now < until {
            self.receive(vec![beat(self.now)]);
            self.pass((self.now + 200).min(until));
        }
        self.receive(vec![beat(self.now)]);
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            if self.ended {
                return;
            }
            self.ended = action == Action::Exit;
            let (words, event) = self.answer(action);
            self.done.push((self.now, words));
            if let Some(event) = event {
                self.event(event);
            }
        }
    }

    fn answer(&self, action: Action) -> (String, Option<Event>) {
        match action {
            Action::RemoveLeftOver { keep, .. } => (
                format!("clean keep {}", keep.len()),
                Some(Event::Cleaned(Ok(Vec::new()))),
            ),
            Action::Take {
                instance,
                addresses,
                lifetime,
            } => {
                assert_eq!(lifetime, LIFETIME);
                let words = format!("take {}", numbers(&addresses));
                let result = Ok(Vec::new());
                (words, Some(Event::Taken { instance, result }))
            }
            Action::Refresh {
                instance,
                addresses,
                ..
            } => {
                let words = format!("refresh {}", numbers(&addresses));
                let failed = Vec::new();
                (words, Some(Event::Refreshed { instance, failed }))
            }
            Action::Drop {
                instance,
                addresses,
                ..
            } => {
                let words = format!("drop {}", numbers(&addresses));
                let result = if self.stubborn {
                    Err("no".to_owned())
                } else {
                    Ok(())
                };
                (words, Some(Event::Dropped { instance, result }))
            }
            Action::Restore {
                instance, address, ..
            } => {
                let words = format!("restore {}", numbers(std::slice::from_ref(&address)));
                let event = Event::Restored {
                    instance,
                    address,
                    is_back: true,
                };
                (words, Some(event))
            }
            Action::Announce { addresses, .. } => {
                (format!("announce {}", numbers(&addresses)), None)
            }
            Action::Farewell(packets) => (format!("farewell {}", packets.len()), None),
            Action::Report(report) => (report_words(&report), None),
            Action::Listen(on) => (format!("listen {}", on.values().flatten().count()), None),
            Action::Exit => ("exit".to_owned(), None),
        }
    }

    /// What was done since the last time, but for refreshes and listening.
    fn words(&mut self) -> Vec<String> {
        let done = std::mem::take(&mut self.done).into_iter();
        done.filter(|(_, what)| !what.starts_with("refresh") && !what.starts_with("listen"))
            .map(|(at, what)| format!("{at} {what}"))
            .collect()
    }

    /// Times at which something was done since the last time.
    fn times(&mut self, of: &str) -> Vec<u64> {
        let done = std::mem::take(&mut self.done).into_iter();
        done.filter_map(|(at, what)| what.starts_with(of).then_some(at))
            .collect()
    }

    fn observe(&mut self, last: u8, presence: Presence) {
        self.event(Event::Observed(vec![(vip(last), presence)]));
    }
}

fn numbers(addresses: &[VirtualAddress]) -> String {
    let last = addresses.iter().map(|address| {
        let text = address.address.to_string();
        text.rsplit('.').next().unwrap().to_owned()
    });
    last.collect::<Vec<_>>().join(" ")
}

fn report_words(report: &Report) -> String {
    match report {
        Report::Ready { .. } => "ready".to_owned(),
        Report::Held(holding) => format!("held {} {}", holding.instance, holding.epoch),
        Report::Released { epoch, .. } => format!("released {epoch}"),
        Report::Failed { step, epoch, .. } => format!("failed {step:?} {epoch}"),
        Report::Restored { address, .. } => format!("restored {address}"),
        Report::Missing { address, .. } => format!("missing {address}"),
        Report::Foreign { address, mac } => format!("foreign {address} {mac}"),
        Report::Fenced { instances, why } => format!("fenced {} {why:?}", instances[0].1),
    }
}

#[test]
fn a_lease_is_refreshed_three_times_in_its_life() {
    let mut bench = Bench::holding();
    bench.live(10_000);
    assert_eq!(
        bench.times("refresh"),
        [1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 10_000]
    );
}

#[test]
fn announcements_follow_their_schedule_until_they_are_cancelled() {
    let mut bench = Bench::holding();
    // Of another claim: nothing.
    bench.receive(vec![announce(6), announce(8)]);
    bench.receive(vec![announce(7)]);
    bench.live(20_000);
    assert_eq!(
        bench.times("announce"),
        [0, 200, 400, 600, 800, 1000, 1200, 5000]
    );
    bench.receive(vec![announce(7)]);
    bench.live(20_500);
    bench.receive(vec![Request::CancelAnnouncements {
        instance: "web".to_owned(),
    }]);
    bench.live(30_000);
    assert_eq!(bench.times("announce"), [20_000, 20_200, 20_400]);
}

#[test]
fn nothing_is_announced_after_a_release() {
    let mut bench = Bench::holding();
    bench.receive(vec![announce(7), release(7, &[100, 101])]);
    bench.live(10_000);
    assert_eq!(
        bench.words(),
        ["0 announce 100 101", "0 drop 100 101", "0 released 7"]
    );
    // Nor is it held again for the same claim, or an older one.
    bench.receive(vec![hold(7, &[100]), hold(8, &[100])]);
    assert_eq!(
        bench.words(),
        [
            "10000 fenced 7 OldEpoch",
            "10000 take 100",
            "10000 held web 8"
        ]
    );
    bench.receive(vec![hold(7, &[101])]);
    assert_eq!(bench.words(), ["10000 fenced 7 OldEpoch"]);
}

#[test]
fn a_part_can_be_released() {
    let mut bench = Bench::holding();
    bench.receive(vec![release(7, &[101])]);
    assert_eq!(bench.words(), ["0 drop 101", "0 released 7"]);
    bench.receive(vec![hold(7, &[100, 102])]);
    assert_eq!(bench.words(), ["0 take 100 102", "0 held web 7"]);
}

#[test]
fn what_is_not_held_is_removed_all_the_same() {
    let mut bench = Bench::new();
    bench.receive(vec![release(3, &[100])]);
    assert_eq!(bench.words(), ["0 drop 100", "0 released 3"]);
}

#[test]
fn after_death_addresses_go_before_the_farewell_comes() {
    let mut bench = Bench::holding();
    bench.live(2000);
    bench.words();
    bench.event(Event::Gone);
    bench.pass(3000);
    assert_eq!(
        bench.words(),
        [
            "2000 drop 100 101",
            "2000 farewell 2",
            "2000 fenced 7 Stalled",
            "2010 farewell 2",
            "2030 farewell 2",
            "2030 exit",
        ]
    );
}

#[test]
fn without_anything_to_say_the_guard_just_ends() {
    let mut bench = Bench::new();
    bench.receive(vec![Request::Beat(Beat::default())]);
    bench.event(Event::Gone);
    assert_eq!(bench.words(), ["0 exit"]);
}

#[test]
fn while_an_address_cannot_be_removed_nothing_is_said_or_refreshed() {
    let mut bench = Bench::holding();
    bench.stubborn = true;
    bench.event(Event::Gone);
    bench.pass(5000);
    let done = bench.words();
    assert_eq!(
        done[..4],
        [
            "0 drop 100 101",
            "0 failed Release 7",
            "0 fenced 7 Stalled",
            "20 drop 100 101"
        ]
    );
    assert!(
        done.iter().all(|what| !what.contains("farewell")),
        "{done:?}"
    );
    assert_eq!(bench.times("refresh"), [] as [u64; 0]);
    bench.stubborn = false;
    bench.pass(7000);
    let done = bench.words();
    assert!(done[0].ends_with("drop 100 101"), "{done:?}");
    assert!(done[1].ends_with("farewell 2"), "{done:?}");
    assert!(done.last().unwrap().ends_with("exit"), "{done:?}");
}

#[test]
fn a_stall_is_counted_from_the_last_advert() {
    let mut bench = Bench::holding();
    bench.live(1000);
    bench.words();
    // Read late: it was sent at 1100.
    bench.now = 1180;
    bench.receive(vec![beat(1100)]);
    bench.pass(1599);
    assert_eq!(bench.words(), [] as [&str; 0]);
    bench.pass(1700);
    assert_eq!(
        bench.words(),
        [
            "1600 drop 100 101",
            "1600 farewell 2",
            "1600 fenced 7 Stalled",
            "1610 farewell 2",
            "1630 farewell 2",
        ]
    );
    // It wakes up and goes on with what it was about to do.
    bench.receive(vec![
        hold(7, &[100]),
        hold(8, &[100]),
        beat(1700),
        hold(8, &[100]),
    ]);
    assert_eq!(
        bench.words(),
        [
            "1700 fenced 7 Stalled",
            "1700 fenced 8 Stalled",
            "1700 fenced 8 OldEpoch"
        ]
    );
    // A new claim is another matter.
    bench.receive(vec![hold(9, &[100])]);
    assert_eq!(bench.words(), ["1700 take 100", "1700 held web 9"]);
}

#[test]
fn a_farewell_speaks_of_what_was_given_up_and_of_nothing_later() {
    let mut bench = Bench::holding();
    bench.live(1000);
    bench.pass(1505);
    bench.words();
    // The main process is back, and has nothing to say farewell for.
    let empty = Request::Beat(Beat {
        at: ms(1505),
        limit: STALL,
        farewell: Vec::new(),
    });
    bench.receive(vec![empty]);
    bench.pass(1515);
    assert_eq!(bench.words(), ["1510 farewell 2"]);
    // What is held again is not said to be released.
    bench.receive(vec![hold(9, &[100])]);
    bench.pass(1540);
    assert_eq!(bench.words(), ["1515 take 100", "1515 held web 9"]);
}

#[test]
fn a_hold_that_waited_for_a_guard_that_stood_still_is_refused() {
    let mut bench = Bench::new();
    bench.live(1000);
    bench.words();
    let asked = |at| {
        let Request::Hold {
            instance,
            epoch,
            addresses,
            ..
        } = hold(3, &[100])
        else {
            unreachable!("it is one")
        };
        let at = ms(at);
        Request::Hold {
            instance,
            epoch,
            addresses,
            at,
        }
    };
    let late = asked(1000 - STALL.as_millis() as u64);
    bench.receive(vec![late]);
    let words = bench.words();
    assert!(words.len() == 1 && words[0].contains("failed"), "{words:?}");
    bench.receive(vec![asked(999)]);
    assert_eq!(bench.words(), ["1000 take 100", "1000 held web 3"]);
}

#[test]
fn a_guard_that_was_late_itself_reads_before_it_judges() {
    let mut bench = Bench::holding();
    bench.now = 1400;
    bench.receive(vec![
        beat(200),
        beat(400),
        beat(600),
        beat(800),
        beat(1000),
        beat(1200),
    ]);
    bench.pass(1600);
    assert_eq!(bench.words(), [] as [&str; 0]);
    // A gap among them is a stall, however fresh the last one is.
    let mut bench = Bench::holding();
    bench.now = 1400;
    bench.receive(vec![hold(7, &[100]), beat(200), beat(1300)]);
    assert_eq!(
        bench.words(),
        [
            "1400 drop 100 101",
            "1400 farewell 2",
            "1400 fenced 7 Stalled",
            "1400 fenced 7 Stalled"
        ]
    );
}

#[test]
fn a_lease_that_may_have_lapsed_is_given_up_and_not_refreshed() {
    let mut bench = Bench::holding();
    bench.now = 3000;
    let beats = (1..=15).map(|n| beat(n * 200)).collect();
    bench.receive(beats);
    assert_eq!(bench.words(), ["3000 drop 100 101", "3000 fenced 7 Lapsed"]);
    // A little earlier it is a refresh like any other.
    let mut bench = Bench::holding();
    bench.now = 2900;
    bench.receive((1..=14).map(|n| beat(n * 200)).collect());
    assert_eq!(bench.times("refresh"), [2900]);
}

#[test]
fn a_sign_of_life_from_the_future_is_one_of_now() {
    let mut bench = Bench::holding();
    bench.receive(vec![beat(1_000_000)]);
    bench.pass(600);
    assert_eq!(bench.words()[0], "500 drop 100 101");
}

#[test]
fn an_address_is_put_back_once_in_ten_seconds() {
    let mut bench = Bench::holding();
    bench.live(1000);
    bench.observe(100, Presence::There);
    bench.words();
    bench.observe(100, Presence::Absent);
    assert_eq!(
        bench.words(),
        [
            "1000 restore 100",
            "1000 restored 192.0.2.100",
            "1000 announce 100 101"
        ]
    );
    bench.live(9000);
    bench.words();
    bench.observe(100, Presence::Absent);
    bench.observe(100, Presence::Absent);
    assert_eq!(bench.words(), ["9000 missing 192.0.2.100"]);
    // It is not refreshed, which would add it.
    bench.live(10_500);
    assert!(bench.done.contains(&(10_000, "refresh 101".to_owned())));
    bench.words();
    // The main process can want it again.
    bench.receive(vec![hold(7, &[100, 101])]);
    assert_eq!(bench.words(), ["10500 take 100 101", "10500 held web 7"]);
    bench.live(12_000);
    bench.words();
    bench.observe(100, Presence::Absent);
    assert_eq!(bench.words()[0], "12000 restore 100");
}

#[test]
fn an_address_comes_back_with_its_interface_as_often_as_that_does() {
    let mut bench = Bench::holding();
    for _ in 0..3 {
        bench.observe(100, Presence::NoLink);
        bench.observe(100, Presence::NoLink);
        assert_eq!(bench.words(), ["0 missing 192.0.2.100"]);
        bench.observe(100, Presence::Absent);
        assert_eq!(
            bench.words(),
            [
                "0 restore 100",
                "0 restored 192.0.2.100",
                "0 announce 100 101"
            ]
        );
    }
}

#[test]
fn nothing_is_restored_after_a_stall() {
    let mut bench = Bench::holding();
    bench.now = 600;
    bench.observe(100, Presence::Absent);
    let done = bench.words();
    assert_eq!(done[0], "600 drop 100 101");
    assert!(
        done.iter().all(|what| !what.contains("restore")),
        "{done:?}"
    );
}

#[test]
fn a_hold_that_fails_is_undone_and_said() {
    let mut bench = Bench::new();
    let actions = bench.core.receive(hold(7, &[100]), ms(0));
    assert!(matches!(actions[..], [Action::Take { .. }]));
    bench.event(Event::Taken {
        instance: "web".to_owned(),
        result: Err("no such interface".to_owned()),
    });
    assert_eq!(bench.words(), ["0 drop 100", "0 failed Hold 7"]);
    // It may be tried again for the same claim.
    bench.receive(vec![hold(7, &[100])]);
    assert_eq!(bench.words(), ["0 take 100", "0 held web 7"]);
}

#[test]
fn what_another_guard_held_is_kept() {
    let mut bench = Bench {
        core: Core::default(),
        now: 50,
        stubborn: false,
        done: Vec::new(),
        ended: false,
    };
    bench.begin(vec![Holding {
        instance: "web".to_owned(),
        epoch: 7,
        addresses: vec![vip(100)],
        loopback: Vec::new(),
    }]);
    assert_eq!(
        bench.words(),
        [
            "50 clean keep 1",
            "50 ready",
            "50 take 100",
            "50 held web 7"
        ]
    );
    bench.pass(600);
    assert_eq!(bench.words()[..2], ["550 drop 100", "550 fenced 7 Stalled"]);
}

#[test]
fn what_is_forgotten_stays() {
    let mut bench = Bench::holding();
    bench.receive(vec![Request::Forget]);
    assert_eq!(bench.words(), ["0 exit"]);
}

#[test]
fn foreign_claims_are_told_once_a_second_and_never_flood() {
    let mut bench = Bench::holding();
    let claim = |last, mac| Event::Foreign {
        address: [192, 0, 2, last].into(),
        mac: Mac([2, 0, 0, 0, 0, mac]),
    };
    bench.event(claim(100, 1));
    bench.event(claim(100, 1));
    bench.event(claim(99, 1));
    assert_eq!(bench.words(), ["0 foreign 192.0.2.100 02:00:00:00:00:01"]);
    for mac in 0..=255 {
        bench.event(claim(101, mac));
    }
    assert_eq!(bench.words().len(), FOREIGN_LIMIT - 1);
    bench.live(1000);
    bench.words();
    bench.event(claim(100, 1));
    assert_eq!(bench.words().len(), 1);
}

#[test]
fn listening_follows_what_is_held() {
    let mut bench = Bench::holding();
    bench.live(1000);
    bench.receive(vec![release(7, &[100, 101])]);
    bench.live(2000);
    let listens = std::mem::take(&mut bench.done).into_iter();
    let listens: Vec<_> = listens
        .filter(|(_, what)| what.starts_with("listen"))
        .collect();
    assert_eq!(
        listens,
        [(100, "listen 2".to_owned()), (1100, "listen 0".to_owned())]
    );
}

#[test]
fn what_is_not_held_is_removed_when_other_hands_add_it() {
    let appeared = |last: u8| Event::Appeared([192, 0, 2, last].into());
    let mut bench = Bench::new();
    bench.receive(vec![Request::Configure(vec![vip(100), vip(101)])]);
    bench.live(1000);
    bench.event(appeared(99));
    bench.live(2000);
    assert!(bench.words().is_empty());
    bench.event(appeared(100));
    bench.live(3000);
    assert_eq!(bench.words(), ["2000 clean keep 0", "2000 ready"]);
    // Again and again: at most so often.
    for _ in 0..3 {
        bench.event(appeared(100));
        bench.pass(3000);
    }
    bench.live(4000);
    assert_eq!(
        bench.words(),
        [
            "3000 clean keep 0",
            "3000 ready",
            "3200 clean keep 0",
            "3200 ready"
        ]
    );
    bench.receive(vec![hold(7, &[100])]);
    bench.words();
    bench.event(appeared(100));
    bench.live(4500);
    assert!(!bench.words().iter().any(|word| word.contains("clean")));
}
