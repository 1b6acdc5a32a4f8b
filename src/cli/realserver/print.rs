//! The same as `setup` does, written for other tools.

use std::net::IpAddr;

use super::arp::{Setting, of};
use crate::kernel::address::Assigned;
use crate::kernel::host::InterfaceName;
use crate::kernel::sysctl::Scope;

/// Plain commands, as root; what they do lasts until the next boot.
pub(super) fn commands(addresses: &[IpAddr], interfaces: &[InterfaceName]) -> String {
    let mut out = String::new();
    for setting in settings(addresses, interfaces) {
        out += &format!("sysctl -w {setting}\n");
    }
    for address in addresses {
        out += &format!("{}\n", add(*address));
    }
    out
}

/// Stanzas for `/etc/network/interfaces`: an alias of `lo` for each IPv4 address; the
/// first one makes ARP quiet before it comes up.
pub(super) fn ifupdown(addresses: &[IpAddr], interfaces: &[InterfaceName]) -> String {
    let mut out = String::from("# /etc/network/interfaces.d/realserver\n");
    let mut settings = settings(addresses, interfaces);
    let ipv4 = addresses.iter().filter(|address| address.is_ipv4());
    for (number, address) in ipv4.enumerate() {
        out += &format!(
            "auto lo:{number}\niface lo:{number} inet static\n    address {address}\n    \
             netmask 255.255.255.255\n"
        );
        for setting in std::mem::take(&mut settings) {
            out += &format!("    pre-up sysctl -q -w {setting}\n");
        }
    }
    let ipv6: Vec<_> = addresses
        .iter()
        .filter(|address| address.is_ipv6())
        .collect();
    if !ipv6.is_empty() {
        // An alias is a label, which IPv6 addresses do not have.
        out += "auto lo\niface lo inet6 loopback\n";
        for address in ipv6 {
            out += &format!("    up {}\n", add(*address));
            out += &format!("    down ip address delete {address}/128 dev lo\n");
        }
    }
    out
}

/// Files for systemd-sysctl, which is done before networks are set up, and
/// systemd-networkd.
pub(super) fn networkd(addresses: &[IpAddr], interfaces: &[InterfaceName]) -> String {
    let mut out = String::new();
    let settings = settings(addresses, interfaces);
    if !settings.is_empty() {
        out += "# /etc/sysctl.d/60-realserver.conf\n";
        for setting in settings {
            out += &format!("{setting}\n");
        }
        out.push('\n');
    }
    out += "# /etc/systemd/network/60-realserver.network\n[Match]\nName=lo\n";
    for &address in addresses {
        out += &format!("\n[Address]\nAddress={}\n", Assigned::host(address, 0));
        if address.is_ipv6() {
            out += "DuplicateAddressDetection=none\n";
        }
    }
    out
}

/// `net.ipv4.conf.all.arp_ignore=1` and so on; none when there is no IPv4 address.
fn settings(addresses: &[IpAddr], interfaces: &[InterfaceName]) -> Vec<String> {
    if !addresses.iter().any(IpAddr::is_ipv4) {
        return Vec::new();
    }
    let scopes = std::iter::once(Scope::All).chain(interfaces.iter().map(of));
    let one = |scope: Scope| {
        Setting::BOTH.map(|setting| format!("{}={}", setting.sysctl(&scope), setting.wanted()))
    };
    scopes.flat_map(one).collect()
}

fn add(address: IpAddr) -> String {
    let nodad = if address.is_ipv6() { " nodad" } else { "" };
    let address = Assigned::host(address, 0);
    format!("ip address replace {address} dev lo{nodad}")
}
