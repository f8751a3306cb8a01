//! Conversations byte for byte.

use std::time::Duration;

use iaspec_reference::agent::core::{Connection, End, FileKind, Product, RefusedUpdate, Request, Versions};
use iaspec_reference::protocol::SessionId;
use rstest::rstest;

use crate::support::*;

#[rstest]
#[case::v2(Versions::BOTH, OFFER_BOTH, PICKED_2000)]
#[case::v2_only(Versions::V2, OFFER_BOTH, PICKED_2000)]
#[case::v1_by_range(
    Versions::BOTH,
    "4ed2eb6c f74a134a b9af81d3 dfc644be e8030000 e8030000",
    "00 e8030000 33000000"
)]
#[case::new_session(Versions::BOTH, V1_NEW_SESSION, SESSION_1)]
#[case::given_session(
    Versions::V1,
    "4ed2eb6c f74a134a b9af81d3 dfc644be e8030000 29000000",
    "00 29000000 33000000"
)]
#[case::negative_session(
    Versions::BOTH,
    "4ed2eb6c f74a134a b9af81d3 dfc644be e8030000 ffffffff",
    "00 ffffffff 33000000"
)]
// NEG-6: 2000 must not come back as a session, and neither must 1000.
#[case::v2_client_of_a_v1_agent(Versions::V1, OFFER_BOTH, SESSION_1)]
#[case::session_1000_of_a_v1_agent(
    Versions::V1,
    "4ed2eb6c f74a134a b9af81d3 dfc644be e8030000 e8030000",
    SESSION_1
)]
fn a_good_handshake_is_acknowledged(#[case] versions: Versions, #[case] sent: &str, #[case] answer: &str) {
    let client = converse(versions, sent);
    assert!(client.connection.is_acknowledged());
    assert_eq!((client.received, client.connection.end()), (bytes(answer), None));
}

#[rstest]
#[case::nothing_in_common(Versions::BOTH, "4ed2eb6c f74a134a b9af81d3 dfc644be b80b0000 a00f0000")]
#[case::v1_client_of_a_v2_agent(Versions::V2, V1_NEW_SESSION)]
#[case::v2_client_alone_of_a_v1_agent(Versions::V1, "4ed2eb6c f74a134a b9af81d3 dfc644be d0070000 d0070000")]
#[case::reversed(Versions::BOTH, "4ed2eb6c f74a134a b9af81d3 dfc644be d0070000 e8030000")]
#[case::first_byte_wrong(Versions::BOTH, "4fd2eb6c f74a134a b9af81d3 dfc644be e8030000 d0070000")]
#[case::last_byte_wrong(Versions::BOTH, "4ed2eb6c f74a134a b9af81d3 dfc644bf e8030000 d0070000")]
#[case::network_order(Versions::BOTH, "6cebd24e 4af74a13 b9af81d3 dfc644be e8030000 d0070000")]
#[case::another_protocol(Versions::BOTH, "474554202f20485454502f312e310d0a")]
fn a_refused_handshake_gets_nothing_and_is_over_at_once(#[case] versions: Versions, #[case] sent: &str) {
    let client = converse(versions, &format!("{sent} 01000000 03000000 01"));
    assert!(client.received.is_empty());
    assert!(client.connection.is_over() && client.connection.is_past_handshake());
    assert!(!client.connection.wants_input() && !client.connection.is_acknowledged());
}

#[test]
fn a_wrong_protocol_is_known_by_its_first_wrong_byte() {
    assert_eq!(converse(Versions::BOTH, "4ed2eb6c").end(), None);
    assert_eq!(converse(Versions::BOTH, "4ed2eb6d").end(), Some(&End::WrongProtocol));
}

#[test]
fn each_product_has_its_root_path() {
    let client = converse(
        Versions::BOTH,
        &format!("{OFFER_BOTH} 01000000 03000000 03 01000000 03000000 01 01000000 03000000 02"),
    );
    let expected = format!("{PICKED_2000} {HEDGEHOG_ROOT} {OTTER_ROOT} {BUILDMASTER_ROOT}");
    assert_eq!(client.received, bytes(&expected));
    assert_eq!(client.end(), None);
}

#[test]
fn v1_framing_names_the_target_and_answers_do_not() {
    let client = converse(Versions::V1, &format!("{OFFER_BOTH} 01000000 00 03000000 01"));
    assert_eq!(client.received, bytes(&format!("{SESSION_1} {OTTER_ROOT}")));
}

