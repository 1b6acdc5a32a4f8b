//! Many operations in few sends.
//!
//! Requests are put back to back into one datagram. The kernel works them off in order
//! inside the send, a refused one stops nothing, and it answers a refusal always but a
//! success only when asked: so the last request alone asks, and everything that was not
//! refused by the time it is answered was carried out (kernel note 0006).

use nix::errno::Errno;

use super::abi::{self, command};
use super::exchange::{Client, Progress};
use super::{daemon, destination, service};
use crate::kernel::netlink::attribute::Writer;
use crate::kernel::netlink::message::{self, Content, Header};
use crate::kernel::{Error, Request, refusal};
use crate::model::{Failure, Operation, SyncRole};

/// Operations in one send, when the buffers allow. More gains nothing.
const MAX_MESSAGES: usize = 512;
/// Bytes in one send, within the default send buffer.
const MAX_BYTES: usize = 180 * 1024;
/// Upper bound of one operation's bytes: identity, names and numbers of one object.
const MAX_REQUEST: usize = 512;

/// Carries out operations and returns the refused ones in order.
pub(super) fn apply(
    client: &mut Client,
    operations: &[Operation],
) -> Result<Vec<Failure<Error>>, Error> {
    let capacity = client.link.capacity();
    let messages = client
        .batch
        .map_or(MAX_MESSAGES.min(capacity.messages), usize::from);
    let bytes = MAX_BYTES.min(capacity.bytes);
    let request = Request::Batch(operations.len());
    let mut failures = Vec::new();
    let mut batch = Batch::default();
    let mut lost = None;
    for (index, operation) in operations.iter().enumerate() {
        if let Some(errno) = refusal::of_operation(operation) {
            failures.push(failure(operations, index, errno));
            continue;
        }
        if batch.starts.len() == messages || batch.bytes.len() + MAX_REQUEST > bytes {
            lost = send(client, &request, &mut batch, operations, &mut failures)?.or(lost);
        }
        batch.push(client.family, index, operation);
    }
    lost = send(client, &request, &mut batch, operations, &mut failures)?.or(lost);
    if let Some(error) = lost {
        return Err(error);
    }
    check_family(client, &request, &failures)?;
    failures.sort_unstable_by_key(|failure| failure.index);
    Ok(failures)
}

/// The requests of one send.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    /// Where each request starts in `bytes`, and which operation it is.
    starts: Vec<(usize, usize)>,
}

impl Batch {
    fn push(&mut self, family: u16, index: usize, operation: &Operation) {
        let (command, body): (u8, &dyn Fn(&mut Writer<'_>)) = match operation {
            Operation::AddService(key, wanted) => (command::NEW_SERVICE, &|message| {
                service::encode(message, key, wanted);
            }),
            Operation::SetService(key, wanted) => (command::SET_SERVICE, &|message| {
                service::encode(message, key, wanted);
            }),
            Operation::DeleteService(key) => (command::DEL_SERVICE, &|message| {
                service::encode_key(message, key);
            }),
            Operation::AddDestination(key, wanted) => (command::NEW_DEST, &|message| {
                service::encode_key(message, key);
                destination::encode(message, wanted);
            }),
            Operation::SetDestination(key, wanted) => (command::SET_DEST, &|message| {
                service::encode_key(message, key);
                destination::encode(message, wanted);
            }),
            Operation::DeleteDestination(key, gone) => (command::DEL_DEST, &|message| {
                service::encode_key(message, key);
                destination::encode_key(message, gone);
            }),
        };
        // The sequence number is filled in when the batch is sent.
        let start = message::append(&mut self.bytes, header(family, 0, command), body);
        self.starts.push((start, index));
    }
}

fn header(family: u16, sequence: u32, command: u8) -> Header {
    Header {
        family,
        flags: message::REQUEST,
        sequence,
        command,
        version: abi::VERSION,
    }
}

/// Sends a batch, collects the refusals and empties it. Lost answers are returned as a
/// value, because the batches after this one still have to go out.
fn send(
    client: &mut Client,
    request: &Request,
    batch: &mut Batch,
    operations: &[Operation],
    failures: &mut Vec<Failure<Error>>,
) -> Result<Option<Error>, Error> {
    let Some(&(last, _)) = batch.starts.last() else {
        return Ok(None);
    };
    let count = u32::try_from(batch.starts.len()).expect("a batch is below its byte limit");
    let first = client.reserve(count);
    for (sequence, (start, _)) in (0..count).zip(&batch.starts) {
        message::set_sequence(&mut batch.bytes, *start, first.wrapping_add(sequence));
    }
    message::add_flags(&mut batch.bytes, last, message::ACK);
    client.send(request, &batch.bytes)?;
    let answer = client.receive(request, |message| {
        let position = message.sequence.wrapping_sub(first);
        let Some(&(_, index)) = batch.starts.get(position as usize) else {
            return Ok(Progress::Foreign);
        };
        if let Content::Refused(errno) = message.content {
            failures.push(failure(operations, index, errno));
        }
        Ok(if position + 1 == count {
            Progress::Complete
        } else {
            Progress::More
        })
    });
    batch.bytes.clear();
    batch.starts.clear();
    match answer {
        Err(error @ Error::Lost { .. }) => Ok(Some(error)),
        other => other.map(|()| None),
    }
}

fn failure(operations: &[Operation], index: usize, errno: Errno) -> Failure<Error> {
    Failure {
        index,
        error: Error::refused(Request::of(&operations[index]), errno),
    }
}

/// `ENOENT` is also the answer to the id of a family that is gone: then the module was
/// unloaded, the table with it, and nothing of what was planned holds.
fn check_family(
    client: &mut Client,
    request: &Request,
    failures: &[Failure<Error>],
) -> Result<(), Error> {
    let suspicious = failures
        .iter()
        .any(|failure| failure.error.errno() == Some(Errno::ENOENT));
    if !suspicious {
        return Ok(());
    }
    let before = client.family;
    client.resolve(request)?;
    if client.family == before {
        Ok(())
    } else {
        Err(Error::Lost {
            request: request.clone(),
        })
    }
}

/// What came of stopping a sync daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// It is stopped.
    Yes,
    /// The kernel refused.
    Refused(Errno),
    /// The kernel gave no answer.
    Unanswered,
}

/// Stops a sync daemon. The kernel gives no answer when the daemon's thread has not run
/// yet (kernel note 0011), so a second request in the same datagram marks the end.
pub(super) fn stop_daemon(client: &mut Client, role: SyncRole) -> Result<Stopped, Error> {
    let request = Request::StopDaemon(role);
    let first = client.reserve(2);
    let fence = first.wrapping_add(1);
    let mut datagram = Vec::new();
    for (sequence, command) in [(first, command::DEL_DAEMON), (fence, command::GET_INFO)] {
        let mut header = header(client.family, sequence, command);
        header.flags |= message::ACK;
        message::append(&mut datagram, header, |message| {
            if command == command::DEL_DAEMON {
                daemon::encode_stop(message, role);
            }
        });
    }
    client.send(&request, &datagram)?;
    let mut stopped = Stopped::Unanswered;
    client.receive(&request, |message| {
        match message.content {
            Content::Acknowledged if message.sequence == first => stopped = Stopped::Yes,
            Content::Refused(errno) if message.sequence == first => {
                stopped = Stopped::Refused(errno);
            }
            Content::Acknowledged | Content::Refused(_) if message.sequence == fence => {
                return Ok(Progress::Complete);
            }
            _ if message.sequence != fence => return Ok(Progress::Foreign),
            _ => {}
        }
        Ok(Progress::More)
    })?;
    Ok(stopped)
}
