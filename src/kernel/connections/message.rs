//! Messages of the sync daemon, which any process may send that reaches a backup: version 1
//! (`struct ip_vs_sync_mesg` and `struct ip_vs_sync_v4`, `_v6` in `ip_vs_sync.c`; kernel note
//! 0052).

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::entries::Connection;
use crate::model::PortAddress;
use crate::model::pair::Sync;

/// Where messages go unless told otherwise.
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 81);
const PORT: u16 = 8848;
/// Bytes of a message. Every backup takes 1024, that of an Ethernet 1472.
const MAX: usize = 1024;
const HEADER: usize = 8;
const VERSION: u8 = 1;

/// `STYPE_F_INET6`.
const INET6: u8 = 1;
/// `IP_VS_CONN_F_INACTIVE`: it does not count as active.
const INACTIVE: u32 = 0x100;
/// `IP_VS_CONN_F_TEMPLATE`.
const TEMPLATE: u32 = 0x1000;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// `IP_VS_TCP_S_ESTABLISHED`.
const ESTABLISHED: u16 = 1;

/// A connection as a message tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    protocol: u8,
    state: u16,
    flags: u32,
    /// Seconds; 0 leaves it to the receiver, which knows the time-out of the state.
    timeout: u32,
    client: PortAddress,
    virtual_address: PortAddress,
    server: PortAddress,
}

impl Told {
    /// Of an entry of the kernel's list; `None` for one that need not survive, or of which
    /// the list does not say enough: with a real server of the other family, with an engine,
    /// or of a firewall mark.
    pub fn of(entry: &Connection<'_>) -> Option<Self> {
        let (client, virtual_address, server) = (entry.client, entry.virtual_address, entry.server);
        if client.0.is_ipv4() != virtual_address.0.is_ipv4()
            || client.0.is_ipv4() != server.0.is_ipv4()
            || entry.engine.is_some()
        {
            return None;
        }
        let (protocol, state) = match (entry.protocol, entry.state) {
            ("TCP", _) if entry.is_template() => (TCP, 0),
            ("UDP", _) if !entry.is_template() => (UDP, 0),
            ("TCP", "ESTABLISHED") => (TCP, ESTABLISHED),
            ("TCP", "SYN_RECV") => (TCP, 3),
            ("TCP", "FIN_WAIT") => (TCP, 4),
            ("TCP", "CLOSE_WAIT") => (TCP, 7),
            ("TCP", "LAST_ACK") => (TCP, 8),
            _ => return None,
        };
        let (flags, timeout) = if entry.is_template() {
            (TEMPLATE, u32::try_from(entry.expires).ok()?)
        } else if (protocol, state) == (TCP, ESTABLISHED) {
            (0, 0)
        } else {
            (INACTIVE, 0)
        };
        Some(Self {
            protocol,
            state,
            flags,
            timeout,
            client,
            virtual_address,
            server,
        })
    }

    fn append(&self, message: &mut Vec<u8>) {
        let start = message.len();
        let family = if self.client.0.is_ipv4() { 0 } else { INET6 };
        message.extend([family, self.protocol, 0, 0]);
        message.extend(self.flags.to_be_bytes());
        message.extend(self.state.to_be_bytes());
        for PortAddress(_, port) in [self.client, self.virtual_address, self.server] {
            message.extend(port.to_be_bytes());
        }
        // No firewall mark.
        message.extend([0; 4]);
        message.extend(self.timeout.to_be_bytes());
        for PortAddress(address, _) in [self.client, self.virtual_address, self.server] {
            match address {
                IpAddr::V4(address) => message.extend(address.octets()),
                IpAddr::V6(address) => message.extend(address.octets()),
            }
        }
        // The upper four bits are the version of the entry's format, 0.
        let size = ((message.len() - start) as u16).to_be_bytes();
        message[start + 2..start + 4].copy_from_slice(&size);
    }
}

/// The messages that tell a backup with this sync id of connections.
pub fn messages(sync_id: u8, connections: &[Told]) -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = Vec::new();
    let mut entry = Vec::with_capacity(72);
    for connection in connections {
        entry.clear();
        connection.append(&mut entry);
        let full = |message: &Vec<u8>| message.len() + entry.len() > MAX || message[4] == u8::MAX;
        if messages.last().is_none_or(full) {
            messages.push(vec![0, sync_id, 0, 0, 0, VERSION, 0, 0]);
        }
        if let Some(message) = messages.last_mut() {
            message.extend(&entry);
            message[4] += 1;
            let size = (message.len() as u16).to_be_bytes();
            message[2..4].copy_from_slice(&size);
        }
    }
    debug_assert!(messages.iter().all(|message| message.len() > HEADER));
    messages
}

