//! Hears what servers answer in the name of virtual addresses.
//!
//! # Design
//!
//! On the director that holds the virtual address, the kernel drops what comes in its name
//! (`fib_validate_source`): only packet sockets see it. Every packet of the host passes the
//! filter of each such socket, so there is one for each family, whoever waits; its filter
//! lets through only what begins or refuses a connection and comes from one of the virtual
//! addresses that have been asked for so far.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::socket::{MsgFlags, recv};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::sync::oneshot;

use super::packet::{Answer, Attempt};
use super::wire::END;
use crate::model::Family;

/// Most virtual addresses of a family; a kernel takes filters of 4096 instructions.
const ADDRESSES: usize = 1500;

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;

/// The ear of one family.
#[derive(Debug)]
pub(super) struct Ear {
    socket: Socket,
    family: Family,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    waiting: BTreeMap<u64, (Attempt, oneshot::Sender<Answer>)>,
    /// The last four bytes of each virtual address: what the filter looks at.
    sources: BTreeSet<u32>,
}

/// Somebody who waits; dropping it ends that.
pub(super) struct Waiting {
    ear: Arc<Ear>,
    number: u64,
    pub(super) answer: oneshot::Receiver<Answer>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.ear.state().waiting.remove(&self.number);
    }
}

impl Ear {
    /// The ear of a family, opened by the first who needs it. A failure is not remembered.
    pub(super) fn of(family: Family) -> io::Result<Arc<Self>> {
        static OPEN: Mutex<[Option<Arc<Ear>>; 2]> = Mutex::new([None, None]);
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = &mut open[usize::from(family == Family::V6)];
        if let Some(ear) = slot {
            return Ok(Arc::clone(ear));
        }
        let ethertype = match family {
            Family::V4 => ETHERTYPE_IPV4,
            Family::V6 => ETHERTYPE_IPV6,
        };
        let protocol = Protocol::from(i32::from(ethertype.to_be()));
        // What comes before the filter is there answers nobody.
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(protocol))?;
        let ear = Arc::new(Self {
            socket,
            family,
            state: Mutex::default(),
        });
        ear.attach(&BTreeSet::new())?;
        let receiver = Arc::clone(&ear);
        std::thread::Builder::new()
            .name("path".to_owned())
            .spawn(move || receiver.receive())?;
        *slot = Some(Arc::clone(&ear));
        Ok(ear)
    }

    /// Waits for the answer to an attempt from now on.
    pub(super) fn wait(self: &Arc<Self>, attempt: Attempt) -> io::Result<Waiting> {
        let (sender, answer) = oneshot::channel();
        let mut state = self.state();
        if !state.sources.contains(&tail(attempt.service.ip())) {
            let mut sources = state.sources.clone();
            sources.insert(tail(attempt.service.ip()));
            if sources.len() > ADDRESSES {
                return Err(io::Error::other("too many virtual addresses"));
            }
            self.attach(&sources)?;
            state.sources = sources;
        }
        let number = state.next;
        state.next += 1;
        state.waiting.insert(number, (attempt, sender));
        Ok(Waiting {
            ear: Arc::clone(self),
            number,
            answer,
        })
    }

    fn attach(&self, sources: &BTreeSet<u32>) -> io::Result<()> {
        self.socket.attach_filter(&filter(self.family, sources))
    }

    /// Hands every answer to the one who waits for it, for ever.
    fn receive(&self) {
        let mut buffer = [0; 128];
        loop {
            match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(count) => self.take(&buffer[..count]),
                // Nothing is lost but an answer; do not spin on a lasting error.
                Err(_errno) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn take(&self, packet: &[u8]) {
        let mut state = self.state();
        let mut waiting = state.waiting.iter();
        let found = waiting.find_map(|(number, (attempt, _))| {
            let answer = attempt.answer(packet)?;
            Some((*number, answer))
        });
        if let Some((number, answer)) = found
            && let Some((_, sender)) = state.waiting.remove(&number)
        {
            // The one who asked may have given up in this moment.
            let _ = sender.send(answer);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tail(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => address.to_bits(),
        IpAddr::V6(address) => address.to_bits() as u32,
    }
}

/// Instructions of a classic packet filter (`linux/filter.h`).
const LOAD_BYTE: u16 = 0x30;
const LOAD_WORD: u16 = 0x20;
const LOAD_BYTE_AT_X: u16 = 0x50;
const HEADER_LENGTH_TO_X: u16 = 0xb1;
const AND: u16 = 0x54;
const IF_EQUAL: u16 = 0x15;
const TAKE: u32 = 0xffff;

/// TCP with SYN and ACK, or RST and ACK, from one of these.
fn filter(family: Family, sources: &BTreeSet<u32>) -> Vec<SockFilter> {
    let instruction = SockFilter::new;
    let drop_it = || instruction(END, 0, 0, 0);
    let (protocol, source) = match family {
        Family::V4 => (9, 12),
        Family::V6 => (6, 20),
    };
    let mut program = vec![
        instruction(LOAD_BYTE, 0, 0, protocol),
        instruction(IF_EQUAL, 1, 0, 6),
        drop_it(),
    ];
    match family {
        Family::V4 => program.extend([
            instruction(HEADER_LENGTH_TO_X, 0, 0, 0),
            instruction(LOAD_BYTE_AT_X, 0, 0, 13),
        ]),
        Family::V6 => program.push(instruction(LOAD_BYTE, 0, 0, 40 + 13)),
    }
    program.extend([
        instruction(AND, 0, 0, 0x16),
        instruction(IF_EQUAL, 2, 0, 0x12),
        instruction(IF_EQUAL, 1, 0, 0x14),
        drop_it(),
        instruction(LOAD_WORD, 0, 0, source),
    ]);
    for source in sources {
        program.push(instruction(IF_EQUAL, 0, 1, *source));
        program.push(instruction(END, 0, 0, TAKE));
    }
    program.push(drop_it());
    program
}