/// What is ignored, between two requests that are answered.
#[rstest]
#[case::unknown_command("00000000 2a000000")]
#[case::negative_command("00000000 ffffffff")]
#[case::root_path_of_meta("01000000 03000000 00")]
#[case::root_path_of_nothing_known("01000000 03000000 04")]
#[case::root_path_without_type("00000000 03000000")]
#[case::open_session_cut_short("04000000 01000000 01 000000")]
#[case::update_without_type("00000000 02000000")]
#[case::update_with_negative_count("05000000 02000000 01 ffffffff")]
#[case::update_with_huge_count("05000000 02000000 01 ffffff7f")]
#[case::update_of_nothing_known("09000000 02000000 04 00000000 00000000")]
#[case::update_with_a_path("1a000000 02000000 01 01000000 042e2e2f61 0000000000000000 00000000 00000000")]
fn what_is_refused_or_unknown_gets_no_answer(#[case] frame: &str) {
    let good = "01000000 03000000 01";
    let client = converse(Versions::BOTH, &format!("{OFFER_BOTH} {good} {frame} {good}"));
    assert_eq!(client.received, bytes(&format!("{PICKED_2000} {OTTER_ROOT} {OTTER_ROOT}")));
    assert_eq!((client.updates.len(), client.end()), (0, None));
}

#[test]
fn a_refused_update_is_told_to_the_log() {
    let client = converse(Versions::BOTH, &format!("{OFFER_BOTH} 09000000 02000000 04 00000000 00000000"));
    assert_eq!(client.refused, [RefusedUpdate::UnknownProduct(4)]);
}

#[test]
fn bytes_after_the_last_known_field_are_ignored() {
    let client = converse(Versions::BOTH, &format!("{OFFER_BOTH} 03000000 03000000 01 abcd"));
    assert_eq!(client.received, bytes(&format!("{PICKED_2000} {OTTER_ROOT}")));
}

#[test]
fn without_hosts_open_session_is_answered_with_session_0() {
    for product in ["00", "01", "02", "03", "04", "ff"] {
        let frame = format!("05000000 01000000 {product} 07000000 01000000 03000000 01");
        let client = converse(Versions::BOTH, &format!("{OFFER_BOTH} {frame}"));
        let expected = format!("{PICKED_2000} 04000000 01000000 00000000 {OTTER_ROOT}");
        assert_eq!(client.received, bytes(&expected), "agent type {product}");
    }
}

#[test]
fn in_v1_framing_meta_command_1_is_unknown() {
    let frames = "05000000 00 01000000 01 00000000 01000000 00 03000000 01";
    let client = converse(Versions::BOTH, &format!("{V1_NEW_SESSION} {frames}"));
    assert_eq!(client.received, bytes(&format!("{SESSION_1} {OTTER_ROOT}")));
}

#[test]
fn a_v1_message_to_a_product_ends_the_connection_after_what_was_answered() {
    let frames = "01000000 00 03000000 01 00000000 02 65000000 01000000 00 03000000 01";
    let client = converse(Versions::BOTH, &format!("{V1_NEW_SESSION} {frames}"));
    assert_eq!(client.received, bytes(&format!("{SESSION_1} {OTTER_ROOT}")));
    assert_eq!(client.end(), Some(&End::NoHost(Product::BuildMaster)));
}

#[test]
fn a_v1_message_to_a_product_unheard_of_is_ignored() {
    let frames = "00000000 04 03000000 00000000 ff 03000000 01000000 00 03000000 01";
    let client = converse(Versions::BOTH, &format!("{V1_NEW_SESSION} {frames}"));
    assert_eq!(
        (client.received, client.connection.end()),
        (bytes(&format!("{SESSION_1} {OTTER_ROOT}")), None)
    );
}

#[rstest]
#[case::negative("ffffffff")]
#[case::lowest("00000080")]
#[case::largest("ffffff7f")]
#[case::one_above_the_limit("e9030000")]
fn a_length_that_cannot_be_ends_the_connection_with_its_word(#[case] length: &str) {
    let client = converse(Versions::BOTH, &format!("{OFFER_BOTH} 01000000 03000000 01 {length}"));
    assert_eq!(client.received, bytes(&format!("{PICKED_2000} {OTTER_ROOT}")));
    assert!(matches!(client.end(), Some(End::BadFrame(_))), "{:?}", client.end());
    assert!(client.connection.is_over());
}

