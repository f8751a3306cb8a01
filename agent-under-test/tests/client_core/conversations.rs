//! What a client says, and what it makes of answers, byte for byte.

use iaspec_reference::client::core::{Answer, Kind, Offer, Operation, Requirement, ResponseCode, Terms};
use iaspec_reference::protocol::{
    AgentType, ServerVersion, ServerVersionForm, SessionId, Ticks, UpdateAgent, UpdateFile,
};
use rstest::rstest;

use crate::support::*;

#[rstest]
#[case::v1(Offer::Session(SessionId(0)), "e8030000 00000000")]
#[case::v1_session(Offer::Session(SessionId(-2)), "e8030000 feffffff")]
#[case::v2(range(1000, 2000), "e8030000 d0070000")]
#[case::later(range(2000, 3000), "d0070000 b80b0000")]
fn the_handshake_is_24_bytes(#[case] offer: Offer, #[case] numbers: &str) {
    let mut client = Client::new(terms(offer));
    let sent = client.sent();
    assert_eq!(sent, bytes(&format!("4ed2eb6c f74a134a b9af81d3 dfc644be {numbers}")));
    assert_eq!(client.outcomes(), []);
}

/// The columns of CMP-6 and the rest of NEG-6: what comes of an acknowledgement's int32.
#[rstest]
#[case::v1(Offer::Session(SessionId(0)), 7, Ok((1000, Some(7))))]
#[case::v1_like_a_version(Offer::Session(SessionId(0)), 2000, Ok((1000, Some(2000))))]
#[case::v1_negative(Offer::Session(SessionId(5)), -1, Ok((1000, Some(-1))))]
#[case::v2(range(1000, 2000), 2000, Ok((2000, None)))]
#[case::v1_framing(range(1000, 2000), 1000, Ok((1000, None)))]
#[case::v1_alone(range(1000, 1000), 1000, Ok((1000, None)))]
#[case::session_of_v1(range(1000, 2000), 999, Ok((1000, Some(999))))]
#[case::session_0(range(1000, 2000), 0, Ok((1000, Some(0))))]
#[case::session_negative(range(1000, 2000), i32::MIN, Ok((1000, Some(i32::MIN))))]
#[case::session_for_later(range(1000, 3000), 1, Ok((1000, Some(1))))]
#[case::session_without_v1(range(2000, 2000), 1, Err(Kind::Protocol))]
#[case::session_within(range(500, 2000), 700, Err(Kind::Protocol))]
#[case::above(range(1000, 2000), 2001, Err(Kind::Protocol))]
#[case::below(range(2000, 3000), 1000, Err(Kind::Protocol))]
#[case::largest(range(1000, 2000), i32::MAX, Err(Kind::Protocol))]
#[case::later(range(1000, 3000), 3000, Err(Kind::Unsupported))]
#[case::between(range(1000, 2000), 1500, Err(Kind::Unsupported))]
fn the_number_of_an_acknowledgement_is_understood(
    #[case] offer: Offer,
    #[case] value: i32,
    #[case] expected: Result<(i32, Option<i32>), Kind>,
) {
    let mut client = Client::new(terms(offer));
    client.hears_bytes(&[&[0], &value.to_le_bytes()[..], &[51, 0, 0, 0]].concat(), NOW);
    match expected {
        Ok((speaks, session)) => {
            assert_eq!(client.outcomes(), [(CONNECT, connected(0, speaks, session))]);
            assert!(!client.connection.is_over());
        }
        Err(kind) => {
            assert_eq!(client.kinds(), [(CONNECT, Err(kind))]);
            assert!(client.connection.is_over());
        }
    }
}

#[test]
fn a_server_version_of_four_parts_is_waited_for() {
    let four = Terms { server_version: ServerVersionForm::Int32x4, ..terms(range(1000, 2000)) };
    let mut client = Client::new(four);
    client.hears("00 d0070000 33000000 01000000 02000000 030000");
    assert_eq!(client.outcomes(), []);
    client.hears("00");
    let outcomes = client.outcomes();
    let [(_, Ok(Answer::Connected(established)))] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!(established.server_version, ServerVersion::Parts([51, 1, 2, 3]));
}

#[rstest]
#[case::none("00", Kind::Protocol)]
#[case::ssl("01", Kind::Protocol)]
fn a_required_protection_is_insisted_on(#[case] mode: &str, #[case] kind: Kind) {
    let mut client = Client::new(Terms { require: Some(Requirement::Aes), ..terms(range(1000, 2000)) });
    client.hears(&format!("{mode} d0070000 33000000"));
    assert_eq!(client.kinds(), [(CONNECT, Err(kind))]);
}

#[test]
fn messages_of_v2() {
    let mut client = Client::v2();
    let sent = client.asks(send(AgentType(9), -1, "aabb"));
    assert_eq!(client.outcomes(), [(sent, Ok(Answer::Done))]);
    assert_eq!(client.sent(), bytes("02000000 ffffffff aabb"));

    let root = client.asks(Operation::GetRootPath(AgentType::OTTER));
    assert_eq!((client.sent(), client.outcomes()), (bytes(OTTER), vec![]));
    client.hears(OTTER_ROOT);
    assert_eq!(client.outcomes(), [(root, path("/o"))]);

    let session = client.asks(open_session(7));
    assert_eq!(client.sent(), bytes("05000000 01000000 01 07000000"));
    client.hears("04000000 01000000 09000000");
    assert_eq!(client.outcomes(), [(session, Ok(Answer::Session(SessionId(9))))]);
}

