//! Addresses with an end, and what the kernel tells about changes.

#![expect(clippy::print_stdout, reason = "measured times")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use directord::kernel::address::lease::Detail;
use directord::kernel::address::watch::{Change, Watch};
use directord::kernel::address::{Assigned, Client};

use crate::lab::{feed, undisturbed};
use crate::segment::{Neighbour, block_on, ip};

fn on_eth0(address: &str, prefix: u8) -> Assigned {
    let link = nix::net::if_::if_nametoindex("eth0").unwrap();
    let address = address.parse().unwrap();
    Assigned {
        address,
        prefix,
        link,
    }
}

async fn detail(client: &Client, address: &Assigned) -> Option<Detail> {
    let all = client.details().await.unwrap();
    all.into_iter().find(|detail| detail.assigned == *address)
}

#[test]
fn a_lease_ends_when_nobody_refreshes_it() {
    undisturbed(|| {
        let _neighbour = Neighbour::connect();
        block_on(async {
            let client = Client::open().unwrap();
            for address in ["192.0.2.100", "2001:db8::100"] {
                let prefix = if address.contains(':') { 128 } else { 32 };
                let left = on_eth0(address, prefix);
                let lifetime = Duration::from_secs(2);
                client.lease(&left, None, lifetime).await.unwrap();
                let start = Instant::now();
                // Refreshed for longer than it lives.
                while start.elapsed() < Duration::from_millis(3500) {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    assert!(detail(&client, &left).await.is_some(), "{address}");
                    client.lease(&left, None, lifetime).await.unwrap();
                }
                let last = Instant::now();
                while detail(&client, &left).await.is_some() {
                    assert!(last.elapsed() < Duration::from_secs(4), "{address}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                let lived = last.elapsed();
                assert!(lived >= Duration::from_millis(1900), "{address} {lived:?}");
                println!("{address}: {lived:?} after the last refresh of 2 s");
            }
        });
    });
}

#[test]
fn a_lease_carries_what_it_is_known_by() {
    undisturbed(|| {
        let _neighbour = Neighbour::connect();
        block_on(async {
            let client = Client::open().unwrap();
            let hour = Duration::from_secs(3600);
            let subnet = on_eth0("192.0.2.100", 24);
            client.lease(&subnet, Some("eth0:vip"), hour).await.unwrap();
            let found = detail(&client, &subnet).await.unwrap();
            assert!(found.own && found.deprecated);
            assert_eq!(found.label.as_deref(), Some("eth0:vip"));
            let valid = found.valid.unwrap().as_secs();
            assert!((3590..=3600).contains(&valid), "{valid}");
            // A host's own addresses are not taken for ours.
            let base = on_eth0("192.0.2.11", 24);
            let found = detail(&client, &base).await.unwrap();
            assert!(!found.own && !found.deprecated && found.valid.is_none());
            let host = on_eth0("2001:db8::100", 128);
            client.lease(&host, None, hour).await.unwrap();
            let shown = ip("-6 -o address show dev eth0 to 2001:db8::100");
            assert!(detail(&client, &host).await.unwrap().own);
            for word in ["deprecated", "nodad", "noprefixroute"] {
                assert!(shown.contains(word), "{word}: {shown}");
            }
            assert!(!shown.contains("tentative"), "{shown}");
            // What was permanent becomes a lease.
            ip("address add 192.0.2.101/32 dev eth0");
            let taken = on_eth0("192.0.2.101", 32);
            client.lease(&taken, None, hour).await.unwrap();
            assert!(detail(&client, &taken).await.unwrap().valid.is_some());
        });
    });
}

#[test]
fn a_refresh_that_comes_too_late_adds_the_address_again() {
    undisturbed(|| {
        let _neighbour = Neighbour::connect();
        block_on(async {
            let client = Client::open().unwrap();
            for (address, prefix) in [("192.0.2.100", 32), ("2001:db8::100", 128)] {
                let gone = on_eth0(address, prefix);
                let lifetime = Duration::from_secs(10);
                client.lease(&gone, None, lifetime).await.unwrap();
                assert!(client.remove(&gone).await.unwrap());
                client.lease(&gone, None, lifetime).await.unwrap();
                assert!(detail(&client, &gone).await.is_some());
            }
        });
    });
}

#[test]
fn connections_of_the_host_do_not_start_from_a_lease() {
    undisturbed(|| {
        let _neighbour = Neighbour::connect();
        block_on(async {
            let client = Client::open().unwrap();
            let hour = Duration::from_secs(3600);
            let v6 = on_eth0("2001:db8::100", 128);
            client.lease(&v6, None, hour).await.unwrap();
            let v4 = on_eth0("192.0.2.100", 32);
            client.lease(&v4, None, hour).await.unwrap();
            // Longest match would choose it, were it not deprecated.
            let route = ip("-6 route get 2001:db8::101");
            assert!(route.contains("src 2001:db8::11 "), "{route}");
            let route = ip("-4 route get 192.0.2.101");
            assert!(route.contains("src 192.0.2.11 "), "{route}");
            ip("-6 address change 2001:db8::100/128 dev eth0 preferred_lft 1000 valid_lft 2000");
            let route = ip("-6 route get 2001:db8::101");
            assert!(route.contains("src 2001:db8::100 "), "{route}");
        });
    });
}

/// The next change that is told of an address that is gone, or that everything is.
async fn told(watch: &mut Watch) -> Change {
    let deadline = Duration::from_secs(5);
    let next = async {
        loop {
            let change = watch.next().await.unwrap();
            if matches!(change, Change::Removed(_) | Change::Resync) {
                return change;
            }
        }
    };
    tokio::time::timeout(deadline, next).await.unwrap()
}

#[test]
fn changes_are_told_and_too_many_of_them_too() {
    undisturbed(|| {
        let _neighbour = Neighbour::connect();
        block_on(async {
            let mut watch = Watch::open().unwrap();
            ip("address add 192.0.2.100/32 dev eth0");
            ip("address delete 192.0.2.100/32 dev eth0");
            let gone = on_eth0("192.0.2.100", 32);
            assert_eq!(told(&mut watch).await, Change::Removed(gone));
            ip("link set eth0 down");
            let down = async {
                loop {
                    match watch.next().await.unwrap() {
                        Change::Link(link) if link.name.as_str() == "eth0" && !link.up => return,
                        _ => {}
                    }
                }
            };
            tokio::time::timeout(Duration::from_secs(5), down)
                .await
                .unwrap();
            // The thread of the runtime does not read meanwhile.
            let there_and_back = "address add 198.51.100.7/32 dev lo\n\
                                  address delete 198.51.100.7/32 dev lo\n";
            let flood = there_and_back.repeat(2000);
            feed("ip", &["-batch", "-"], &flood);
            loop {
                if told(&mut watch).await == Change::Resync {
                    break;
                }
            }
            // And goes on.
            let mut add = Command::new("ip");
            add.args(["address", "add", "198.51.100.8/32", "dev", "lo"]);
            assert!(add.stdout(Stdio::null()).status().unwrap().success());
            let wanted = "198.51.100.8".parse::<std::net::IpAddr>().unwrap();
            let after = async {
                loop {
                    match watch.next().await.unwrap() {
                        Change::Added(new) if new.address == wanted => return,
                        _ => {}
                    }
                }
            };
            tokio::time::timeout(Duration::from_secs(5), after)
                .await
                .unwrap();
        });
    });
}

#[test]
fn a_neighbour_that_is_forgotten_is_asked_for_again() {
    undisturbed(|| {
        let _neighbour = Neighbour::connect();
        block_on(async {
            let client = Client::open().unwrap();
            for address in ["192.0.2.100", "2001:db8::100"] {
                let known = on_eth0(address, if address.contains(':') { 128 } else { 32 });
                let there = || ip(&format!("neigh show {address} dev eth0"));
                ip(&format!(
                    "neigh replace {address} lladdr 02:00:00:00:00:07 nud stale dev eth0"
                ));
                // An own address beside it: the entry waits until that is gone.
                client
                    .lease(&known, None, Duration::from_secs(60))
                    .await
                    .unwrap();
                assert!(there().contains("02:00:00:00:00:07"), "{}", there());
                assert!(client.forget_neighbour(&known).await.unwrap());
                assert!(!there().contains("02:00:00:00:00:07"), "{}", there());
                assert!(!client.forget_neighbour(&known).await.unwrap());
                client.remove(&known).await.unwrap();
            }
        });
    });
}
