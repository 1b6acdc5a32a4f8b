//! A plain probe under way on the lane's own loop.
//!
//! The socket is registered once, edge-triggered, for both directions, and closing it
//! ends the registration: no system call asks for what an event or the next call tells
//! anyway.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::schedule::Key;
use crate::check::fault::{self, Stage};
use crate::check::http::{Exchange, Prepared, Step};
use crate::check::socket;
use crate::model::{Outcome, Way};

/// What is tested.
#[derive(Debug, Clone)]
pub(super) enum Plain {
    /// A TCP connection is accepted.
    Connect,
    /// HTTP without TLS.
    Http(Arc<Prepared>),
}

/// A probe under way.
#[derive(Debug)]
pub(super) struct Flight {
    /// Whose probe it is.
    pub(super) key: Key,
    /// When it began.
    pub(super) started: Instant,
    /// When it must be over.
    pub(super) deadline: Instant,
    target: SocketAddr,
    way: Option<Arc<Way>>,
    stream: TcpStream,
    token: Token,
    progress: Progress,
    /// `None` for a mere connection.
    exchange: Option<Box<Exchange>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Connecting,
    /// Connected, this much of the request is sent.
    Sending(usize),
    Reading,
}

/// The end of a probe.
#[derive(Debug)]
pub(super) struct Landing {
    pub(super) outcome: Outcome,
    /// This host has no descriptor left.
    pub(super) exhausted: bool,
}

impl From<Outcome> for Landing {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            exhausted: false,
        }
    }
}

impl Flight {
    /// Connects. The error is the probe's end.
    pub(super) fn begin(
        key: Key,
        (target, way): (SocketAddr, Option<Arc<Way>>),
        plain: &Plain,
        (started, timeout): (Instant, Duration),
        (registry, token): (&Registry, Token),
    ) -> Result<Self, Landing> {
        let stream = connect(target, way.as_deref(), registry, token)?;
        Ok(Self {
            key,
            started,
            deadline: started + timeout,
            target,
            way,
            stream,
            token,
            progress: Progress::Connecting,
            exchange: match plain {
                Plain::Connect => None,
                Plain::Http(prepared) => Some(Box::new(Exchange::new(prepared))),
            },
        })
    }

    /// One line that describes what has been achieved.
    pub(super) fn detail(&self) -> String {
        match &self.exchange {
            None => crate::check::CONNECTED.to_owned(),
            Some(exchange) => exchange.detail(),
        }
    }

    /// The socket is ready for something. Returns the end, if this was it.
    pub(super) fn handle_ready(
        &mut self,
        event: &Event,
        registry: &Registry,
        buffer: &mut [u8],
    ) -> Option<Landing> {
        let Some(exchange) = &mut self.exchange else {
            return connection_result(event, &self.stream);
        };
        if self.progress != Progress::Reading
            && let Err(error) = send(&mut self.stream, exchange.request(), &mut self.progress)
        {
            let stage = match self.progress {
                Progress::Connecting => Stage::Connecting,
                Progress::Sending(_) | Progress::Reading => exchange.stage(),
            };
            return Some(fault::failed(&error, stage).into());
        }
        if self.progress != Progress::Reading || !(event.is_readable() || event.is_error()) {
            return None;
        }
        match receive(&mut self.stream, exchange, event.is_read_closed(), buffer) {
            Ok(Step::Read) => None,
            Ok(Step::Done(outcome)) => Some(outcome.into()),
            Ok(Step::Reconnect) => {
                match connect(self.target, self.way.as_deref(), registry, self.token) {
                    Ok(stream) => {
                        self.stream = stream;
                        self.progress = Progress::Connecting;
                        None
                    }
                    Err(landing) => Some(landing),
                }
            }
            Err(_) if exchange.suffices() => Some(Outcome::Up.into()),
            Err(error) => Some(fault::failed(&error, exchange.stage()).into()),
        }
    }

    /// The deadline has passed.
    pub(super) fn handle_timeout(&mut self) -> Landing {
        let timeout = self.deadline - self.started;
        let stage = match &mut self.exchange {
            Some(exchange) if self.progress != Progress::Connecting => {
                if exchange.suffices() {
                    return Outcome::Up.into();
                }
                exchange.stage()
            }
            _ => Stage::Connecting,
        };
        Outcome::Down(fault::timed_out(stage, timeout)).into()
    }
}

fn connect(
    target: SocketAddr,
    way: Option<&Way>,
    registry: &Registry,
    token: Token,
) -> Result<TcpStream, Landing> {
    let begun = match way {
        None => TcpStream::connect(target),
        Some(way) => socket::begin_connect(target, way).map(TcpStream::from_std),
    };
    let mut stream = begun.map_err(|error| Landing {
        exhausted: fault::is_descriptor_exhaustion(&error),
        outcome: fault::failed(&error, Stage::Connecting),
    })?;
    registry
        .register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)
        .map_err(|error| fault::no_socket(&error))?;
    Ok(stream)
}

/// What the first event says of a connection attempt. Only a failure needs a question.
fn connection_result(event: &Event, stream: &TcpStream) -> Option<Landing> {
    if event.is_error() || event.is_write_closed() {
        let outcome = match stream.take_error() {
            Ok(Some(error)) | Err(error) => fault::failed(&error, Stage::Connecting),
            // Accepted and closed again by the server: accepted all the same.
            Ok(None) => Outcome::Up,
        };
        return Some(outcome.into());
    }
    event.is_writable().then(|| Outcome::Up.into())
}

/// Sends what is left of the request; the first call that succeeds proves the connection.
fn send(stream: &mut TcpStream, request: &[u8], progress: &mut Progress) -> io::Result<()> {
    let mut sent = match progress {
        Progress::Sending(sent) => *sent,
        Progress::Connecting => 0,
        Progress::Reading => request.len(),
    };
    while sent < request.len() {
        match stream.write(&request[sent..]) {
            Ok(count) => {
                sent += count;
                *progress = Progress::Sending(sent);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    *progress = Progress::Reading;
    Ok(())
}

/// Reads what there is. A read that does not fill the buffer has emptied the socket
/// (epoll(7), on edge-triggered streams), unless the end is known to follow.
fn receive(
    stream: &mut TcpStream,
    exchange: &mut Exchange,
    end_follows: bool,
    buffer: &mut [u8],
) -> io::Result<Step> {
    loop {
        let count = match stream.read(buffer) {
            Ok(0) => return Ok(exchange.end()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Step::Read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let step = exchange.feed(&buffer[..count]);
        let emptied = count < buffer.len() && !end_follows;
        if step != Step::Read || emptied {
            return Ok(step);
        }
    }
}
