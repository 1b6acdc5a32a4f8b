//! A scripted kernel: what it would be hard to make the real one do.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use nix::errno::Errno;

use super::capture;
use crate::kernel::ipvs::Client;
use crate::kernel::netlink::message::Messages;
use crate::kernel::netlink::socket::{Capacity, Link};
use crate::kernel::suite::{destination, numbered, service, tcp};
use crate::kernel::{Class, Error, Ipvs};
use crate::model::{Forwarding, Operation, SyncRole};

const FAMILY: u16 = 28;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const MULTI: u16 = 2;
const INTERRUPTED: u16 = 0x10;

/// What the scripted kernel does with one receive.
enum Step {
    /// Answers with these messages, of which the numbers are relative to the first
    /// sequence number of the last request.
    Answer(Vec<(u32, u16, u16, Vec<u8>)>),
    /// The receive fails.
    Fail(Errno),
}

#[derive(Default)]
struct Script {
    steps: VecDeque<Step>,
    sent: Vec<Vec<u8>>,
    reopened: usize,
}

#[derive(Clone, Default)]
struct Peer(Arc<Mutex<Script>>);

impl Link for Peer {
    fn send(&mut self, requests: &[u8]) -> Result<(), Errno> {
        self.0.lock().unwrap().sent.push(requests.to_vec());
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Errno> {
        let mut script = self.0.lock().unwrap();
        let first = sequence(script.sent.last().unwrap());
        match script.steps.pop_front() {
            None => Err(Errno::ETIMEDOUT),
            Some(Step::Fail(errno)) => Err(errno),
            Some(Step::Answer(messages)) => {
                let mut datagram = Vec::new();
                for (number, kind, flags, payload) in messages {
                    put(
                        &mut datagram,
                        first.wrapping_add(number),
                        kind,
                        flags,
                        &payload,
                    );
                }
                buffer[..datagram.len()].copy_from_slice(&datagram);
                Ok(datagram.len())
            }
        }
    }

    fn reopen(&mut self) -> Result<(), Errno> {
        self.0.lock().unwrap().reopened += 1;
        Ok(())
    }

    fn capacity(&self) -> Capacity {
        Capacity {
            bytes: 200_000,
            messages: 3,
        }
    }
}

fn put(datagram: &mut Vec<u8>, sequence: u32, kind: u16, flags: u16, payload: &[u8]) {
    let length = u32::try_from(16 + payload.len()).unwrap();
    datagram.extend(length.to_ne_bytes());
    datagram.extend(kind.to_ne_bytes());
    datagram.extend(flags.to_ne_bytes());
    datagram.extend(sequence.to_ne_bytes());
    datagram.extend([0; 4]);
    datagram.extend(payload);
    datagram.resize(datagram.len().next_multiple_of(4), 0);
}

fn sequence(request: &[u8]) -> u32 {
    u32::from_ne_bytes(request[8..12].try_into().unwrap())
}

fn row(name: &str) -> (u32, u16, u16, Vec<u8>) {
    (0, FAMILY, MULTI, capture(name))
}

fn interrupted(name: &str) -> (u32, u16, u16, Vec<u8>) {
    (0, FAMILY, MULTI | INTERRUPTED, capture(name))
}

fn done() -> (u32, u16, u16, Vec<u8>) {
    (0, DONE, MULTI, vec![0; 4])
}

/// An acknowledgement, or a refusal that echoes some of the request.
fn verdict(number: u32, errno: i32) -> (u32, u16, u16, Vec<u8>) {
    let mut payload = (-errno).to_ne_bytes().to_vec();
    payload.extend([0; 16]);
    (number, ERROR, 0, payload)
}

fn answer(messages: impl Into<Vec<(u32, u16, u16, Vec<u8>)>>) -> Step {
    Step::Answer(messages.into())
}

fn family(id: u16) -> Step {
    let mut payload = capture("family");
    let at = payload
        .windows(4)
        .position(|at| at == [6, 0, 1, 0])
        .unwrap();
    payload[at + 4..at + 6].copy_from_slice(&id.to_ne_bytes());
    answer([(0, 0x10, 0, payload), verdict(0, 0)])
}

/// A client that is open, and its kernel.
fn client(steps: impl Into<Vec<Step>>) -> (Client, Peer) {
    let peer = Peer::default();
    peer.0.lock().unwrap().steps = [family(FAMILY), answer([row("info"), verdict(0, 0)])].into();
    let client = Client::over(Box::new(peer.clone()), None).unwrap();
    let mut script = peer.0.lock().unwrap();
    script.steps = steps.into().into();
    script.sent.clear();
    drop(script);
    (client, peer)
}

impl Peer {
    fn sent(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().sent.clone()
    }

