//! The client's exchanges: one socket, one request and its answer at a time.

use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use nix::errno::Errno;

use super::abi::{self, command, controller};
use super::general;
use crate::kernel::netlink::Malformed;
use crate::kernel::netlink::attribute::{Attributes, Writer};
use crate::kernel::netlink::message::{self, Content, Header, Message, Messages};
use crate::kernel::netlink::socket::{Link, RECEIVE_SIZE, Setup, Socket};
use crate::kernel::{Error, Request};

/// Datagrams without an answer to the request, before giving up on an exchange.
const MAX_STALE: usize = 1024;

/// How the client speaks with the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long to wait for each datagram of an answer.
    pub timeout: Duration,
    /// Receive buffer of the socket in bytes. It bounds how many operations go into
    /// one send, so that all of them can fail without losing an answer.
    pub receive_buffer: usize,
    /// Operations in one send; `None` is as many as the buffers allow, up to 512.
    pub batch: Option<NonZeroUsize>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(2),
            receive_buffer: 1024 * 1024,
            batch: None,
        }
    }
}

/// Speaks with the kernel's IPVS in the network namespace of the thread that opened it.
///
/// Opening loads the module when the system is set up for that (kernel note 0015).
pub struct Client {
    pub(super) link: Box<dyn Link>,
    pub(super) batch: Option<NonZeroUsize>,
    /// Receives go here.
    pub(super) buffer: Vec<u8>,
    /// The socket may still hold answers to an abandoned request.
    pub(super) stale: bool,
    pub(super) family: u16,
    sequence: u32,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("family", &self.family)
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Opens a socket, finds IPVS and makes sure that it may be used.
    pub fn open() -> Result<Self, Error> {
        Self::open_with(&Options::default())
    }

    /// As [`Client::open`], with other options.
    pub fn open_with(options: &Options) -> Result<Self, Error> {
        let setup = Setup {
            timeout: options.timeout,
            receive_buffer: options.receive_buffer,
        };
        let socket = Socket::open(setup).map_err(|errno| Error::Io {
            request: Request::Open,
            errno,
        })?;
        Self::over(Box::new(socket), options.batch)
    }

    /// Speaks over a link that is open.
    pub(super) fn over(link: Box<dyn Link>, batch: Option<NonZeroUsize>) -> Result<Self, Error> {
        let mut client = Self {
            link,
            batch,
            buffer: vec![0; RECEIVE_SIZE],
            stale: false,
            family: 0,
            sequence: 0,
        };
        client.resolve(&Request::Open)?;
        client.once(
            &Request::Open,
            Ask::get(command::GET_INFO),
            |_| {},
            |_| Ok(()),
        )?;
        Ok(client)
    }

    /// Asks the controller for the id of the family, which it loads when it can.
    pub(super) fn resolve(&mut self, request: &Request) -> Result<(), Error> {
        let ask = Ask {
            family: Some((controller::ID, controller::VERSION)),
            ..Ask::get(controller::GETFAMILY)
        };
        let mut family = None;
        let answer = self.once(
            request,
            ask,
            |message| message.string(controller::FAMILY_NAME, abi::FAMILY_NAME),
            |attributes| {
                family = Some(general::decode_family(attributes)?);
                Ok(())
            },
        );
        match answer {
            Err(Error::Refused {
                errno: Errno::ENOENT,
                request,
            }) => Err(Error::NoModule { request }),
            Err(error) => Err(error),
            Ok(()) => {
                self.family = family.ok_or_else(|| malformed(request, NO_ROW))?;
                Ok(())
            }
        }
    }

