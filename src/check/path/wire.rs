//! How a path check's packets leave this host.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::pin::pin;

use futures_util::StreamExt as _;
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{LinkAddr, MsgFlags, recv, sendto};
use rtnetlink::packet_core::{NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::{Handle, RouteMessageBuilder};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::io::unix::AsyncFd;

use super::packet;
use crate::model::{Delivery, Mac};

/// Hardware type of Ethernet and what looks like it (`ARPHRD_ETHER`).
const ETHERNET: u16 = 1;

/// IP protocols of a packet in a packet: IPv4 (RFC 2003) and IPv6 (RFC 2473).
const IPIP: i32 = 4;
const IPV6_IN_IPV6: i32 = 41;

/// An unbound port that nobody serves: what is sent there makes the kernel ask for the
/// neighbour's Ethernet address.
const DISCARD: u16 = 9;

/// Where packets to a server go.
#[derive(Debug, Clone, Copy)]
pub(super) enum Route {
    /// They stay on this host.
    Local,
    /// Out.
    Out {
        /// Number of the interface.
        index: u32,
        /// This host's address there.
        source: IpAddr,
        /// Who takes them: the server, or a router before it.
        next: IpAddr,
    },
}

/// Asks the kernel.
pub(super) struct Kernel {
    handle: Handle,
    connection: tokio::task::JoinHandle<()>,
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Kernel {
    pub(super) fn open() -> io::Result<Self> {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        let connection = tokio::spawn(connection);
        Ok(Self { handle, connection })
    }

    /// The route to a server.
    pub(super) async fn route(&self, real: IpAddr) -> io::Result<Route> {
        let message = match real {
            IpAddr::V4(real) => RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix(real, 32)
                .build(),
            IpAddr::V6(real) => RouteMessageBuilder::<Ipv6Addr>::new()
                .destination_prefix(real, 128)
                .build(),
        };
        let mut answers = pin!(self.handle.route().get(message).execute());
        match answers.next().await {
            Some(Ok(route)) => read_route(&route, real).ok_or(Errno::ENETUNREACH.into()),
            Some(Err(error)) => Err(system_error(&error)),
            None => Err(Errno::EIO.into()),
        }
    }

    /// The Ethernet address of a neighbour, as far as it is known.
    pub(super) async fn neighbour(&self, index: u32, next: IpAddr) -> io::Result<Option<Mac>> {
        let mut message = NeighbourMessage::default();
        message.header.ifindex = index;
        let (family, address) = match next {
            IpAddr::V4(next) => (AddressFamily::Inet, NeighbourAddress::Inet(next)),
            IpAddr::V6(next) => (AddressFamily::Inet6, NeighbourAddress::Inet6(next)),
        };
        message.header.family = family;
        let wanted = NeighbourAttribute::Destination(address);
        message.attributes.push(wanted);
        let mut request = NetlinkMessage::from(RouteNetlinkMessage::GetNeighbour(message));
        request.header.flags = NLM_F_REQUEST;
        let mut handle = self.handle.clone();
        let mut answers = pin!(handle.request(request).map_err(|e| system_error(&e))?);
        let Some(answer) = answers.next().await else {
            return Err(Errno::EIO.into());
        };
        match answer.payload {
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewNeighbour(found)) => {
                let mut attributes = found.attributes.iter();
                Ok(attributes.find_map(|attribute| match attribute {
                    NeighbourAttribute::LinkLayerAddress(bytes) => {
                        bytes.as_slice().try_into().ok().map(Mac)
                    }
                    _ => None,
                }))
            }
            NetlinkPayload::Error(error) if error.raw_code().saturating_abs() == ENOENT => Ok(None),
            NetlinkPayload::Error(error) => Err(io::Error::from_raw_os_error(
                error.raw_code().saturating_abs(),
            )),
            _ => Err(Errno::EBADMSG.into()),
        }
    }
}

const ENOENT: i32 = Errno::ENOENT as i32;

fn system_error(error: &rtnetlink::Error) -> io::Error {
    match error {
        rtnetlink::Error::NetlinkError(error) => {
            io::Error::from_raw_os_error(error.raw_code().saturating_abs())
        }
        _ => Errno::EIO.into(),
    }
}

fn read_route(route: &RouteMessage, real: IpAddr) -> Option<Route> {
    if route.header.kind == RouteType::Local {
        return Some(Route::Local);
    }
    let address = |given: &RouteAddress| match given {
        RouteAddress::Inet(address) => Some(IpAddr::V4(*address)),
        RouteAddress::Inet6(address) => Some(IpAddr::V6(*address)),
        _ => None,
    };
    let (mut index, mut source, mut next) = (None, None, real);
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Oif(number) => index = Some(*number),
            RouteAttribute::PrefSource(given) => source = address(given),
            RouteAttribute::Gateway(given) => next = address(given)?,
            _ => {}
        }
    }
    Some(Route::Out {
        index: index?,
        source: source?,
        next,
    })
}