#[test]
fn messages_of_v1_name_their_target() {
    let mut client = Client::v1();
    client.asks(send(AgentType::HEDGEHOG, 101, "aa"));
    assert_eq!(client.sent(), bytes("01000000 03 65000000 aa"));
    client.asks(Operation::GetRootPath(AgentType::BUILDMASTER));
    assert_eq!(client.sent(), bytes("01000000 00 03000000 02"));
    client.outcomes();
    client.hears(BUILDMASTER_ROOT);
    assert_eq!(client.outcomes().remove(0).1, path("/b"));

    let session = client.asks(open_session(0));
    assert_eq!(client.kinds(), [(session, Err(Kind::Unsupported))]);
    let nowhere = iaspec_reference::client::core::Failure::new(Kind::Usage, "no such target");
    let data = bytes("00").into();
    let command = iaspec_reference::protocol::Command(1);
    let unknown = client.asks(Operation::Send { target: Err(nowhere), command, data });
    assert_eq!(client.kinds(), [(unknown, Err(Kind::Usage))]);
    assert!(client.sent().is_empty());
}

#[rstest]
#[case::v2(Client::v2(), "1d000000 02000000")]
#[case::v1(Client::v1(), "1d000000 00 02000000")]
fn an_update(#[case] mut client: Client, #[case] header: &str) {
    let modified = Ticks::new(636_636_672_000_000_000).unwrap();
    let file = UpdateFile { name: "a.dll".into(), modified, contents: (&[0x00, 0xff]).into() };
    let update = UpdateAgent { agent_type: AgentType::OTTER, assemblies: vec![file], extensions: Vec::new() };
    let id = client.asks(Operation::update_agent(&update).unwrap());
    let data = "01 01000000 05612e646c6c 00008c1daec9d508 02000000 00ff 00000000";
    assert_eq!(client.sent(), bytes(&format!("{header} {data}")));
    assert_eq!(client.outcomes(), [(id, Ok(Answer::Done))]);
}

#[test]
fn requests_are_answered_in_the_order_sent_and_the_rest_waits_to_be_received() {
    let mut client = Client::v2();
    let first = client.asks(Operation::GetRootPath(AgentType::OTTER));
    let session = client.asks(open_session(0));
    let second = client.asks(Operation::GetRootPath(AgentType::BUILDMASTER));
    client.hears(&format!("{UNSOLICITED} {OTTER_ROOT} {BUILDMASTER_ROOT} 04000000 01000000 00000000"));
    let none = Ok(Answer::Session(SessionId(0)));
    assert_eq!(client.outcomes(), [(first, path("/o")), (second, path("/b")), (session, none)]);
    let received = client.asks(Operation::Receive);
    assert_eq!(client.outcomes(), [(received, message(200, "aabb"))]);
}

#[test]
fn receivers_wait_in_line_and_hold_nothing_up() {
    let mut client = Client::v2();
    let (first, second) = (client.asks(Operation::Receive), client.asks(Operation::Receive));
    let root = client.asks(Operation::GetRootPath(AgentType::OTTER));
    client.hears(OTTER_ROOT);
    assert_eq!(client.outcomes(), [(root, path("/o"))]);
    client.hears(&format!("{UNSOLICITED} {OTTER_ROOT}"));
    assert_eq!(client.outcomes(), [(first, message(200, "aabb")), (second, message(3, "022f6f"))]);
}

#[test]
fn with_any_response_code_the_next_message_is_the_answer() {
    let any = Terms { response_code: ResponseCode::Any, ..terms(range(1000, 2000)) };
    let mut client = Client::acknowledged(any, PICKED_2000);
    let root = client.asks(Operation::GetRootPath(AgentType::OTTER));
    client.hears("03000000 00000000 02 2f6f");
    assert_eq!(client.outcomes(), [(root, path("/o"))]);
}

/// Bytes after the last field are another version's (CMP-2).
#[test]
fn a_response_may_have_more_than_is_known() {
    let mut client = Client::v2();
    let root = client.asks(Operation::GetRootPath(AgentType::OTTER));
    client.hears("05000000 03000000 02 2f6f ffff");
    assert_eq!(client.outcomes(), [(root, path("/o"))]);
}

#[rstest]
#[case::path_cut_short(Operation::GetRootPath(AgentType::OTTER), "02000000 03000000 052f")]
#[case::path_not_utf8(Operation::GetRootPath(AgentType::OTTER), "02000000 03000000 01ff")]
#[case::session_cut_short(open_session(0), "03000000 01000000 000000")]
#[case::empty(open_session(0), "00000000 01000000")]
fn a_malformed_response_is_told_and_the_connection_stays(#[case] request: Operation, #[case] response: &str) {
    let mut client = Client::v2();
    let asked = client.asks(request);
    client.hears(response);
    assert_eq!(client.kinds(), [(asked, Err(Kind::Protocol))]);
    let root = client.asks(Operation::GetRootPath(AgentType::OTTER));
    client.hears(OTTER_ROOT);
    assert_eq!(client.outcomes(), [(root, path("/o"))]);
}

#[test]
fn what_is_given_before_the_acknowledgement_waits_for_it() {
    let mut client = Client::new(terms(range(1000, 2000)));
    let root = client.asks(Operation::GetRootPath(AgentType::OTTER));
    let closed = client.asks(Operation::Close);
    assert_eq!((client.sent(), client.outcomes()), (bytes(OFFER_BOTH), vec![]));
    client.hears(PICKED_2000);
    assert_eq!(client.sent(), bytes(OTTER));
    assert_eq!(client.outcomes(), [(CONNECT, connected(0, 2000, None)), (closed, Ok(Answer::Done))]);
    client.hears(OTTER_ROOT);
    assert_eq!(client.outcomes(), [(root, path("/o"))]);
}