    fn reopened(&self) -> usize {
        self.0.lock().unwrap().reopened
    }
}

const ESRCH: i32 = 3;
const ENOENT: i32 = 2;

fn adds(count: u16) -> Vec<Operation> {
    (0..count)
        .map(|number| Operation::AddService(numbered(number), service("rr")))
        .collect()
}

#[test]
fn a_kernel_without_the_family_has_no_module() {
    let peer = Peer::default();
    peer.0.lock().unwrap().steps = [answer([verdict(0, ENOENT)])].into();
    let error = Client::over(Box::new(peer), None).unwrap_err();
    assert_eq!(error.class(), Class::NoModule);
    assert_eq!(
        error.to_string(),
        "open the connection to IPVS: the kernel has no IPVS: its module ip_vs is not loaded"
    );
}

#[test]
fn a_kernel_that_refuses_to_tell_its_version_denies_at_once() {
    let peer = Peer::default();
    peer.0.lock().unwrap().steps = [family(FAMILY), answer([verdict(0, 1)])].into();
    let error = Client::over(Box::new(peer), None).unwrap_err();
    assert_eq!(error.class(), Class::Denied);
}

#[test]
fn only_the_last_request_of_a_send_asks_for_an_answer() {
    let (mut client, peer) = client([answer([verdict(2, 0)]), answer([verdict(0, 0)])]);
    assert_eq!(client.apply(&adds(4)).unwrap(), []);
    let flags: Vec<Vec<u16>> = peer
        .sent()
        .iter()
        .map(|datagram| flags_of(datagram))
        .collect();
    assert_eq!(flags, [vec![1, 1, 5], vec![5]]);
}

fn flags_of(datagram: &[u8]) -> Vec<u16> {
    let mut rest = datagram;
    let mut flags = Vec::new();
    while let Some(length) = rest.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes)) {
        flags.push(u16::from_ne_bytes([rest[6], rest[7]]));
        rest = &rest[(length as usize).next_multiple_of(4)..];
    }
    assert_eq!(flags.len(), Messages::new(datagram).count());
    flags
}

#[test]
fn refusals_are_mapped_by_sequence_number_across_sends() {
    let (mut client, _) = client([
        answer([verdict(1, ESRCH)]),
        answer([verdict(2, 0)]),
        answer([verdict(0, ESRCH), verdict(2, ESRCH)]),
    ]);
    let failures = client.apply(&adds(6)).unwrap();
    let indices: Vec<_> = failures.iter().map(|failure| failure.index).collect();
    assert_eq!(indices, [1, 3, 5]);
}

#[test]
fn answers_to_other_requests_are_not_taken_for_answers() {
    let (mut client, _) = client([
        answer([verdict(u32::MAX, 17), verdict(700, 17)]),
        answer([verdict(0, 0)]),
    ]);
    assert_eq!(client.apply(&adds(1)).unwrap(), []);
}

#[test]
fn an_endless_stream_of_other_answers_ends_in_a_time_out() {
    let strangers = (0..5000).map(|_| answer([verdict(700, 0)]));
    let (mut client, peer) = client(strangers.collect::<Vec<_>>());
    assert_eq!(client.flush().unwrap_err().class(), Class::Timeout);
    let left = peer.0.lock().unwrap().steps.len();
    assert!(left > 3000, "{left}");
}

#[test]
fn lost_answers_are_reported_after_the_rest_was_sent() {
    let (mut client, peer) = client([Step::Fail(Errno::ENOBUFS), answer([verdict(2, 0)])]);
    let error = client.apply(&adds(6)).unwrap_err();
    assert_eq!(error.class(), Class::Lost);
    assert_eq!(peer.sent().len(), 2);
    assert_eq!(peer.reopened(), 1);
}

#[test]
fn a_time_out_ends_a_request_and_the_next_one_has_a_new_socket() {
    let (mut client, peer) = client([
        Step::Fail(Errno::ETIMEDOUT),
        answer([verdict(0, 0)]),
        answer([verdict(0, 0)]),
    ]);
    let error = client.apply(&adds(9)).unwrap_err();
    assert_eq!(error.class(), Class::Timeout);
    assert_eq!(peer.sent().len(), 1);
    client.flush().unwrap();
    client.flush().unwrap();
    assert_eq!(peer.reopened(), 1);
}

#[test]
fn a_truncated_dump_is_read_again() {
    let (mut client, peer) = client([Step::Fail(Errno::EMSGSIZE), answer([row("master"), done()])]);
    assert_eq!(client.daemons().unwrap().len(), 1);
    assert_eq!(peer.reopened(), 1);
}

#[test]
fn an_interrupted_dump_is_thrown_away_and_read_again() {
    let (mut client, _) = client([
        answer([interrupted("service-counted"), done()]),
        answer([row("service-mark"), done()]),
        answer([row("service-mark"), done()]),
        answer([row("destination-gue"), done()]),
    ]);
    let table = client.dump().unwrap();
    assert_eq!(table.len(), 1);
    assert_eq!(table.keys().next().unwrap().to_string(), "fwm:7");
}

#[test]
fn a_dump_that_never_comes_out_whole_is_given_up() {
    let interruptions = (0..50).map(|_| answer([interrupted("service-counted"), done()]));
    let (mut client, peer) = client(interruptions.collect::<Vec<_>>());
    assert_eq!(client.dump().unwrap_err().class(), Class::Lost);
    assert_eq!(peer.sent().len(), 5);
}