/// Has the kernel ask for a server's Ethernet address.
pub(super) fn provoke(real: IpAddr, source: IpAddr) -> io::Result<()> {
    let socket = UdpSocket::bind((source, 0))?;
    socket.set_nonblocking(true)?;
    socket.send_to(&[], (real, DISCARD)).map(drop)
}

/// The way out for the packets of one attempt.
pub(super) enum Door {
    /// In frames to the server's Ethernet address, as direct routing sends them. Nothing of
    /// this host's own packet filter, routes or virtual services is passed.
    Direct {
        socket: Socket,
        link: LinkAddr,
        own: Mac,
        server: Mac,
    },
    /// In packets to the server's own address, as the tunnel sends them.
    Tunnel { socket: Socket, real: SocketAddr },
}

impl Door {
    /// `None` when the interface is not Ethernet.
    pub(super) fn direct(index: u32, server: Mac) -> io::Result<Option<Self>> {
        let links = getifaddrs()?.filter_map(|entry| Some(*entry.address?.as_link_addr()?));
        let mut links = links.filter(|link| link.ifindex() == index as usize);
        let Some(link) = links.next() else {
            return Err(Errno::ENODEV.into());
        };
        let ethernet = link.hatype() == ETHERNET && link.halen() == 6;
        let Some(own) = link.addr().filter(|_| ethernet).map(Mac) else {
            return Ok(None);
        };
        // Protocol 0: receives nothing (kernel note 0043).
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), None)?;
        Ok(Some(Self::Direct {
            socket,
            link,
            own,
            server,
        }))
    }

    pub(super) fn tunnel(real: IpAddr) -> io::Result<Self> {
        let (domain, protocol) = match real {
            IpAddr::V4(_) => (Domain::IPV4, IPIP),
            IpAddr::V6(_) => (Domain::IPV6, IPV6_IN_IPV6),
        };
        let socket = Socket::new(
            domain,
            Type::RAW.nonblocking(),
            Some(Protocol::from(protocol)),
        )?;
        // It would get a copy of every such packet that comes in.
        socket.attach_filter(&[SockFilter::new(END, 0, 0, 0)])?;
        Ok(Self::Tunnel {
            socket,
            real: SocketAddr::new(real, 0),
        })
    }

    /// How IPVS would deliver.
    pub(super) fn open(
        delivery: Delivery,
        real: IpAddr,
        index: u32,
        server: Option<Mac>,
    ) -> io::Result<Option<Self>> {
        match (delivery, server) {
            (Delivery::Tunnel, _) => Self::tunnel(real).map(Some),
            (Delivery::Direct, Some(server)) => Self::direct(index, server),
            (Delivery::Direct, None) => Err(Errno::EHOSTUNREACH.into()),
        }
    }

    /// Sends an IP packet to the server.
    pub(super) fn send(&self, packet: &[u8]) -> io::Result<()> {
        match self {
            Self::Direct { own, server, .. } => {
                self.send_frame(&packet::frame(*own, *server, packet))
            }
            Self::Tunnel { socket, real } => socket.send_to(packet, &(*real).into()).map(drop),
        }
    }

    /// Asks the server alone whether it says that it has an address; nothing through a tunnel.
    pub(super) fn ask(&self, address: Ipv4Addr) -> io::Result<()> {
        match self {
            Self::Direct { own, server, .. } => {
                self.send_frame(&packet::arp_question(*own, *server, address))
            }
            Self::Tunnel { .. } => Ok(()),
        }
    }

    fn send_frame(&self, frame: &[u8]) -> io::Result<()> {
        let Self::Direct { socket, link, .. } = self else {
            return Ok(());
        };
        sendto(socket.as_raw_fd(), frame, link, MsgFlags::MSG_DONTWAIT)?;
        Ok(())
    }
}

/// Ends a packet filter with so many bytes of the packet.
pub(super) const END: u16 = 0x06;

/// Hears ARP on every interface.
pub(super) struct ArpEar(AsyncFd<Socket>);

impl ArpEar {
    #[expect(
        deprecated,
        reason = "the sound function is unsafe to call; a socket that is owned is sound here too"
    )]
    pub(super) fn open() -> io::Result<Self> {
        let protocol = Protocol::from(i32::from(packet::ETHERTYPE_ARP.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::DGRAM.nonblocking(), Some(protocol))?;
        AsyncFd::new(socket).map(Self)
    }

    /// Returns when a server says that it has an address.
    pub(super) async fn claimed(&self, server: Mac, address: Ipv4Addr) -> io::Result<()> {
        let mut buffer = [0; 64];
        loop {
            let mut ready = self.0.readable().await?;
            let heard = ready.try_io(|socket| {
                let count = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT)?;
                Ok(packet::claims(&buffer[..count], server, address))
            });
            if matches!(heard, Ok(Ok(true))) {
                return Ok(());
            }
        }
    }
}
