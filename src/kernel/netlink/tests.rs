use std::time::Duration;

use nix::errno::Errno;
use proptest::prelude::*;

use super::attribute::{Attributes, Writer};
use super::message::{self, Content, Header, Message, Messages};
use super::socket::{Link, RECEIVE_SIZE, Setup, Socket};

#[test]
fn attributes_are_padded_and_found_again() {
    let mut bytes = Vec::new();
    let mut writer = Writer(&mut bytes);
    writer.u8(1, 7);
    writer.u16(2, 0x1234);
    writer.u16_be(3, 0x1234);
    writer.nest(4, |nest| {
        nest.u32(1, 9);
        nest.string(2, "abc");
    });
    assert_eq!(bytes.len(), 8 + 8 + 8 + 4 + 8 + 8);
    let find = |kind| Attributes::new(&bytes).find(kind).unwrap().unwrap();
    assert_eq!(find(1).u8(), Ok(7));
    assert_eq!(find(2).u16(), Ok(0x1234));
    assert_eq!(find(3).bytes(), [0x12, 0x34]);
    assert_eq!(find(3).u16_be(), Ok(0x1234));
    let nest = |kind| find(4).nest().find(kind).unwrap().unwrap();
    assert_eq!(nest(1).u32(), Ok(9));
    assert_eq!(nest(2).string(), Ok("abc"));
    assert_eq!(Attributes::new(&bytes).find(9), Ok(None));
}

#[test]
fn an_attribute_shorter_than_its_type_is_an_error_and_a_longer_one_is_not() {
    let mut bytes = Vec::new();
    Writer(&mut bytes).u16(1, 5);
    let attribute = Attributes::new(&bytes).next().unwrap().unwrap();
    assert!(attribute.u32().is_err());
    assert_eq!(attribute.u8(), Ok(5_u16.to_ne_bytes()[0]));
}

#[test]
fn attributes_that_do_not_fit_end_the_walk() {
    for bad in [[3, 0, 1, 0], [9, 0, 1, 0], [0, 0, 1, 0]] {
        let mut bytes = Vec::new();
        Writer(&mut bytes).u32(5, 1);
        bytes.extend(bad);
        let walked: Vec<_> = Attributes::new(&bytes).collect();
        assert_eq!(walked.len(), 2, "{bad:?}");
        assert!(walked[0].is_ok() && walked[1].is_err());
    }
}

fn header(sequence: u32) -> Header {
    Header {
        family: 28,
        flags: message::REQUEST,
        sequence,
        command: 1,
        version: 1,
    }
}

#[test]
fn a_request_has_its_length_and_flags_in_place() {
    let mut bytes = vec![0xff; 4];
    let start = message::append(&mut bytes, header(7), |attributes| attributes.u8(1, 2));
    message::add_flags(&mut bytes, start, message::ACK);
    message::set_sequence(&mut bytes, start, 8);
    let mut expected = vec![0xff; 4];
    expected.extend(28_u32.to_ne_bytes());
    expected.extend(28_u16.to_ne_bytes());
    expected.extend((message::REQUEST | message::ACK).to_ne_bytes());
    expected.extend(8_u32.to_ne_bytes());
    expected.extend([0, 0, 0, 0, 1, 1, 0, 0]);
    expected.extend(5_u16.to_ne_bytes());
    expected.extend(1_u16.to_ne_bytes());
    expected.extend([2, 0, 0, 0]);
    assert_eq!(bytes, expected);
}

/// A message of the kernel with four bytes of payload.
fn answer(kind: u16, code: i32) -> Vec<u8> {
    let mut bytes = 20_u32.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend([0, 0]);
    bytes.extend(9_u32.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(code.to_ne_bytes());
    bytes
}

fn content(bytes: &[u8]) -> Content<'_> {
    let message: Message<'_> = Messages::new(bytes).next().unwrap().unwrap();
    assert_eq!((message.sequence, message.interrupted), (9, false));
    message.content
}

