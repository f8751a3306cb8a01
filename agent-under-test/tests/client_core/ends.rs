//! How connections end, from either side, and what is said afterwards.

use iaspec_reference::client::core::{Answer, Failure, Kind, Operation, OperationId};
use iaspec_reference::protocol::AgentType;
use rstest::rstest;

use crate::support::*;

#[rstest]
#[case::before_the_acknowledgement("", Kind::Closed)]
#[case::in_the_acknowledgement("00 d00700", Kind::Closed)]
#[case::unknown_mode("03", Kind::Protocol)]
#[case::negative_mode("ff", Kind::Protocol)]
#[case::aes_without_a_key("02 f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff d0070000 33000000", Kind::Crypto)]
#[case::ssl_without_trust("01 d0070000 33000000", Kind::Tls)]
fn a_connect_fails(#[case] heard: &str, #[case] kind: Kind) {
    let mut client = Client::new(terms(range(1000, 2000)));
    let waiting = client.asks(Operation::GetRootPath(AgentType::OTTER));
    client.hears(heard);
    client.hears_the_end();
    assert_eq!(client.kinds(), [(CONNECT, Err(kind)), (waiting, Err(kind))]);
    assert!(client.connection.is_over());
    let again = client.asks(Operation::Receive);
    assert_eq!(client.kinds(), [(again, Err(kind))]);
}

#[test]
fn a_connection_that_is_refused_stays_refused() {
    let mut client = Client::new(terms(range(1000, 2000)));
    client.connection.handle_failure(Failure::new(Kind::Refused, "nothing listens"), NOW);
    assert_eq!(client.kinds(), [(CONNECT, Err(Kind::Refused))]);
    for operation in [Operation::Receive, open_session(0), Operation::Close] {
        let id = client.asks(operation);
        assert_eq!(client.kinds(), [(id, Err(Kind::Refused))]);
    }
}

#[rstest]
#[case::between_messages("", Kind::Closed)]
#[case::inside_a_length("0100", Kind::Closed)]
#[case::inside_a_message("02000000 03000000 02", Kind::Closed)]
#[case::negative_length("ffffffff", Kind::Protocol)]
#[case::smallest_length("00000080", Kind::Protocol)]
#[case::one_above_the_limit("01000004", Kind::Protocol)]
#[case::largest_length("ffffff7f", Kind::Protocol)]
fn what_came_whole_comes_before_the_end(#[case] end: &str, #[case] kind: Kind) {
    let mut client = Client::v2();
    let root = client.asks(Operation::GetRootPath(AgentType::OTTER));
    let session = client.asks(open_session(0));
    client.hears(&format!("{UNSOLICITED} {OTTER_ROOT} 00000000 c9000000 {end}"));
    client.hears_the_end();
    assert_eq!(client.outcomes()[..1], [(root, path("/o"))]);
    assert!(client.connection.is_over() && !client.connection.wants_input());
    let asked: Vec<_> = (0..4).map(|_| client.asks(Operation::Receive)).collect();
    let outcomes = client.outcomes();
    assert_eq!(outcomes[..2], [(asked[0], message(200, "aabb")), (asked[1], message(201, ""))]);
    for (_, outcome) in &outcomes[2..] {
        assert_eq!(outcome.as_ref().map_err(|failure| failure.kind), Err(kind));
    }
    for operation in [send(AgentType::META, 1, ""), Operation::Close, open_session(0), Operation::Close] {
        let id = client.asks(operation);
        assert_eq!(client.kinds(), [(id, Err(kind))]);
    }
    let _ = session;
}

/// 64 MiB is not too much (FRM-6).
#[test]
fn a_length_at_the_limit_is_waited_for() {
    let mut client = Client::v2();
    client.hears("00000004 c8000000 00");
    assert!(!client.connection.is_over() && client.connection.wants_input());
}

#[test]
fn close_goes_out_after_what_was_given_before() {
    let mut client = Client::v2();
    client.stuck = true;
    let sent = client.asks(send(AgentType::META, 1, "aa"));
    let closed = client.asks(Operation::Close);
    let late = client.asks(send(AgentType::META, 2, ""));
    assert_eq!(client.kinds(), [(late, Err(Kind::Usage))]);
    assert!(!client.connection.ends_output());
    client.stuck = false;
    client.settle(NOW);
    assert_eq!(client.sent(), bytes("01000000 01000000 aa"));
    assert_eq!(client.outcomes(), [(sent, Ok(Answer::Done)), (closed, Ok(Answer::Done))]);
    assert!(client.connection.is_over() && client.connection.failure().is_none());
    let after = client.asks(Operation::Close);
    assert_eq!(client.kinds(), [(after, Err(Kind::Usage))]);
}

#[test]
fn an_agent_that_ends_while_the_client_closes_leaves_nothing_undone() {
    let mut client = Client::v2();
    let received = client.asks(Operation::Receive);
    let closed = OperationId(77);
    client.connection.perform(closed, Operation::Close, TIMEOUT, NOW);
    assert!(client.connection.ends_output());
    client.hears_the_end();
    let outcomes = client.kinds();
    assert!(outcomes.contains(&(closed, Ok(()))), "{outcomes:?}");
    assert!(outcomes.contains(&(received, Err(Kind::Closed))), "{outcomes:?}");
    assert!(client.connection.is_over());
}

#[test]
fn after_close_answers_may_still_come() {
    let mut client = Client::v2();
    let root = client.asks(Operation::GetRootPath(AgentType::OTTER));
    let received = client.asks(Operation::Receive);
    client.asks(Operation::Close);
    assert!(!client.connection.is_over() && client.connection.wants_input());
    client.hears(OTTER_ROOT);
    assert!(!client.connection.is_over());
    client.hears_the_end();
    let outcomes = client.outcomes();
    assert_eq!(outcomes[1], (root, path("/o")));
    assert!(matches!(&outcomes[2], (id, Err(Failure { kind: Kind::Closed, .. })) if *id == received));
    assert!(client.connection.is_over());
}

#[test]
fn an_agent_that_takes_nothing_more_can_still_be_heard() {
    let mut client = Client::v2();
    client.stuck = true;
    let sent = client.asks(send(AgentType::META, 1, "aa"));
    client.connection.handle_output_failure(Failure::new(Kind::Closed, "reset"));
    let after = client.asks(send(AgentType::META, 1, "aa"));
    assert_eq!(client.kinds(), [(sent, Err(Kind::Closed)), (after, Err(Kind::Closed))]);
    client.hears(UNSOLICITED);
    let received = client.asks(Operation::Receive);
    assert_eq!(client.outcomes(), [(received, message(200, "aabb"))]);
    assert!(client.connection.output().is_empty() && !client.connection.is_over());
}

#[test]
fn nothing_more_is_read_while_too_much_waits_to_be_received() {
    let mut client = Client::v2();
    let large = [bytes("00000001 c8000000"), vec![7; 16 << 20]].concat();
    for _ in 0..3 {
        client.hears_bytes(&large, NOW);
        assert!(client.connection.wants_input());
    }
    client.hears_bytes(&large, NOW);
    assert!(!client.connection.wants_input());
    client.asks(Operation::Receive);
    assert!(client.connection.wants_input());
}