#[test]
fn a_message_as_long_as_the_limit_is_taken() {
    let long = format!("e8030000 03000000 01 {}", "00".repeat(LIMIT - 1));
    let client = converse(Versions::BOTH, &format!("{OFFER_BOTH} {long}"));
    assert_eq!(client.received, bytes(&format!("{PICKED_2000} {OTTER_ROOT}")));
}

#[test]
fn an_update_is_asked_for_and_later_messages_wait_for_it() {
    let now = Duration::ZERO;
    let mut connection = Connection::new(policy(Versions::BOTH), now);
    let sent = format!("{OFFER_BOTH} 01000000 03000000 02 {UPDATE_V2} 01000000 03000000 01");
    connection.handle_input(&bytes(&sent), now);
    let Some(Request::Update(update)) = connection.take_request() else { panic!("no update") };
    assert_eq!((update.product, update.files.len()), (Product::Otter, 1));
    let file = &update.files[0];
    assert_eq!(
        (file.kind, file.name.as_str(), &file.contents[..]),
        (FileKind::Assembly, "a.dll", &[0, 0xff][..])
    );
    assert_eq!(file.modified.get(), 636_636_672_000_000_000);
    assert_eq!(connection.output(), bytes(&format!("{PICKED_2000} {BUILDMASTER_ROOT}")));
    assert!(!connection.wants_input() && connection.take_request().is_none());

    connection.handle_update_over(now);
    let expected = format!("{PICKED_2000} {BUILDMASTER_ROOT} {OTTER_ROOT}");
    assert_eq!(connection.output(), bytes(&expected));
    assert!(connection.wants_input());
}

#[test]
fn a_client_that_half_closes_still_gets_what_it_is_owed() {
    let mut client = Client::new(Versions::BOTH, Duration::ZERO);
    let mut sessions = no_sessions();
    let sent = format!("{OFFER_BOTH} 01000000 03000000 01 {UPDATE_V2} 01000000 03000000 02 01000000 0300");
    client.connection.handle_input(&bytes(&sent), Duration::ZERO);
    client.end_input(&mut sessions, Duration::ZERO);
    assert_eq!(client.received, bytes(&format!("{PICKED_2000} {OTTER_ROOT} {BUILDMASTER_ROOT}")));
    assert_eq!((client.updates.len(), client.end()), (1, Some(&End::Client)));
    assert!(client.connection.is_over());
}

#[test]
fn a_client_that_leaves_within_its_handshake_gets_nothing() {
    let mut client = Client::new(Versions::BOTH, Duration::ZERO);
    client.connection.handle_input(&bytes(OFFER_BOTH)[..23], Duration::ZERO);
    client.end_input(&mut no_sessions(), Duration::ZERO);
    assert_eq!((client.received.as_slice(), client.connection.end()), (&[][..], Some(&End::Client)));
    assert!(client.connection.is_over() && client.connection.is_past_handshake());
}

#[test]
fn a_v1_handshake_waits_for_its_session() {
    let now = Duration::ZERO;
    let mut connection = Connection::new(policy(Versions::BOTH), now);
    connection.handle_input(&bytes(V1_NEW_SESSION), now);
    assert_eq!(connection.take_request(), Some(Request::Session(SessionId(0))));
    assert!(connection.output().is_empty() && !connection.is_past_handshake());
    connection.handle_session(SessionId(300), now);
    assert_eq!(connection.output(), bytes("00 2c010000 33000000"));
    assert!(connection.is_past_handshake());
}

/// A client that sends and does not read gets so much kept for it, and no more is taken from it.
#[test]
fn a_client_that_does_not_read_is_not_listened_to() {
    let now = Duration::ZERO;
    let mut connection = Connection::new(policy(Versions::BOTH), now);
    connection.handle_input(&bytes(OFFER_BOTH), now);
    let request = bytes("01000000 03000000 01");
    let mut asked = 0;
    while connection.wants_input() {
        connection.handle_input(&request, now);
        asked += 1;
    }
    assert_eq!(connection.output().len(), 9 + asked * 11);
    assert!((65_536..65_536 + 11).contains(&connection.output().len()));
    // More is kept as it came, not answered.
    connection.handle_input(&request, now);
    assert_eq!(connection.output().len(), 9 + asked * 11);

    connection.handle_sent(9 + 11 * 7, now);
    assert!(connection.wants_input());
    assert_eq!(connection.output().len(), (asked + 1 - 7) * 11);
    let answer = bytes(OTTER_ROOT);
    assert!(connection.output().chunks(11).all(|chunk| chunk == answer));
}
