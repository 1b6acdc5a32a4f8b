//! The UDP socket of one link at one place.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::task::{Context, Poll, ready};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::MAX_ADVERT;
use super::place::Place;

/// Differentiated services code point CS6, network control (RFC 4594, 3.1), in its byte.
const CS6: u32 = 48 << 2;
/// The highest queueing priority that needs no privilege (`net/core/sock.c`).
const PRIORITY: u32 = 6;
/// Receive buffer in bytes; the kernel takes it twice, for its own overhead. Some hundred
/// adverts: what a reader that was away that long needs is the newest ones.
const BUFFER: usize = 64 * 1024;

/// A packet as it came in.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) from: SocketAddr,
    /// The address it was sent to.
    pub(super) to: Option<IpAddr>,
    /// The interface it came in on.
    pub(super) interface: Option<u32>,
    /// Packets that were lost since the socket was opened, when there were any.
    pub(super) overflowed: Option<u32>,
    /// At most [`MAX_ADVERT`] + 1 bytes of it.
    pub(super) bytes: Vec<u8>,
}

/// An open socket.
#[derive(Debug)]
pub(super) struct Socket {
    socket: UdpSocket,
    place: Place,
}

impl Socket {
    /// Opens it, or says why that cannot be now.
    pub(super) fn open(place: Place) -> Result<Self, String> {
        let failed = |error: io::Error| format!("no socket for {}: {error}", place.local);
        let socket = prepared(&place).map_err(failed)?;
        let socket = UdpSocket::from_std(socket).map_err(failed)?;
        Ok(Self { socket, place })
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Sends from the place's address by its interface, whatever the routes say.
    pub(super) fn send(&self, bytes: &[u8]) -> Result<(), Errno> {
        let to = SockaddrStorage::from(self.place.destination);
        let (ipv4, ipv6);
        let information = match self.place.source {
            IpAddr::V4(source) => {
                ipv4 = libc::in_pktinfo {
                    ipi_ifindex: i32::try_from(self.place.index).unwrap_or(0),
                    ipi_spec_dst: libc::in_addr {
                        s_addr: u32::from_ne_bytes(source.octets()),
                    },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                ControlMessage::Ipv4PacketInfo(&ipv4)
            }
            IpAddr::V6(source) => {
                ipv6 = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr {
                        s6_addr: source.octets(),
                    },
                    ipi6_ifindex: self.place.index,
                };
                ControlMessage::Ipv6PacketInfo(&ipv6)
            }
        };
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let socket = self.socket.as_raw_fd();
        sendmsg(
            socket,
            &[IoSlice::new(bytes)],
            &[information],
            flags,
            Some(&to),
        )
        .map(drop)
    }

    /// The next packet, without waiting: `EAGAIN` when there is none.
    pub(super) fn receive(&self) -> Result<Arrival, Errno> {
        let mut bytes = vec![0; MAX_ADVERT + 1];
        let mut control = nix::cmsg_space!(libc::in6_pktinfo, libc::in_pktinfo, u32);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let message = recvmsg::<SockaddrStorage>(
            self.socket.as_raw_fd(),
            &mut parts,
            Some(&mut control),
            MsgFlags::MSG_DONTWAIT,
        )?;
        let (mut to, mut interface, mut overflowed) = (None, None, None);
        for part in message.cmsgs()? {
            match part {
                ControlMessageOwned::Ipv4PacketInfo(information) => {
                    let octets = information.ipi_addr.s_addr.to_ne_bytes();
                    to = Some(IpAddr::from(octets));
                    interface = u32::try_from(information.ipi_ifindex).ok();
                }
                ControlMessageOwned::Ipv6PacketInfo(information) => {
                    to = Some(IpAddr::from(information.ipi6_addr.s6_addr));
                    interface = Some(information.ipi6_ifindex);
                }
                ControlMessageOwned::RxqOvfl(lost) => overflowed = Some(lost),
                _ => {}
            }
        }
        // The kernel gives the sender of every UDP packet.
        let from = message
            .address
            .as_ref()
            .and_then(sender)
            .ok_or(Errno::EBADMSG)?;
        let length = message.bytes.min(MAX_ADVERT + 1);
        bytes.truncate(length);
        Ok(Arrival {
            from,
            to,
            interface,
            overflowed,
            bytes,
        })
    }

    /// As [`Socket::receive`], to be woken when there is one.
    pub(super) fn poll_receive(&self, context: &mut Context<'_>) -> Poll<Result<Arrival, Errno>> {
        loop {
            if ready!(self.socket.poll_recv_ready(context)).is_err() {
                return Poll::Ready(Err(Errno::EIO));
            }
            // `WouldBlock` has the socket waited for, in the next turn.
            let received = self.socket.try_io(Interest::READABLE, || {
                self.receive().map_err(io::Error::from)
            });
            match received {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    let errno = Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
                    return Poll::Ready(Err(errno));
                }
                Ok(arrival) => return Poll::Ready(Ok(arrival)),
            }
        }
    }
}

fn sender(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::new(v4.ip().into(), v4.port()));
    }
    let v6 = address.as_sockaddr_in6()?;
    Some(SocketAddr::new(v6.ip().into(), v6.port()))
}

/// A socket that is where it should be before the first packet can come in.
fn prepared(place: &Place) -> io::Result<std::net::UdpSocket> {
    let ipv4 = place.local.is_ipv4();
    let domain = if ipv4 { Domain::IPV4 } else { Domain::IPV6 };
    let socket = socket2::Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_recv_buffer_size(BUFFER)?;
    // Kernels before 5.7 want CAP_NET_RAW. Without it, what comes in elsewhere is dropped
    // after it was read, and what goes out names its interface in any case.
    let _ = socket.bind_device(Some(place.interface.as_str().as_bytes()));
    if place.group.is_some() {
        socket.set_reuse_address(true)?;
    }
    setsockopt(&socket, sockopt::RxqOvfl, &1)?;
    if ipv4 {
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        socket.set_broadcast(place.broadcast)?;
        socket.set_tos_v4(CS6)?;
    } else {
        socket.set_only_v6(true)?;
        setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        socket.set_tclass_v6(CS6)?;
    }
    // After the type of service, which sets a priority of its own.
    socket.set_priority(PRIORITY)?;
    socket.bind(&place.local.into())?;
    match place.group {
        Some(IpAddr::V4(group)) => {
            socket.set_multicast_all_v4(false)?;
            socket.set_multicast_loop_v4(false)?;
            socket.set_multicast_ttl_v4(1)?;
            socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(place.index))?;
        }
        Some(IpAddr::V6(group)) => {
            // Since Linux 4.20; being bound to the group says nearly as much.
            let _ = socket.set_multicast_all_v6(false);
            socket.set_multicast_loop_v6(false)?;
            socket.set_multicast_hops_v6(1)?;
            socket.join_multicast_v6(&group, place.index)?;
        }
        None => {}
    }
    Ok(socket.into())
}

/// Whether an error says that the interface or the address is not what it was: nothing but
/// a new socket helps.
pub(super) fn is_misplaced(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::ENODEV | Errno::ENXIO | Errno::EADDRNOTAVAIL | Errno::EINVAL
    )
}

/// Why a socket was closed.
pub(super) fn reason(errno: Errno) -> String {
    match errno {
        Errno::ENODEV | Errno::ENXIO => "the interface is gone".to_owned(),
        Errno::EADDRNOTAVAIL | Errno::EINVAL => "the address is gone".to_owned(),
        errno => format!("the socket failed: {}", errno.desc().to_lowercase()),
    }
}
