//! Packet sockets on one interface (`packet(7)`).
//!
//! A socket is bound with the address that the kernel itself reports for the interface. Its
//! protocol is 0: binding keeps the one the socket was made with, and a frame that is sent
//! carries its own (kernel note 0043).

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{LinkAddr, MsgFlags, bind, recvfrom, sendto};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::io::unix::AsyncFd;

use super::{Mac, Said, arp, nd};
use crate::kernel::host::{Error, InterfaceName, waitable};

/// Hardware type of Ethernet and what looks like it: VLANs, bonds, bridges, veth
/// (`ARPHRD_ETHER`).
const ETHERNET: u16 = 1;

/// Longer frames are no ARP packets, and no advertisements worth reading.
const MAX_FRAME: usize = 1518;

/// A frame the host itself sent (`PACKET_OUTGOING`).
const OUTGOING: u8 = 4;

/// Sends about addresses on one interface.
#[derive(Debug)]
pub struct Port {
    name: InterfaceName,
    link: LinkAddr,
    mac: Mac,
    socket: Socket,
}

impl Port {
    /// Opens an interface of the calling thread's network namespace as it is now; `None`
    /// when nobody asks for addresses there. Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    ///
    /// `ENODEV` when there is no such interface.
    pub fn open(name: &InterfaceName) -> Result<Option<Self>, Error> {
        let refused = |errno| Error::new(format_args!("open {name} for announcements"), errno);
        let all = getifaddrs().map_err(refused)?;
        let mut own = all.filter(|entry| entry.interface_name == name.as_str());
        let found = own.find_map(|entry| Some((entry.flags, *entry.address?.as_link_addr()?)));
        let (flags, link) = found.ok_or_else(|| refused(Errno::ENODEV))?;
        let silent = InterfaceFlags::IFF_LOOPBACK | InterfaceFlags::IFF_NOARP;
        let mac = link.addr().map(Mac).filter(|_| link.halen() == 6);
        let Some(mac) = mac.filter(|_| link.hatype() == ETHERNET && !flags.intersects(silent))
        else {
            return Ok(None);
        };
        // Protocol 0: receives nothing.
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), None)
            .map_err(|error| refused(errno(&error)))?;
        Ok(Some(Self {
            name: name.clone(),
            link,
            mac,
            socket,
        }))
    }

    /// The MAC of the interface when it was opened.
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// Tells all neighbours that an address is here: by ARP as request and as reply, or by
    /// an unsolicited advertisement, in which `router` says that this host forwards.
    pub fn announce(&self, address: IpAddr, router: bool) -> Result<(), Error> {
        match address {
            IpAddr::V4(address) => {
                self.send(&arp::announcement_request(self.mac, address))?;
                self.send(&arp::announcement_reply(self.mac, address))
            }
            IpAddr::V6(address) => self.send(&nd::announcement(self.mac, address, router)),
        }
    }

    /// Asks who has an address, without telling anything.
    pub fn ask(&self, address: IpAddr) -> Result<(), Error> {
        match address {
            IpAddr::V4(address) => self.send(&arp::probe(self.mac, address)),
            IpAddr::V6(address) => self.send(&nd::probe(self.mac, address)),
        }
    }

    fn send(&self, frame: &[u8]) -> Result<(), Error> {
        let socket = self.socket.as_raw_fd();
        sendto(socket, frame, &self.link, MsgFlags::MSG_DONTWAIT)
            .map(drop)
            .map_err(|errno| Error::new(format_args!("send on {}", self.name), errno))
    }
}

/// Hears what others on one interface say about some addresses.
#[derive(Debug)]
pub struct Listener {
    name: InterfaceName,
    index: usize,
    addresses: BTreeSet<IpAddr>,
    own: BTreeSet<Mac>,
    arp: Option<AsyncFd<OwnedFd>>,
    nd: Option<AsyncFd<OwnedFd>>,
}