    /// One exchange. When the family has another id since the module was loaded anew, the
    /// kernel answers `ENOENT`; no request made through here has another reason for that.
    pub(super) fn ask(
        &mut self,
        request: &Request,
        ask: Ask,
        body: impl Fn(&mut Writer<'_>),
        mut row: impl FnMut(Attributes<'_>) -> Result<(), Malformed>,
    ) -> Result<(), Error> {
        let answer = self.once(request, ask, &body, &mut row);
        if matches!(&answer, Err(error) if error.errno() == Some(Errno::ENOENT)) {
            self.resolve(request)?;
            return self.once(request, ask, body, row);
        }
        answer
    }

    /// One exchange: sends a request and hands each row of the answer to `row`.
    fn once(
        &mut self,
        request: &Request,
        ask: Ask,
        body: impl FnOnce(&mut Writer<'_>),
        mut row: impl FnMut(Attributes<'_>) -> Result<(), Malformed>,
    ) -> Result<(), Error> {
        let (family, version) = ask.family.unwrap_or((self.family, abi::VERSION));
        let sequence = self.reserve(1);
        let header = Header {
            family,
            flags: message::REQUEST | ask.flags,
            sequence,
            command: ask.command,
            version,
        };
        let mut datagram = Vec::with_capacity(256);
        message::append(&mut datagram, header, body);
        self.send(request, &datagram)?;
        let mut interrupted = false;
        let mut refused = None;
        self.receive(request, |message| {
            if message.sequence != sequence {
                return Ok(Progress::Foreign);
            }
            interrupted |= message.interrupted;
            match message.content {
                Content::Acknowledged | Content::Done => return Ok(Progress::Complete),
                Content::Refused(errno) => {
                    refused = Some(errno);
                    return Ok(Progress::Complete);
                }
                Content::Data(_, attributes) => row(Attributes::new(attributes))?,
                Content::Noop | Content::Overrun => {}
            }
            Ok(Progress::More)
        })?;
        match refused {
            Some(errno) => Err(Error::refused(request.clone(), errno)),
            None if interrupted => Err(Error::Lost {
                request: request.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Sequence numbers for this many requests; the first is returned.
    pub(super) fn reserve(&mut self, requests: u32) -> u32 {
        let first = self.sequence.wrapping_add(1);
        self.sequence = self.sequence.wrapping_add(requests);
        first
    }

    /// Sends requests over a socket that holds no old answers.
    pub(super) fn send(&mut self, request: &Request, datagram: &[u8]) -> Result<(), Error> {
        let io = |errno| Error::Io {
            request: request.clone(),
            errno,
        };
        if self.stale {
            self.link.reopen().map_err(io)?;
            self.stale = false;
        }
        self.link.send(datagram).map_err(io)
    }

    /// Receives until `message` says that the answer is complete. After any failure the
    /// socket is left for a new one, because the rest of the answer may still come.
    pub(super) fn receive(
        &mut self,
        request: &Request,
        mut message: impl FnMut(Message<'_>) -> Result<Progress, Malformed>,
    ) -> Result<(), Error> {
        self.stale = true;
        let mut without_progress = 0;
        while without_progress < MAX_STALE {
            let length = self
                .link
                .receive(&mut self.buffer)
                .map_err(|errno| receive_error(request, errno))?;
            without_progress += 1;
            for answer in Messages::new(self.buffer.get(..length).unwrap_or_default()) {
                let progress = answer.and_then(&mut message);
                match progress.map_err(|reason| malformed(request, reason))? {
                    Progress::Foreign => {}
                    Progress::More => without_progress = 0,
                    Progress::Complete => {
                        self.stale = false;
                        return Ok(());
                    }
                }
            }
        }
        Err(Error::Timeout {
            request: request.clone(),
        })
    }
}

/// Kind of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    command: u8,
    flags: u16,
    /// Id and version of another family than IPVS.
    family: Option<(u16, u8)>,
}

impl Ask {
    /// A request that is answered by at most one row and an acknowledgement.
    pub(super) fn get(command: u8) -> Self {
        Self {
            command,
            flags: message::ACK,
            family: None,
        }
    }

    /// A request that is answered by rows and an end mark.
    pub(super) fn dump(command: u8) -> Self {
        Self {
            flags: message::DUMP,
            ..Self::get(command)
        }
    }
}

/// What a message was to the request being answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Not an answer to it.
    Foreign,
    /// A part of the answer.
    More,
    /// The last part.
    Complete,
}

pub(super) const NO_ROW: Malformed = Malformed("an acknowledgement without the answer");

pub(super) fn malformed(request: &Request, reason: Malformed) -> Error {
    Error::Malformed {
        request: request.clone(),
        reason: reason.0,
    }
}

fn receive_error(request: &Request, errno: Errno) -> Error {
    let request = request.clone();
    match errno {
        Errno::ETIMEDOUT => Error::Timeout { request },
        Errno::ENOBUFS | Errno::EMSGSIZE => Error::Lost { request },
        errno => Error::Io { request, errno },
    }
}
