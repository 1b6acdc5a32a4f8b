//! A sequenced-packet socket between the two processes: whole messages, in order, and an
//! end that is noticed.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use tokio::io::unix::AsyncFd;

use super::message::MAX_PACKET;
use crate::kernel::host::waitable;

/// Packets that wait here when the socket is full; the oldest go when there are more.
const BACKLOG: usize = 256;

/// One end. Neither sending nor the other end's silence ever blocks.
#[derive(Debug)]
pub(super) struct Channel {
    socket: AsyncFd<OwnedFd>,
}

/// Both ends, the second one blocking as programs expect their standard input.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        flags,
    )?)
}

impl Channel {
    /// To be called within a tokio runtime.
    pub(super) fn new(socket: OwnedFd) -> io::Result<Self> {
        waitable(socket).map(|socket| Self { socket })
    }

    /// Sends a packet, or says why not at once: `EAGAIN` when the other end does not read,
    /// `EPIPE` when it is gone.
    pub(super) fn send(&self, packet: &[u8]) -> Result<(), Errno> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        send(self.socket.as_raw_fd(), packet, flags).map(drop)
    }

    /// A packet that is there already: `EAGAIN` when none is, `None` when the other end is
    /// gone. One that is too long is empty.
    pub(super) fn take(&self) -> Result<Option<Vec<u8>>, Errno> {
        let mut buffer = vec![0; MAX_PACKET];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
        match recv(self.socket.as_raw_fd(), &mut buffer, flags) {
            Ok(0) | Err(Errno::ECONNRESET) => Ok(None),
            Ok(length) => {
                buffer.truncate(if length > MAX_PACKET { 0 } else { length });
                Ok(Some(buffer))
            }
            Err(errno) => Err(errno),
        }
    }

    /// The next packet; `None` when the other end is gone. Loses nothing when it is dropped
    /// before it is ready.
    pub(super) async fn next(&self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let mut ready = self.socket.readable().await?;
            match self.take() {
                Err(Errno::EAGAIN) => ready.clear_ready(),
                Err(Errno::EINTR) => {}
                other => return Ok(other?),
            }
        }
    }
}

/// What could not be sent yet.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    packets: VecDeque<Vec<u8>>,
}

impl Outbox {
    pub(super) fn push(&mut self, packet: Vec<u8>) {
        if self.packets.len() == BACKLOG {
            self.packets.pop_front();
        }
        self.packets.push_back(packet);
    }

    /// Sends what the socket takes. An end that is gone needs nothing any more.
    pub(super) fn flush(&mut self, channel: &Channel) {
        while let Some(packet) = self.packets.front() {
            if channel.send(packet) == Err(Errno::EAGAIN) {
                return;
            }
            self.packets.pop_front();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn packets_stay_whole_and_the_end_is_noticed() {
        let (one, other) = pair().unwrap();
        let (one, other) = (Channel::new(one).unwrap(), Channel::new(other).unwrap());
        one.send(b"first").unwrap();
        one.send(b"second").unwrap();
        assert_eq!(other.next().await.unwrap().unwrap(), b"first");
        assert_eq!(other.take(), Ok(Some(b"second".to_vec())));
        assert_eq!(other.take(), Err(Errno::EAGAIN));
        one.send(&vec![7; MAX_PACKET + 1]).unwrap();
        assert_eq!(other.take(), Ok(Some(Vec::new())));
        drop(one);
        assert_eq!(other.next().await.unwrap(), None);
        assert_eq!(other.send(b"x"), Err(Errno::EPIPE));
    }

    #[tokio::test]
    async fn an_end_that_does_not_read_blocks_nobody() {
        let (one, other) = pair().unwrap();
        let (one, other) = (Channel::new(one).unwrap(), Channel::new(other).unwrap());
        let mut outbox = Outbox::default();
        for number in 0..2000_u32 {
            outbox.push(number.to_le_bytes().to_vec());
            outbox.flush(&one);
        }
        assert!(!outbox.is_empty());
        let mut last = 0;
        loop {
            outbox.flush(&one);
            match other.take() {
                Ok(Some(packet)) => last = u32::from_le_bytes(packet.try_into().unwrap()),
                _ => break,
            }
        }
        assert_eq!(last, 1999);
    }
}
