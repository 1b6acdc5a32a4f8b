//! The guard process with a main process that dies, stalls and wakes up again, on a segment
//! with a neighbour that sees everything.

#![expect(
    clippy::print_stdout,
    reason = "measured times, and what the played main process says"
)]

use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use directord::director::guard::{FarewellLink, Guard, Holding, Report, Setup};
use directord::kernel::address::{Assigned, Client};
use directord::kernel::neighbour::{Mac, Port, arp};
use directord::model::pair::VirtualAddress;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::lab::undisturbed;
use crate::segment::{Neighbour, block_on, has, ip, mac, until};

const VIP: &str = "192.0.2.100";
const VIP6: &str = "2001:db8::100";
const PORT: u16 = 7694;
const PROGRAM: &str = env!("CARGO_BIN_EXE_directord");

/// Silence after which the played main process counts as stalled.
const STALL: Duration = Duration::from_millis(250);

/// Tells a process of this program that it plays the main process, and how.
const ROLE: &str = "DIRECTORD_TEST_ROLE";

fn addresses() -> Vec<VirtualAddress> {
    [(VIP, 24), (VIP6, 128)]
        .map(|(address, prefix)| VirtualAddress {
            address: address.parse().unwrap(),
            prefix,
            interface: "eth0".parse().unwrap(),
            label: (prefix == 24).then(|| "eth0:vip".to_owned()),
        })
        .to_vec()
}

fn setup(adopt: Vec<Holding>) -> Setup {
    Setup {
        links: vec![FarewellLink {
            device: Some("eth0".to_owned()),
            source: Some("192.0.2.11".parse().unwrap()),
            to: ([192, 0, 2, 12], PORT).into(),
        }],
        stall_after: stall_after(),
        lifetime: Duration::from_secs(3),
        announce_again: None,
        addresses: addresses(),
        adopt,
    }
}

/// A test that runs programs is silent for long on a slow kernel; the played main process is
/// not.
fn stall_after() -> Duration {
    if std::env::var_os(ROLE).is_some() {
        STALL
    } else {
        Duration::from_secs(5)
    }
}

fn beat(guard: &Guard) {
    let farewell = vec![(0, b"farewell".to_vec())];
    guard.beat(stall_after(), farewell).unwrap();
}

/// Waits for a report while being alive.
async fn report(guard: &Guard, wanted: impl Fn(&Report) -> bool) -> Report {
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < Duration::from_secs(5), "no such report");
        beat(guard);
        let next = tokio::time::timeout(Duration::from_millis(50), guard.report());
        if let Ok(report) = next.await
            && wanted(report.as_ref().unwrap())
        {
            return report.unwrap();
        }
    }
}

async fn start(adopt: Vec<Holding>) -> Guard {
    let guard = Guard::start(Path::new(PROGRAM), &setup(adopt)).unwrap();
    report(&guard, |report| matches!(report, Report::Ready { .. })).await;
    guard
}

async fn start_holding() -> (Guard, Holding) {
    let guard = start(Vec::new()).await;
    guard.hold("web", 7, &addresses()).unwrap();
    let held = report(&guard, |report| matches!(report, Report::Held(_))).await;
    let Report::Held(holding) = held else {
        unreachable!("waited for this one")
    };
    (guard, holding)
}

/// The main process, in a process of its own: holds for epoch 7, says every report, and
/// wants to hold the same again after everything that was given up.
#[test]
fn plays_the_main_process() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    block_on(async {
        let (guard, _) = start_holding().await;
        guard.announce("web", 7).unwrap();
        println!("\nHELD");
        loop {
            let wait = tokio::time::timeout(Duration::from_millis(50), guard.report());
            match wait.await {
                // What it was about to do when it was stopped.
                Err(_) => {
                    guard.hold("web", 7, &addresses()).unwrap();
                    beat(&guard);
                }
                Ok(Some(Report::Held(_))) => {}
                Ok(report) => println!("{report:?}"),
            }
        }
    });
}

/// A main process that was started.
struct Main {
    child: Child,
    lines: Receiver<String>,
}