#[test]
fn the_kernels_answers_are_told_apart() {
    assert_eq!(content(&answer(2, 0)), Content::Acknowledged);
    assert_eq!(content(&answer(2, -17)), Content::Refused(Errno::EEXIST));
    assert_eq!(
        content(&answer(2, i32::MIN)),
        Content::Refused(Errno::UnknownErrno)
    );
    assert_eq!(content(&answer(3, 0)), Content::Done);
    assert_eq!(content(&answer(3, -12)), Content::Refused(Errno::ENOMEM));
    assert_eq!(content(&answer(28, 1)), Content::Data(1, &[]));
}

#[test]
fn several_messages_in_a_datagram_are_read_and_a_cut_one_is_an_error() {
    let mut datagram = answer(28, 1);
    datagram.extend(answer(3, 0));
    assert_eq!(Messages::new(&datagram).flatten().count(), 2);
    let cut = &datagram[..30];
    let read: Vec<_> = Messages::new(cut).collect();
    assert!(matches!(read.as_slice(), [Ok(_), Err(_)]));
}

proptest! {
    #[test]
    fn no_datagram_makes_the_walk_panic_or_endless(
        bytes in prop::collection::vec(prop_oneof![Just(0_u8), Just(16), any::<u8>()], 0..200),
    ) {
        prop_assert!(Messages::new(&bytes).count() <= bytes.len());
        prop_assert!(Attributes::new(&bytes).count() <= bytes.len());
    }
}

const QUICK: Setup = Setup {
    timeout: Duration::from_millis(20),
    receive_buffer: 65536,
};

#[test]
fn a_receive_without_an_answer_times_out() {
    let mut socket = Socket::open(QUICK).unwrap();
    let mut buffer = vec![0; RECEIVE_SIZE];
    assert_eq!(socket.receive(&mut buffer), Err(Errno::ETIMEDOUT));
}

/// Asks the controller for its own family, which every kernel has.
fn ask_controller(socket: &mut Socket, buffer: &mut [u8]) -> Result<usize, Errno> {
    let mut request = Vec::new();
    let controller = Header {
        family: 0x10,
        command: 3,
        ..header(9)
    };
    message::append(&mut request, controller, |attributes| {
        attributes.string(2, "nlctrl");
    });
    socket.send(&request).unwrap();
    socket.receive(buffer)
}

#[test]
fn the_kernel_answers_on_a_new_socket_and_on_a_reopened_one() {
    let mut socket = Socket::open(QUICK).unwrap();
    let mut buffer = vec![0; RECEIVE_SIZE];
    for _ in 0..2 {
        let length = ask_controller(&mut socket, &mut buffer).unwrap();
        assert!(matches!(content(&buffer[..length]), Content::Data(1, _)));
        socket.reopen().unwrap();
    }
}

#[test]
fn an_answer_larger_than_the_buffer_is_an_error() {
    let mut socket = Socket::open(QUICK).unwrap();
    assert_eq!(
        ask_controller(&mut socket, &mut [0; 40]),
        Err(Errno::EMSGSIZE)
    );
}

#[test]
fn the_capacity_follows_the_buffers() {
    let small = Socket::open(Setup {
        receive_buffer: 1,
        ..QUICK
    })
    .unwrap();
    let large = Socket::open(QUICK).unwrap();
    assert!(small.capacity().messages < large.capacity().messages);
    assert!(small.capacity().messages >= 1);
    assert!(large.capacity().bytes >= 64 * 1024);
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test has to be seen")]
fn what_another_process_writes_to_the_socket_is_ignored() {
    let mut socket = Socket::open(QUICK).unwrap();
    let stranger = Socket::open(QUICK).unwrap();
    let forged = answer(2, -1);
    match stranger.forge(&socket, &forged) {
        Err(Errno::EPERM) => eprintln!("SKIPPED: needs CAP_NET_ADMIN to forge an answer"),
        sent => {
            assert_eq!(sent, Ok(()));
            let mut buffer = vec![0; RECEIVE_SIZE];
            let length = ask_controller(&mut socket, &mut buffer).unwrap();
            assert!(matches!(content(&buffer[..length]), Content::Data(1, _)));
        }
    }
}