/// Sends messages to whoever is backup on the interface of a sync daemon.
///
/// # Errors
///
/// No such interface, or the system refused a socket or a message.
pub fn send(sync: &Sync, messages: &[Vec<u8>]) -> io::Result<()> {
    let group = sync.group.unwrap_or(GROUP.into());
    let port = if sync.port == 0 { PORT } else { sync.port };
    let ttl = u32::from(sync.ttl.max(1));
    let to: SockAddr = SocketAddr::new(group, port).into();
    let socket = Socket::new(
        Domain::for_address(SocketAddr::new(group, port)),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    socket.set_nonblocking(true)?;
    socket.bind_device(Some(sync.interface.as_str().as_bytes()))?;
    if group.is_ipv4() {
        socket.set_multicast_loop_v4(false)?;
        socket.set_multicast_ttl_v4(ttl)?;
    } else {
        socket.set_multicast_loop_v6(false)?;
        socket.set_multicast_hops_v6(ttl)?;
    }
    for message in messages {
        socket.send_to(message, &to)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'a>(protocol: &'a str, state: &'a str, port: u16) -> Connection<'a> {
        let at = |address: &str, port| PortAddress(address.parse().unwrap(), port);
        Connection {
            protocol,
            client: at("198.51.100.1", port),
            virtual_address: at("192.0.2.100", 80),
            server: at("192.0.2.21", 8080),
            state,
            expires: 60,
            origin: Some("LOCAL"),
            engine: None,
            engine_data: None,
        }
    }

    /// As the kernel of 6.1 wrote one, but for the sequence of its fields, which is that of
    /// `struct ip_vs_sync_v4`.
    #[test]
    fn a_message_has_the_form_of_the_kernels_own() {
        let told = Told::of(&entry("TCP", "SYN_RECV", 43010)).unwrap();
        let [message] = &messages(7, &[told])[..] else {
            panic!("one message");
        };
        let wanted = [
            &[0, 7, 0, 44, 1, 1, 0, 0][..],
            &[0, 6, 0, 36, 0, 0, 1, 0, 0, 3],
            &43010_u16.to_be_bytes(),
            &[0, 80, 0x1f, 0x90, 0, 0, 0, 0, 0, 0, 0, 0],
            &[198, 51, 100, 1, 192, 0, 2, 100, 192, 0, 2, 21],
        ];
        assert_eq!(*message, wanted.concat());
    }

    #[test]
    fn states_become_numbers_and_flags() {
        let of = |protocol, state, port| {
            Told::of(&entry(protocol, state, port))
                .map(|told| (told.protocol, told.state, told.flags, told.timeout))
        };
        assert_eq!(of("TCP", "ESTABLISHED", 1), Some((6, 1, 0, 0)));
        assert_eq!(of("TCP", "CLOSE_WAIT", 1), Some((6, 7, INACTIVE, 0)));
        assert_eq!(of("TCP", "TIME_WAIT", 1), None);
        assert_eq!(of("UDP", "UDP", 1), Some((17, 0, INACTIVE, 0)));
        assert_eq!(of("TCP", "NONE", 0), Some((6, 0, TEMPLATE, 60)));
        assert_eq!(of("IP", "NONE", 0), None, "the mark is not told");
        assert_eq!(of("SCTP", "ESTABLISHED", 1), None);
    }

    #[test]
    fn many_fill_several_messages_and_none_none() {
        let told = |port| Told::of(&entry("TCP", "ESTABLISHED", port)).unwrap();
        let many: Vec<Told> = (1..=100).map(told).collect();
        let all = messages(1, &many);
        assert_eq!(
            all.iter().map(|m| m[4]).collect::<Vec<_>>(),
            [28, 28, 28, 16]
        );
        for message in &all {
            assert!(message.len() <= MAX);
            assert_eq!(message.len(), HEADER + 36 * usize::from(message[4]));
            assert_eq!(message[2..4], (message.len() as u16).to_be_bytes());
        }
        assert!(messages(1, &[]).is_empty());
        let six = "2001:db8::1".parse().unwrap();
        let mut long = entry("TCP", "ESTABLISHED", 1);
        long.client.0 = six;
        assert_eq!(Told::of(&long), None, "families differ");
        long.virtual_address.0 = six;
        long.server.0 = six;
        let message = &messages(1, &[Told::of(&long).unwrap()])[0];
        assert_eq!((message.len(), message[8], message[11]), (80, INET6, 72));
    }
}
