//! Messages between clients and hosts: which way they go, what waits for what, and how a connection ends with its host.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use iaspec_reference::agent::core::{Connection, End, Forwarded, Policy, Product, Request, Versions};
use iaspec_reference::protocol::{Command, SessionId};
use rstest::rstest;

use crate::support::*;

const NOW: Duration = Duration::ZERO;

/// Open Session for Otter, session 0, and its answer, session 1.
const OPEN_OTTER: &str = "05000000 01000000 01 00000000";
const OPENED_1: &str = "04000000 01000000 01000000";

/// A client of an agent whose hosts are there at once.
fn served(hex: &str) -> Client {
    let mut client = Client::of(policy(Versions::BOTH), NOW);
    client.serves = true;
    client.send(&bytes(hex), &mut no_sessions(), NOW);
    client
}

fn message(product: Product, command: i32, data: &'static [u8]) -> Forwarded {
    Forwarded { product, command: Command(command), data: Bytes::from_static(data) }
}

/// A connection bound to a session of Otter, whose answers are sent.
fn bound() -> Connection {
    bound_under(policy(Versions::BOTH))
}

fn bound_under(policy: Arc<Policy>) -> Connection {
    let mut connection = Connection::new(policy, NOW);
    connection.handle_input(&bytes(&format!("{OFFER_BOTH} {OPEN_OTTER}")), NOW);
    assert_eq!(connection.take_request(), Some(Request::Open(Product::Otter, SessionId(0))));
    connection.handle_opened(Product::Otter, Some(SessionId(1)), NOW);
    assert_eq!(connection.output(), bytes(&format!("{PICKED_2000} {OPENED_1}")));
    connection.handle_sent(connection.output().len(), NOW);
    connection
}

#[test]
fn after_open_session_every_message_goes_to_the_host_whatever_its_command() {
    let frames = "00000000 03000000 05000000 01000000 01 00000000 02000000 65000000 abcd";
    let client = served(&format!("{OFFER_BOTH} 01000000 03000000 01 {OPEN_OTTER} {frames}"));
    assert_eq!(client.received, bytes(&format!("{PICKED_2000} {OTTER_ROOT} {OPENED_1}")));
    let expected = [
        message(Product::Otter, 3, b""),
        message(Product::Otter, 1, b"\x01\0\0\0\0"),
        message(Product::Otter, 101, b"\xab\xcd"),
    ];
    assert_eq!(client.forwarded, expected);
}

#[rstest]
#[case::meta("00")]
#[case::unheard_of("04")]
fn what_cannot_be_opened_leaves_the_connection_at_meta(#[case] agent_type: &str) {
    let open = format!("05000000 01000000 {agent_type} 00000000");
    let client = served(&format!("{OFFER_BOTH} {open} 01000000 03000000 01"));
    assert_eq!(client.received, bytes(&format!("{PICKED_2000} 04000000 01000000 00000000 {OTTER_ROOT}")));
    assert!(!client.connection.is_client());
}

#[test]
fn in_v1_the_agent_type_of_each_message_says_where_it_goes() {
    let frames = "00000000 03 65000000 01000000 00 03000000 01 01000000 01 66000000 ff 00000000 02 00000000";
    let client = served(&format!("{V1_NEW_SESSION} {frames}"));
    assert_eq!(client.received, bytes(&format!("{SESSION_1} {OTTER_ROOT}")));
    let expected = [
        message(Product::Hedgehog, 101, b""),
        message(Product::Otter, 102, b"\xff"),
        message(Product::BuildMaster, 0, b""),
    ];
    assert_eq!(client.forwarded, expected);
}

#[test]
fn frames_behind_open_session_wait_for_its_answer() {
    let mut connection = Connection::new(policy(Versions::BOTH), NOW);
    let rest = "01000000 65000000 aa";
    connection.handle_input(&bytes(&format!("{OFFER_BOTH} {OPEN_OTTER} {rest}")), NOW);
    assert_eq!(connection.take_request(), Some(Request::Open(Product::Otter, SessionId(0))));
    assert_eq!((connection.take_request(), connection.wants_input()), (None, false));
    connection.handle_opened(Product::Otter, Some(SessionId(1)), NOW);
    assert_eq!(connection.take_request(), Some(Request::Forward(message(Product::Otter, 101, b"\xaa"))));
}

#[test]
fn a_message_waits_until_the_one_before_it_is_on_its_way() {
    let mut connection = bound();
    connection.handle_input(&bytes("00000000 01000000 00000000 02000000"), NOW);
    assert_eq!(connection.take_request(), Some(Request::Forward(message(Product::Otter, 1, b""))));
    assert_eq!((connection.take_request(), connection.wants_input()), (None, false));
    connection.handle_forwarded(NOW);
    assert_eq!(connection.take_request(), Some(Request::Forward(message(Product::Otter, 2, b""))));
}

