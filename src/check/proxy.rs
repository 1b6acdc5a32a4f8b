//! The header of the PROXY protocol, which load balancers put before each connection
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>). Pure.

use std::net::SocketAddr;

use crate::model::ProxyHeader;

/// Twelve bytes that no other protocol begins with (§2.2).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The header of a connection from `local` to `target`: with version 1 these addresses,
/// with version 2 the command LOCAL, which says that the connection is the balancer's own
/// and has no addresses to pass on.
pub(super) fn header(version: ProxyHeader, local: SocketAddr, target: SocketAddr) -> Vec<u8> {
    match version {
        ProxyHeader::V1 => {
            let family = match target {
                SocketAddr::V4(_) => "TCP4",
                SocketAddr::V6(_) => "TCP6",
            };
            let [from, to] = [local, target].map(|address| address.ip());
            let ports = [local, target].map(|address| address.port());
            format!("PROXY {family} {from} {to} {} {}\r\n", ports[0], ports[1]).into_bytes()
        }
        ProxyHeader::V2 => {
            // Version 2 and LOCAL; family and protocol unspecified; nothing follows.
            const LOCAL: [u8; 4] = [0x20, 0x00, 0, 0];
            [&SIGNATURE[..], &LOCAL].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_names_both_ends() {
        let header = |local: &str, target: &str| {
            let bytes = header(
                ProxyHeader::V1,
                local.parse().unwrap(),
                target.parse().unwrap(),
            );
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(
            header("192.0.2.1:40000", "192.0.2.21:80"),
            "PROXY TCP4 192.0.2.1 192.0.2.21 40000 80\r\n"
        );
        assert_eq!(
            header("[2001:db8::1]:40000", "[2001:db8::21]:80"),
            "PROXY TCP6 2001:db8::1 2001:db8::21 40000 80\r\n"
        );
    }

    #[test]
    fn version_2_is_local() {
        let address = "192.0.2.1:1".parse().unwrap();
        assert_eq!(
            header(ProxyHeader::V2, address, address),
            b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"
        );
    }
}