impl Listener {
    /// Listens from now on; `None` when nobody asks for addresses on the interface. To be
    /// called within a tokio runtime. Needs `CAP_NET_RAW`.
    ///
    /// What any interface of this host says itself is left out, be it that a switch sends it
    /// back; their MACs are read now.
    pub fn open(
        name: &InterfaceName,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Result<Option<Self>, Error> {
        match Port::open(name)? {
            None => Ok(None),
            Some(port) => Self::on(&port, addresses.into_iter().collect()).map(Some),
        }
    }

    fn on(port: &Port, addresses: BTreeSet<IpAddr>) -> Result<Self, Error> {
        let socket = |wanted: bool, ethertype, filter: &[SockFilter]| {
            if !wanted {
                return Ok(None);
            }
            open_for(&port.link, ethertype, filter)
                .map(Some)
                .map_err(|error| Error::new(format_args!("listen on {}", port.name), errno(&error)))
        };
        let v4 = addresses.iter().any(IpAddr::is_ipv4);
        let v6 = addresses.iter().any(IpAddr::is_ipv6);
        Ok(Self {
            name: port.name.clone(),
            index: port.link.ifindex(),
            own: own_macs()?,
            arp: socket(v4, arp::ETHERTYPE, &ARP_ONLY)?,
            nd: socket(v6, nd::ETHERTYPE, &DISCOVERY_ONLY)?,
            addresses,
        })
    }

    /// The next thing somebody else says about one of the addresses. Loses nothing when it
    /// is dropped before it is ready. That the interface goes down is no error; it hears
    /// nothing until it is up again.
    pub async fn heard(&self) -> Result<Said, Error> {
        loop {
            let frame = tokio::select! {
                frame = receive(self.arp.as_ref(), self.index) => frame.map(|f| arp::parse(&f)),
                frame = receive(self.nd.as_ref(), self.index) => frame.map(|f| nd::parse(&f)),
            };
            match frame {
                Ok(Some(said))
                    if self.addresses.contains(&said.address) && !self.own.contains(&said.mac) =>
                {
                    return Ok(said);
                }
                Ok(_) | Err(Errno::ENETDOWN) => {}
                Err(errno) => {
                    return Err(Error::new(format_args!("listen on {}", self.name), errno));
                }
            }
        }
    }
}

/// Asks who has some addresses on one interface, and hears the answers.
#[derive(Debug)]
pub struct Probe {
    port: Port,
    listener: Listener,
}

impl Probe {
    /// Gets ready to ask; nothing is sent yet. As [`Listener::open`].
    pub fn open(
        name: &InterfaceName,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Result<Option<Self>, Error> {
        let Some(port) = Port::open(name)? else {
            return Ok(None);
        };
        let listener = Listener::on(&port, addresses.into_iter().collect())?;
        Ok(Some(Self { port, listener }))
    }

    /// Asks for every address once.
    pub fn ask(&self) -> Result<(), Error> {
        let mut addresses = self.listener.addresses.iter();
        addresses.try_for_each(|address| self.port.ask(*address))
    }

    /// The next answer, or rival question, of anybody. As [`Listener::heard`].
    pub async fn answer(&self) -> Result<Said, Error> {
        self.listener.heard().await
    }
}

/// The Ethernet addresses of every interface of the calling thread's network namespace.
pub fn own_macs() -> Result<BTreeSet<Mac>, Error> {
    let all = getifaddrs().map_err(|errno| Error::new("list interfaces", errno))?;
    let links = all.filter_map(|entry| Some(*entry.address?.as_link_addr()?));
    let ethernet = links.filter(|link| link.hatype() == ETHERNET && link.halen() == 6);
    Ok(ethernet.filter_map(|link| link.addr().map(Mac)).collect())
}

/// Instructions of a classic packet filter (`linux/filter.h`): load a byte or half word of
/// the frame, go on when it equals, end with so many bytes of the frame.
const LOAD_BYTE: u16 = 0x30;
const LOAD_HALF: u16 = 0x28;
const IF_EQUAL: u16 = 0x15;
const END: u16 = 0x06;

/// Everything that the socket's protocol lets through: ARP is rare.
const ARP_ONLY: [SockFilter; 4] = [
    SockFilter::new(LOAD_HALF, 0, 0, 12),
    SockFilter::new(IF_EQUAL, 0, 1, arp::ETHERTYPE as u32),
    SockFilter::new(END, 0, 0, MAX_FRAME as u32),
    SockFilter::new(END, 0, 0, 0),
];

/// Solicitations and advertisements: the traffic of services must not wake anybody.
const DISCOVERY_ONLY: [SockFilter; 7] = [
    SockFilter::new(LOAD_BYTE, 0, 0, 20),
    SockFilter::new(IF_EQUAL, 0, 4, 58),
    SockFilter::new(LOAD_BYTE, 0, 0, 54),
    SockFilter::new(IF_EQUAL, 1, 0, 135),
    SockFilter::new(IF_EQUAL, 0, 1, 136),
    SockFilter::new(END, 0, 0, MAX_FRAME as u32),
    SockFilter::new(END, 0, 0, 0),
];

fn open_for(
    link: &LinkAddr,
    ethertype: u16,
    filter: &[SockFilter],
) -> io::Result<AsyncFd<OwnedFd>> {
    let protocol = Protocol::from(i32::from(ethertype.to_be()));
    let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), Some(protocol))?;
    socket.attach_filter(filter)?;
    bind(socket.as_raw_fd(), link)?;
    waitable(socket.into())
}

/// The next frame that somebody else sent; never one without a socket. Before it was bound
/// the socket took frames of every interface: those are left out.
async fn receive(socket: Option<&AsyncFd<OwnedFd>>, index: usize) -> Result<Vec<u8>, Errno> {
    let Some(socket) = socket else {
        return std::future::pending().await;
    };
    loop {
        let mut ready = socket.readable().await.map_err(|error| errno(&error))?;
        let mut buffer = [0; MAX_FRAME];
        let outcome = ready.try_io(|socket| {
            recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut buffer).map_err(io::Error::from)
        });
        match outcome {
            Err(_would_block) => {}
            Ok(Err(error)) => return Err(errno(&error)),
            Ok(Ok((length, from))) => {
                let foreign =
                    from.is_some_and(|from| from.ifindex() == index && from.pkttype() != OUTGOING);
                if foreign {
                    return Ok(buffer[..length.min(MAX_FRAME)].to_vec());
                }
            }
        }
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_asks_on_loopback_and_what_is_missing_is_named() {
        let loopback = InterfaceName::loopback();
        assert!(Port::open(&loopback).unwrap().is_none());
        let addresses = ["192.0.2.100".parse().unwrap()];
        assert!(Probe::open(&loopback, addresses).unwrap().is_none());
        let error = Listener::open(&"absent0".parse().unwrap(), addresses).unwrap_err();
        assert_eq!(error.errno, Errno::ENODEV);
        assert!(error.to_string().contains("absent0"), "{error}");
    }
}