#[test]
fn a_connection_is_a_client_from_its_first_message_in_v1_and_from_the_answer_in_v2() {
    let mut v1 = served(V1_NEW_SESSION);
    assert!(!v1.connection.is_client());
    v1.connection.handle_input(&bytes("00000000 00 63000000"), NOW);
    assert!(v1.connection.is_client());
    let v2 = served(&format!("{OFFER_BOTH} 01000000 03000000 01"));
    assert!(!v2.connection.is_client());
    assert!(bound().is_client());
}

#[test]
fn what_a_host_sends_comes_out_framed_and_in_order() {
    let mut connection = bound();
    connection.handle_host_message(&message(Product::Otter, 200, b"\x01\x02"), NOW);
    connection.handle_host_message(&message(Product::Otter, -1, b""), NOW);
    assert_eq!(connection.output(), bytes("02000000 c8000000 0102 00000000 ffffffff"));
}

#[test]
fn a_client_that_does_not_read_gets_no_more_of_its_host() {
    let mut connection = bound();
    assert!(connection.wants_host_message());
    connection.handle_host_message(&message(Product::Otter, 200, &[0; 100_000]), NOW);
    assert!(!connection.wants_host_message());
    connection.handle_sent(100_000, NOW);
    assert!(connection.wants_host_message());
}

#[test]
fn a_large_message_of_a_host_is_sent_from_where_it_is() {
    let mut connection = bound();
    let large = message(Product::Otter, 200, &[7; 65_536]);
    connection.handle_host_message(&message(Product::Otter, 200, b"small"), NOW);
    connection.handle_host_message(&large, NOW);
    connection.handle_host_message(&message(Product::Otter, 201, b""), NOW);
    let pieces: Vec<&[u8]> = connection.output_pieces().collect();
    assert_eq!(pieces[1].as_ptr(), large.data.as_ptr());
    let around = ["05000000 c8000000 736d616c6c 00000100 c8000000", "00000000 c9000000"].map(bytes);
    assert_eq!(pieces, [&around[0][..], &[7; 65_536], &around[1]]);
    // Sending stops wherever it likes.
    connection.handle_sent(21 + 65_535, NOW);
    let left: Vec<u8> = connection.output_pieces().flatten().copied().collect();
    assert_eq!(left, bytes("07 00000000 c9000000"));
}

/// What is missing of a large message is read to where it belongs, and what follows is left for later.
#[test]
fn a_large_message_is_taken_in_where_it_lies() {
    let mut policy = Policy::clone(&policy(Versions::BOTH));
    policy.max_message = 1 << 20;
    let mut connection = bound_under(Arc::new(policy));
    assert!(connection.input_space(1000).is_none());
    // 100,000 bytes of data, of which two have come.
    connection.handle_input(&bytes("a0860100 65000000 0707"), NOW);
    let mut missing = 99_998;
    while missing > 0 {
        let space = connection.input_space(70_000).unwrap();
        assert!(!space.is_empty() && space.len() <= missing.min(70_000));
        space.fill(7);
        // All of it but a byte at first.
        let count = if missing == 99_998 { space.len() - 1 } else { space.len() };
        connection.handle_input_in_place(count, NOW);
        missing -= count;
    }
    let forwarded =
        Forwarded { product: Product::Otter, command: Command(101), data: vec![7; 100_000].into() };
    assert_eq!(connection.take_request(), Some(Request::Forward(forwarded)));
    connection.handle_forwarded(NOW);
    assert!(connection.input_space(1000).is_none());
    assert_eq!(connection.end(), None);
}

#[test]
fn a_host_that_is_gone_ends_the_connection_behind_what_it_sent() {
    let mut connection = bound();
    connection.handle_host_message(&message(Product::Otter, 200, b""), NOW);
    connection.handle_host_gone(Product::Otter, NOW);
    assert_eq!((connection.output(), connection.is_over()), (&bytes("00000000 c8000000")[..], false));
    connection.handle_sent(8, NOW);
    assert_eq!((connection.is_over(), connection.end()), (true, Some(&End::HostGone(Product::Otter))));
}

#[test]
fn what_was_sent_before_the_client_shut_down_still_reaches_the_host() {
    let mut connection = bound();
    connection.handle_input(&bytes("00000000 01000000 00000000 02000000 01000000"), NOW);
    connection.handle_end_of_input(NOW);
    assert_eq!(connection.take_request(), Some(Request::Forward(message(Product::Otter, 1, b""))));
    connection.handle_forwarded(NOW);
    assert_eq!(connection.take_request(), Some(Request::Forward(message(Product::Otter, 2, b""))));
    assert_eq!(connection.end(), None);
    connection.handle_forwarded(NOW);
    assert_eq!((connection.take_request(), connection.end()), (None, Some(&End::Client)));
}