#[test]
fn rows_that_come_twice_count_once() {
    let (mut client, _) = client([
        answer([row("service-counted"), row("service-counted"), done()]),
        answer([row("service-counted"), done()]),
        answer([row("destination-gue"), row("destination-gue")]),
        answer([done()]),
    ]);
    let table = client.dump().unwrap();
    assert_eq!(table.len(), 1);
    assert_eq!(table[&tcp("192.0.2.1", 80)].destinations.len(), 1);
}

#[test]
fn a_service_that_vanishes_during_a_dump_is_left_out() {
    let (mut client, _) = client([
        answer([row("service-counted"), row("service-mark"), done()]),
        answer([row("service-counted"), row("service-mark"), done()]),
        answer([done()]),
        answer([verdict(0, ESRCH)]),
        answer([done()]),
        answer([row("service-mark"), verdict(0, 0)]),
    ]);
    let table = client.dump().unwrap();
    let keys: Vec<_> = table.keys().map(ToString::to_string).collect();
    assert_eq!(keys, ["fwm:7"]);
}

#[test]
fn services_that_one_list_misses_are_found_by_the_next() {
    let (mut client, peer) = client([
        answer([row("service-counted"), done()]),
        answer([row("service-mark"), done()]),
        answer([row("service-counted"), row("service-mark"), done()]),
        answer([row("destination-gue"), done()]),
        answer([row("destination-gue"), done()]),
    ]);
    assert_eq!(client.dump().unwrap().len(), 2);
    assert_eq!(peer.sent().len(), 5);
}

#[test]
fn lists_that_never_agree_are_put_together() {
    let lists = ["service-counted", "service-mark"]
        .into_iter()
        .cycle()
        .take(5);
    let mut steps: Vec<_> = lists.map(|name| answer([row(name), done()])).collect();
    steps.extend((0..2).map(|_| answer([row("destination-gue"), done()])));
    let (mut client, _) = client(steps);
    assert_eq!(client.dump().unwrap().len(), 2);
}

#[test]
fn a_dump_that_ends_in_an_error_is_no_dump() {
    let mut end = done();
    end.3 = (-12_i32).to_ne_bytes().to_vec();
    let (mut client, _) = client([answer([row("service-counted"), end])]);
    let error = client.dump().unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ENOMEM));
}

#[test]
fn an_unintelligible_answer_is_an_error_and_costs_the_socket() {
    let mut broken = row("service-counted");
    broken.3.truncate(60);
    let (mut client, peer) = client([answer([broken, done()]), answer([verdict(0, 0)])]);
    assert!(matches!(client.dump(), Err(Error::Malformed { .. })));
    client.flush().unwrap();
    assert_eq!(peer.reopened(), 1);
}

#[test]
fn a_read_survives_a_module_that_was_loaded_anew() {
    let (mut client, peer) = client([
        answer([verdict(0, ENOENT)]),
        family(31),
        answer([row("timeouts"), verdict(0, 0)]),
    ]);
    assert_eq!(client.timeouts().unwrap().tcp, 900);
    let kind = |request: &Vec<u8>| u16::from_ne_bytes([request[4], request[5]]);
    let kinds: Vec<_> = peer.sent().iter().map(kind).collect();
    assert_eq!(kinds, [FAMILY, 0x10, 31]);
}

#[test]
fn changes_to_a_module_that_was_loaded_anew_have_to_be_planned_again() {
    let (mut client, _) = client([
        answer([verdict(0, ENOENT)]),
        family(31),
        answer([verdict(0, 0)]),
    ]);
    assert_eq!(client.apply(&adds(1)).unwrap_err().class(), Class::Lost);
    assert_eq!(client.apply(&adds(1)).unwrap(), []);
}

#[test]
fn an_absent_destination_is_not_mistaken_for_an_absent_module() {
    let (mut client, _) = client([answer([verdict(0, ENOENT)]), family(FAMILY)]);
    let gone = destination("198.51.100.1", 80, Forwarding::Masquerade, 1);
    let delete = Operation::DeleteDestination(tcp("192.0.2.1", 80), gone.key);
    let failures = client.apply(&[delete]).unwrap();
    assert_eq!(failures[0].error.class(), Class::AbsentDestination);
}

#[test]
fn a_stop_without_an_answer_is_settled_by_listing_the_daemons() {
    let fence = || [(1, FAMILY, 0, capture("info")), verdict(1, 0)];
    let (mut client, peer) = client([
        answer(fence()),
        answer([row("backup"), done()]),
        answer(fence()),
        answer([row("backup"), done()]),
        answer([verdict(0, ESRCH), fence()[0].clone(), fence()[1].clone()]),
        answer([verdict(0, 0)]),
        answer(fence()),
    ]);
    client.stop_daemon(SyncRole::Master).unwrap();
    let error = client.stop_daemon(SyncRole::Backup).unwrap_err();
    assert_eq!(error.class(), Class::Timeout);
    let error = client.stop_daemon(SyncRole::Backup).unwrap_err();
    assert_eq!(error.class(), Class::AbsentDaemon);
    client.stop_daemon(SyncRole::Master).unwrap();
    assert_eq!(peer.reopened(), 0);
}
