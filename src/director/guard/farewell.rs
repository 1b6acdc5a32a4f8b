//! The last words of a node whose main process is gone or stalled.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};

/// Where a farewell is sent on one link of the pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FarewellLink {
    /// Name of the interface to send on; the routes decide when none.
    pub device: Option<String>,
    /// This host's address on the link; the kernel chooses when none. The port is any free
    /// one: the link's own belongs to the main process.
    pub source: Option<IpAddr>,
    /// The peer, a multicast group or a broadcast address.
    pub to: SocketAddr,
}

impl FarewellLink {
    /// Sends one packet, without waiting for anything.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let domain = Domain::for_address(self.to);
        let kind = Type::DGRAM.nonblocking();
        let socket = Socket::new(domain, kind, Some(Protocol::UDP))?;
        if let Some(device) = &self.device {
            socket.bind_device(Some(device.as_bytes()))?;
        }
        if let Some(source) = self.source {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        match (self.to.ip(), self.source) {
            (IpAddr::V4(group), Some(IpAddr::V4(source))) if group.is_multicast() => {
                socket.set_multicast_if_v4(&source)?;
            }
            (IpAddr::V4(_), _) => socket.set_broadcast(true)?,
            (IpAddr::V6(_), _) => {}
        }
        UdpSocket::from(socket).send_to(bytes, self.to).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_reaches_a_link() {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let link = FarewellLink {
            device: Some("lo".to_owned()),
            source: Some("127.0.0.1".parse().unwrap()),
            to: peer.local_addr().unwrap(),
        };
        link.send(b"farewell").unwrap();
        let mut buffer = [0; 16];
        let (length, from) = peer.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"farewell");
        assert_eq!(from.ip().to_string(), "127.0.0.1");
    }
}