impl Main {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "guard::plays_the_main_process", "--nocapture"])
            .env(ROLE, "main")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let main = Self { child, lines };
        main.wait_for("HELD");
        main
    }

    fn wait_for(&self, text: &str) -> String {
        let start = Instant::now();
        loop {
            let left = Duration::from_secs(10).saturating_sub(start.elapsed());
            let line = self.lines.recv_timeout(left).expect(text);
            if line.contains(text) {
                return line;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }
}

impl Drop for Main {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn peer(neighbour: &Neighbour) -> UdpSocket {
    let socket = neighbour.there(|| UdpSocket::bind(("192.0.2.12", PORT)).unwrap());
    let wait = Some(Duration::from_secs(2));
    socket.set_read_timeout(wait).unwrap();
    socket
}

/// Receives a farewell, and checks that nothing is there any more when it comes. Returns
/// when that was.
fn farewell(peer: &UdpSocket) -> Instant {
    let mut buffer = [0; 64];
    let (length, from) = loop {
        match peer.recv_from(&mut buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            received => break received.unwrap(),
        }
    };
    let received = Instant::now();
    assert!(!has("eth0", VIP) && !has("eth0", VIP6), "said too early");
    assert_eq!(&buffer[..length], b"farewell");
    assert_eq!(from.ip().to_string(), "192.0.2.11");
    received
}

#[test]
fn after_the_death_of_the_main_process_its_addresses_go_and_the_peer_is_told() {
    undisturbed(|| {
        let neighbour = Neighbour::connect();
        let peer = peer(&neighbour);
        let main = Main::start();
        assert!(has("eth0", VIP) && has("eth0", VIP6));
        let start = Instant::now();
        main.signal(Signal::SIGKILL);
        let took = farewell(&peer) - start;
        assert!(took < Duration::from_millis(150), "{took:?}");
        println!("told and gone {took:?} after the kill");
        farewell(&peer);
        farewell(&peer);
    });
}

#[test]
fn a_stalled_main_process_loses_its_addresses_and_cannot_take_them_back() {
    undisturbed(|| {
        let neighbour = Neighbour::connect();
        let peer = peer(&neighbour);
        let main = Main::start();
        let start = Instant::now();
        main.signal(Signal::SIGSTOP);
        let took = farewell(&peer) - start;
        // 250 ms after the last advert, which was up to 50 ms earlier.
        assert!(took < Duration::from_millis(400), "{took:?}");
        println!("told and gone {took:?} after the stop");
        thread::sleep(Duration::from_millis(300));
        main.signal(Signal::SIGCONT);
        main.wait_for("Fenced { instances: [(\"web\", 7)], why: Stalled }");
        // It goes on trying with the old claim.
        main.wait_for("why: OldEpoch");
        main.wait_for("why: OldEpoch");
        assert!(!has("eth0", VIP) && !has("eth0", VIP6));
    });
}

#[test]
fn signals_that_end_programs_do_not_end_the_guard() {
    undisturbed(|| {
        let _neighbour = Neighbour::connect();
        block_on(async {
            let (guard, _) = start_holding().await;
            let id = Pid::from_raw(guard.id().unwrap().cast_signed());
            for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
                kill(id, signal).unwrap();
            }
            guard.release("web", 7, &addresses()).unwrap();
            report(&guard, |report| matches!(report, Report::Released { .. })).await;
            assert!(!has("eth0", VIP) && !has("eth0", VIP6));
            // Its own session: no terminal takes it along.
            let session = nix::unistd::getsid(Some(id)).unwrap();
            assert_eq!(session, id);
        });
    });
}

#[test]
fn an_address_that_somebody_removes_is_back_at_once_and_announced() {
    undisturbed(|| {
        let neighbour = Neighbour::connect();
        block_on(async {
            let (guard, _) = start_holding().await;
            let capture = neighbour.capture();
            for vip in [format!("{VIP}/24"), format!("{VIP6}/128")] {
                ip(&format!("address delete {vip} dev eth0"));
                let start = Instant::now();
                report(&guard, |report| matches!(report, Report::Restored { .. })).await;
                let took = start.elapsed();
                assert!(took < Duration::from_millis(300), "{vip} {took:?}");
                println!("{vip} back after {took:?}");
            }
            assert!(has("eth0", VIP) && has("eth0", VIP6));
            let mac: Mac = port_mac();
            let wanted = arp::announcement_reply(mac, VIP.parse().unwrap());
            let frames = capture.hear(Duration::from_millis(100));
            assert!(frames.iter().any(|(_, frame)| *frame == wanted));
            // Somebody insists.
            ip(&format!("address delete {VIP}/24 dev eth0"));
            report(&guard, |report| matches!(report, Report::Missing { .. })).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(!has("eth0", VIP));
        });
    });
}

fn port_mac() -> Mac {
    let name = "eth0".parse().unwrap();
    let port = Port::open(&name);
    port.unwrap().unwrap().mac()
}

#[test]
fn announcements_come_in_rounds_and_end_with_the_release() {
    undisturbed(|| {
        let neighbour = Neighbour::connect();
        block_on(async {
            let (guard, _) = start_holding().await;
            let capture = neighbour.capture();
            guard.announce("web", 7).unwrap();
            let alive = async {
                loop {
                    beat(&guard);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            let _ = tokio::time::timeout(Duration::from_millis(700), alive).await;
            guard.release("web", 7, &addresses()).unwrap();
            report(&guard, |report| matches!(report, Report::Released { .. })).await;
            let arp = |frames: &[(Duration, Vec<u8>)], operation: u8| {
                let of = |frame: &&(Duration, Vec<u8>)| {
                    frame.1[12..14] == [8, 6]
                        && frame.1[21] == operation
                        && frame.1[28..32] == [192, 0, 2, 100]
                };
                frames.iter().filter(of).count()
            };
            let frames = capture.hear(Duration::from_millis(50));
            // At 0, 200, 400 and 600 ms.
            assert_eq!((arp(&frames, 1), arp(&frames, 2)), (4, 4));
            let advertisements = frames
                .iter()
                .filter(|(_, frame)| frame[12..14] == [0x86, 0xdd] && frame.get(54) == Some(&136));
            assert_eq!(advertisements.count(), 4);
            let later = capture.hear(Duration::from_secs(1));
            assert_eq!((arp(&later, 1), arp(&later, 2)), (0, 0));
        });
    });
}

#[test]
fn what_was_left_over_is_removed_at_the_start() {
    undisturbed(|| {
        let _neighbour = Neighbour::connect();
        ip(&format!("address add {VIP}/32 dev eth0"));
        block_on(async {
            let earlier = Assigned {
                address: "192.0.2.200".parse().unwrap(),
                prefix: 32,
                link: nix::net::if_::if_nametoindex("eth0").unwrap(),
            };
            let client = Client::open().unwrap();
            let hour = Duration::from_secs(3600);
            client.lease(&earlier, None, hour).await.unwrap();
        });
        ip("address add 192.0.2.201/32 dev eth0");
        ip(&format!("address add {VIP}/32 dev lo"));
        block_on(async {
            let guard = Guard::start(Path::new(PROGRAM), &setup(Vec::new())).unwrap();
            let Some(Report::Ready { removed }) = guard.report().await else {
                panic!("not ready")
            };
            assert_eq!(
                removed,
                ["192.0.2.100/32 on eth0", "192.0.2.200/32 on eth0"]
            );
            assert!(!has("eth0", VIP) && !has("eth0", "192.0.2.200"));
            // What is nobody's, and the copy of a real server, stay.
            assert!(has("eth0", "192.0.2.201") && has("lo", VIP));
        });
    });
}

#[test]
fn a_copy_on_lo_gives_way_and_comes_back() {
    undisturbed(|| {
        let _neighbour = Neighbour::connect();
        ip(&format!("address add {VIP}/32 dev lo"));
        block_on(async {
            let (guard, holding) = start_holding().await;
            assert_eq!(holding.loopback.len(), 1);
            assert!(has("eth0", VIP) && !has("lo", VIP));
            guard.release("web", 7, &addresses()).unwrap();
            report(&guard, |report| matches!(report, Report::Released { .. })).await;
            assert!(!has("eth0", VIP) && has("lo", VIP));
            guard.hold("web", 8, &addresses()).unwrap();
            report(&guard, |report| matches!(report, Report::Held(_))).await;
            assert!(has("eth0", VIP) && !has("lo", VIP));
            // A main process that is gone does not leave the real server without it.
            drop(guard);
            until(Duration::from_secs(1), || has("lo", VIP));
            assert!(!has("eth0", VIP));
        });
    });
}

#[test]
fn a_guard_that_dies_is_noticed_and_its_successor_keeps_what_is_held() {
    undisturbed(|| {
        let _neighbour = Neighbour::connect();
        ip(&format!("address add {VIP}/32 dev lo"));
        block_on(async {
            let (mut guard, holding) = start_holding().await;
            guard.kill().unwrap();
            while guard.report().await.is_some() {}
            assert!(has("eth0", VIP), "its lifetime is not over");
            let next = start(vec![holding]).await;
            drop(guard);
            let begun = Instant::now();
            let alive = async {
                loop {
                    beat(&next);
                    assert!(
                        has("eth0", VIP) && has("eth0", VIP6),
                        "{:?}",
                        begun.elapsed()
                    );
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            // Longer than the lifetime that the first one gave.
            let _ = tokio::time::timeout(Duration::from_millis(4500), alive).await;
            next.release("web", 7, &addresses()).unwrap();
            report(&next, |report| matches!(report, Report::Released { .. })).await;
            assert!(!has("eth0", VIP) && has("lo", VIP));
        });
    });
}

#[test]
fn a_hold_that_the_kernel_refuses_leaves_nothing_behind() {
    undisturbed(|| {
        let _neighbour = Neighbour::connect();
        ip(&format!("address add {VIP}/32 dev lo"));
        block_on(async {
            let guard = start(Vec::new()).await;
            let mut wanted = addresses();
            // A label of another interface is refused.
            wanted.push(VirtualAddress {
                address: "192.0.2.102".parse().unwrap(),
                label: Some("a-label-of-sixteen".to_owned()),
                ..wanted[0].clone()
            });
            guard.hold("web", 7, &wanted).unwrap();
            report(&guard, |report| matches!(report, Report::Failed { .. })).await;
            assert!(!has("eth0", VIP) && !has("eth0", VIP6) && has("lo", VIP));
            guard.hold("web", 7, &addresses()).unwrap();
            report(&guard, |report| matches!(report, Report::Held(_))).await;
        });
    });
}

#[test]
fn another_host_that_claims_an_address_is_reported_and_a_question_is_not() {
    undisturbed(|| {
        let neighbour = Neighbour::connect();
        block_on(async {
            let (guard, _) = start_holding().await;
            guard.announce("web", 7).unwrap();
            let alive = async {
                loop {
                    beat(&guard);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            let _ = tokio::time::timeout(Duration::from_millis(400), alive).await;
            neighbour.there(|| {
                let port = Port::open(&"eth0".parse().unwrap());
                let port = port.unwrap().unwrap();
                port.ask(VIP.parse().unwrap()).unwrap();
                port.announce(VIP6.parse().unwrap(), false).unwrap();
            });
            let foreign = report(&guard, |report| matches!(report, Report::Foreign { .. })).await;
            let Report::Foreign { address, mac } = foreign else {
                unreachable!("waited for this one")
            };
            assert_eq!(address.to_string(), VIP6);
            assert_eq!(mac.to_string(), neighbour.mac("eth0"));
            assert_ne!(mac.to_string(), self::mac("eth0"));
        });
    });
}

#[test]
fn an_interface_that_comes_back_has_its_addresses_again() {
    undisturbed(|| {
        let _neighbour = Neighbour::connect();
        block_on(async {
            let (guard, _) = start_holding().await;
            ip("link delete eth0");
            report(&guard, |report| matches!(report, Report::Missing { .. })).await;
            ip("link add eth0 type veth peer name peer0");
            ip("link set eth0 up");
            let start = Instant::now();
            for _ in 0..2 {
                report(&guard, |report| matches!(report, Report::Restored { .. })).await;
            }
            assert!(start.elapsed() < Duration::from_secs(1));
            assert!(has("eth0", VIP) && has("eth0", VIP6));
        });
    });
}
