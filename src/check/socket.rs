//! The sockets of checks: all of them are opened here, with what is asked for beyond the
//! target.
//!
//! Without such wishes a socket costs the same system calls as ever. A wish that this host
//! cannot fulfil (an address or interface that is not here, a privilege that is missing) is
//! a fault of its own and says nothing about the server.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::Arc;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

use super::fault;
use super::proxy;
use super::trace::Trace;
use crate::model::{Fault, Probe, Way};

/// A server and the way to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route<'a> {
    /// The server.
    pub(super) target: SocketAddr,
    /// `None` leaves the way to the routing table.
    pub(super) way: Option<&'a Way>,
}

impl<'a> Route<'a> {
    /// The route of a probe.
    pub(super) fn new(target: SocketAddr, probe: &'a Probe) -> Self {
        Self {
            target,
            way: probe.way.as_deref(),
        }
    }

    /// Connects, and sends the PROXY header if there is to be one.
    pub(super) async fn connect(self, trace: &mut Trace) -> io::Result<TcpStream> {
        let mut stream = self.connect_bare().await?;
        if let Some(version) = self.way.and_then(|way| way.proxy) {
            let header = proxy::header(version, stream.local_addr()?, self.target);
            trace.sent(&header);
            stream.write_all(&header).await?;
        }
        Ok(stream)
    }

    /// Connects to another port of the same server, where no PROXY header belongs.
    pub(super) async fn connect_beside(mut self, port: u16) -> io::Result<TcpStream> {
        self.target.set_port(port);
        self.connect_bare().await
    }

    async fn connect_bare(self) -> io::Result<TcpStream> {
        match self.way {
            None => TcpStream::connect(self.target).await,
            Some(way) => {
                let socket = opened(self.target, way, Type::STREAM)?;
                let socket = TcpSocket::from_std_stream(socket.into());
                socket.connect(self.target).await
            }
        }
    }

    /// A socket for datagrams to and from the server.
    pub(super) fn datagrams(self) -> io::Result<UdpSocket> {
        let way = self.way.cloned().unwrap_or_default();
        let socket = opened(self.target, &way, Type::DGRAM)?;
        socket.connect(&self.target.into())?;
        UdpSocket::from_std(socket.into())
    }
}

#[cfg(test)]
impl From<SocketAddr> for Route<'_> {
    fn from(target: SocketAddr) -> Self {
        Self { target, way: None }
    }
}

/// Begins to connect, without waiting: the stream becomes writable when the connection is
/// there or has failed.
///
/// # Errors
///
/// The connection failed at once, or this host refuses what the way asks for.
pub fn begin_connect(target: SocketAddr, way: &Way) -> io::Result<std::net::TcpStream> {
    let socket = opened(target, way, Type::STREAM)?;
    match socket.connect(&target.into()) {
        Err(error) if error.raw_os_error() != Some(nix::libc::EINPROGRESS) => Err(error),
        Ok(()) | Err(_) => Ok(socket.into()),
    }
}

/// A socket that does not block, with all that the way asks for.
fn opened(target: SocketAddr, way: &Way, kind: Type) -> io::Result<Socket> {
    let protocol = match kind {
        Type::STREAM => Protocol::TCP,
        _ => Protocol::UDP,
    };
    let domain = Domain::for_address(target);
    let socket = Socket::new(domain, kind.nonblocking(), Some(protocol))?;
    prepare(&socket, way, target)?;
    Ok(socket)
}

/// Sets what the way asks for on a socket that is not bound; `target` has the family, and
/// the scope of addresses that need one.
fn prepare(socket: &Socket, way: &Way, target: SocketAddr) -> io::Result<()> {
    if way.source.is_some() {
        // The port is chosen when connecting: a port can then serve several targets, and
        // ten thousand checks do not use them up.
        setsockopt(socket, sockopt::IpBindAddressNoPort, &true)?;
    }
    prepare_raw(socket, way, target)
}

/// The same for a socket without ports.
pub(super) fn prepare_raw(socket: &Socket, way: &Way, target: SocketAddr) -> io::Result<()> {
    if let Some(interface) = &way.interface {
        socket
            .bind_device(Some(interface.as_str().as_bytes()))
            .map_err(|error| refused(&error, &format!("checkinterface={interface}")))?;
    }
    if let Some(mark) = way.mark {
        socket
            .set_mark(mark)
            .map_err(|error| refused(&error, &format!("checkmark={mark}")))?;
    }
    if let Some(source) = way.source {
        socket
            .bind(&local(source, target).into())
            .map_err(|error| refused(&error, &format!("checksource={source}")))?;
    }
    Ok(())
}

fn local(source: IpAddr, target: SocketAddr) -> SocketAddr {
    match (source, target) {
        (IpAddr::V6(source), SocketAddr::V6(target)) => {
            SocketAddr::V6(SocketAddrV6::new(source, 0, 0, target.scope_id()))
        }
        _ => SocketAddr::new(source, 0),
    }
}

/// The words for a wish that was refused.
fn refused(error: &io::Error, wish: &str) -> io::Error {
    let why = match error.raw_os_error() {
        Some(nix::libc::ENODEV) => "there is no such interface on this host".to_owned(),
        Some(nix::libc::EADDRNOTAVAIL) => "the address is not on this host".to_owned(),
        Some(nix::libc::EPERM) => {
            "not permitted: needs CAP_NET_ADMIN, for an interface CAP_NET_RAW".to_owned()
        }
        _ => error.to_string(),
    };
    fault::own(Fault::new(format!("{wish}: {why}")))
}

/// Whether a probe begins each connection with something of its own, before its protocol.
pub fn has_preamble(way: Option<&Arc<Way>>) -> bool {
    way.is_some_and(|way| way.proxy.is_some())
}

#[cfg(test)]
mod tests;
