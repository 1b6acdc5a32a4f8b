//! The text of `/proc/net/ip_vs` (`ip_vs_info_seq_show` in `ip_vs_ctl.c`).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::{DestinationSketch, Method, ServiceSketch, Sketch};
use crate::model::{DestinationKey, Family, Protocol, Scheduler, ServiceKey};

/// Lines before the first service: version, and two of column titles.
const TITLE_LINES: usize = 3;
/// What a destination's line starts with.
const ARROW: &str = "->";

pub(super) fn table(text: &str) -> Result<Sketch, &'static str> {
    let mut entries: Vec<(ServiceKey, ServiceSketch)> = Vec::new();
    let mut skipped = true;
    for line in text.lines().skip(TITLE_LINES) {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            None => {}
            Some(ARROW) if skipped => {}
            Some(ARROW) => {
                let (_, service) = entries.last_mut().ok_or("a destination of no service")?;
                let (key, sketch) = destination(words).ok_or("an unintelligible destination")?;
                service.destinations.insert(key, sketch);
            }
            // Another program can have made a service of a protocol that is not balanced.
            Some(protocol) => {
                let (key, sketch) = service(protocol, words).ok_or("an unintelligible service")?;
                skipped = key.is_none();
                entries.extend(key.map(|key| (key, sketch)));
            }
        }
    }
    Ok(entries.into_iter().collect())
}

/// `TCP  C0000201:0050 wlc  persistent 30000 FFFFFFFF`, `FWM  00000007 rr ops `.
/// A service of a protocol that is not balanced has no key.
fn service<'a>(
    protocol: &str,
    mut words: impl Iterator<Item = &'a str>,
) -> Option<(Option<ServiceKey>, ServiceSketch)> {
    let identity = words.next()?;
    let key = match protocol {
        "FWM" => Some(ServiceKey::Mark {
            family: Family::V4, // the file does not tell
            mark: u32::from_str_radix(identity, 16).ok()?,
        }),
        "TCP" => Some(address_key(Protocol::Tcp, identity)?),
        "UDP" => Some(address_key(Protocol::Udp, identity)?),
        "SCTP" => Some(address_key(Protocol::Sctp, identity)?),
        _ => None,
    };
    let scheduler = match words.next()? {
        "none" => None,
        name => Some(name.parse::<Scheduler>().ok()?),
    };
    let mut sketch = ServiceSketch {
        scheduler,
        persistent: false,
        one_packet: false,
        destinations: BTreeMap::new(),
    };
    for word in words {
        match word {
            "ops" => sketch.one_packet = true,
            "persistent" => sketch.persistent = true,
            _ => {} // time-out in ticks and netmask follow `persistent`
        }
    }
    Some((key, sketch))
}

fn address_key(protocol: Protocol, text: &str) -> Option<ServiceKey> {
    let (address, port) = endpoint(text)?;
    Some(ServiceKey::Address {
        protocol,
        address,
        port,
    })
}

/// `C6336401:0050      Masq    5      0          0`, after the arrow.
fn destination<'a>(
    mut words: impl Iterator<Item = &'a str>,
) -> Option<(DestinationKey, DestinationSketch)> {
    let (address, port) = endpoint(words.next()?)?;
    let method = match words.next()? {
        "Masq" => Method::Masquerade,
        "Local" => Method::Local,
        "Tunnel" => Method::Tunnel,
        "Route" => Method::Route,
        _ => return None,
    };
    let weight = words.next()?.parse().ok()?;
    Some((
        DestinationKey { address, port },
        DestinationSketch { method, weight },
    ))
}

/// `C0000201:0050` or `[2001:0db8:0000:0000:0000:0000:0000:0001]:0050`.
fn endpoint(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.rsplit_once(':')?;
    let bracketed = address
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = match bracketed {
        Some(address) => IpAddr::V6(address.parse().ok()?),
        None => IpAddr::V4(Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?)),
    };
    Some((address, u16::from_str_radix(port, 16).ok()?))
}
