//! The generic netlink socket.
//!
//! # Design
//!
//! [`Link`] is the seam for tests that play the kernel; [`Socket`] is the real thing.
//! `nix` offers no `NETLINK_CAP_ACK`, and the crate has no `unsafe` to set it by hand:
//! error answers echo the refused request, which the size of the receive buffer allows
//! for ([`ANSWER_COST`]).

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, getsockopt,
    recvmsg, sendto, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

/// Size of the buffer for every receive: the kernel fills dump datagrams up to 32 KiB
/// and silently drops rows that do not fit a smaller one (kernel note 0008).
pub(crate) const RECEIVE_SIZE: usize = 64 * 1024;
/// What one error answer may cost of the receive buffer, in bytes: the echoed request
/// and the kernel's bookkeeping around it. 768 to 1,280 were seen.
pub(crate) const ANSWER_COST: usize = 2048;
/// Interruptions and datagrams from others than the kernel, before giving up.
const MAX_STRAYS: usize = 1024;

/// Sends requests to the kernel and receives its answers.
pub(crate) trait Link: Send {
    /// Sends one datagram of requests. The kernel carries them out before this returns.
    fn send(&mut self, requests: &[u8]) -> Result<(), Errno>;

    /// Receives one datagram of answers and returns its length. `ETIMEDOUT` when none
    /// came in time, `ENOBUFS` when answers were dropped, `EMSGSIZE` when the datagram
    /// was larger than the buffer.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Errno>;

    /// Starts over with a new socket, free of answers to earlier requests.
    fn reopen(&mut self) -> Result<(), Errno>;

    /// What a batch may hold.
    fn capacity(&self) -> Capacity;
}

/// What fits in one send and its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// Bytes of requests.
    pub(crate) bytes: usize,
    /// Requests whose answers fit in the receive buffer when all of them fail.
    pub(crate) messages: usize,
}

/// How a socket is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setup {
    /// How long a receive waits.
    pub(crate) timeout: Duration,
    /// Receive buffer to ask for, in bytes; the kernel doubles it.
    pub(crate) receive_buffer: usize,
}

/// A `NETLINK_GENERIC` socket in the network namespace of the thread that opened it.
#[derive(Debug)]
pub(crate) struct Socket {
    descriptor: OwnedFd,
    setup: Setup,
    capacity: Capacity,
}

impl Socket {
    pub(crate) fn open(setup: Setup) -> Result<Self, Errno> {
        let descriptor = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkGeneric,
        )?;
        bind(descriptor.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        // The force variants go beyond the system's limit and need CAP_NET_ADMIN.
        setsockopt(&descriptor, sockopt::RcvBufForce, &setup.receive_buffer)
            .or_else(|_| setsockopt(&descriptor, sockopt::RcvBuf, &setup.receive_buffer))?;
        let timeout = i64::try_from(setup.timeout.as_micros()).unwrap_or(i64::MAX);
        setsockopt(
            &descriptor,
            sockopt::ReceiveTimeout,
            &TimeVal::microseconds(timeout),
        )?;
        let capacity = Capacity {
            // `netlink_sendmsg` keeps 32 bytes of the buffer to itself.
            bytes: getsockopt(&descriptor, sockopt::SndBuf)?.saturating_sub(32),
            messages: (getsockopt(&descriptor, sockopt::RcvBuf)? / ANSWER_COST).max(1),
        };
        Ok(Self {
            descriptor,
            setup,
            capacity,
        })
    }
}

impl Link for Socket {
    fn send(&mut self, requests: &[u8]) -> Result<(), Errno> {
        let kernel = NetlinkAddr::new(0, 0);
        sendto(
            self.descriptor.as_raw_fd(),
            requests,
            &kernel,
            MsgFlags::empty(),
        )
        .map(drop)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Errno> {
        for _ in 0..MAX_STRAYS {
            let mut parts = [IoSliceMut::new(buffer)];
            let received = recvmsg::<NetlinkAddr>(
                self.descriptor.as_raw_fd(),
                &mut parts,
                None,
                MsgFlags::empty(),
            );
            match received {
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                Err(errno) => return Err(errno),
                // Other processes can write to this socket; only port 0 is the kernel.
                Ok(message) if message.address.is_none_or(|sender| sender.pid() != 0) => {}
                Ok(message) if message.flags.contains(MsgFlags::MSG_TRUNC) => {
                    return Err(Errno::EMSGSIZE);
                }
                Ok(message) => return Ok(message.bytes),
            }
        }
        Err(Errno::ETIMEDOUT)
    }

    fn reopen(&mut self) -> Result<(), Errno> {
        *self = Self::open(self.setup)?;
        Ok(())
    }

    fn capacity(&self) -> Capacity {
        self.capacity
    }
}

#[cfg(test)]
impl Socket {
    /// Writes to another socket as if this were the kernel.
    pub(super) fn forge(&self, victim: &Self, datagram: &[u8]) -> Result<(), Errno> {
        let victim: NetlinkAddr = nix::sys::socket::getsockname(victim.descriptor.as_raw_fd())?;
        sendto(
            self.descriptor.as_raw_fd(),
            datagram,
            &victim,
            MsgFlags::empty(),
        )
        .map(drop)
    }
}
