//! Operations that take too long, in virtual time.

use std::time::Duration;

use iaspec_reference::client::core::{Answer, Kind, Operation};
use iaspec_reference::protocol::AgentType;
use rstest::rstest;

use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);
const SHORTLY: Duration = Duration::from_nanos(1);

#[rstest]
#[case::nothing("")]
#[case::a_part_of_it("00 d0070000 330000")]
fn an_acknowledgement_that_does_not_come_in_time_ends_the_connection(#[case] heard: &str) {
    let mut client = Client::new(terms(range(1000, 2000)));
    client.hears_bytes(&bytes(heard), TIMEOUT - SECOND);
    assert_eq!(client.connection.deadline(), Some(TIMEOUT));
    client.connection.handle_time(TIMEOUT - SHORTLY);
    assert_eq!(client.kinds(), []);
    client.connection.handle_time(TIMEOUT);
    assert_eq!(client.kinds(), [(CONNECT, Err(Kind::Timeout))]);
    assert!(client.connection.is_over());
    let again = client.asks(Operation::Receive);
    assert_eq!(client.kinds(), [(again, Err(Kind::Timeout))]);
}

#[test]
fn an_idle_connection_has_no_deadline() {
    assert_eq!(Client::v2().connection.deadline(), None);
}

#[test]
fn a_receive_that_times_out_loses_nothing() {
    let mut client = Client::v2();
    let first = client.asks_within(Operation::Receive, 2 * SECOND, NOW);
    let second = client.asks_within(Operation::Receive, SECOND, NOW);
    assert_eq!(client.connection.deadline(), Some(SECOND));
    client.connection.handle_time(SECOND);
    assert_eq!(client.kinds(), [(second, Err(Kind::Timeout))]);
    client.connection.handle_time(2 * SECOND);
    assert_eq!(client.kinds(), [(first, Err(Kind::Timeout))]);
    client.hears(UNSOLICITED);
    let third = client.asks(Operation::Receive);
    assert_eq!(client.outcomes(), [(third, message(200, "aabb"))]);
}

#[test]
fn no_time_at_all_is_enough_for_what_is_there() {
    let mut client = Client::v2();
    let nothing = client.asks_within(Operation::Receive, Duration::ZERO, NOW);
    assert_eq!(client.kinds(), [(nothing, Err(Kind::Timeout))]);
    client.hears(UNSOLICITED);
    let there = client.asks_within(Operation::Receive, Duration::ZERO, NOW);
    assert_eq!(client.outcomes(), [(there, message(200, "aabb"))]);
}

#[test]
fn a_late_answer_is_dropped_and_the_next_request_gets_the_next() {
    let mut client = Client::v2();
    let late = client.asks_within(Operation::GetRootPath(AgentType::OTTER), SECOND, NOW);
    client.connection.handle_time(SECOND);
    assert_eq!(client.kinds(), [(late, Err(Kind::Timeout))]);
    let next = client.asks(Operation::GetRootPath(AgentType::BUILDMASTER));
    client.hears(&format!("{OTTER_ROOT} {BUILDMASTER_ROOT}"));
    assert_eq!(client.outcomes(), [(next, path("/b"))]);
    let nothing = client.asks_within(Operation::Receive, Duration::ZERO, NOW);
    assert_eq!(client.kinds(), [(nothing, Err(Kind::Timeout))]);
}

/// What was begun is sent to its end; what was not leaves no trace, and no answer to it is waited for.
#[test]
fn an_agent_that_does_not_read_holds_nothing_up_for_ever() {
    let mut client = Client::v2();
    client.stuck = true;
    let large = Operation::Send {
        target: Ok(AgentType::META),
        command: iaspec_reference::protocol::Command(5),
        data: vec![7; 100_000].into(),
    };
    let begun = client.asks_within(large, SECOND, NOW);
    client.connection.handle_sent(10, NOW);
    let root = client.asks_within(Operation::GetRootPath(AgentType::OTTER), SECOND, NOW);
    let closed = client.asks_within(Operation::Close, SECOND, NOW);
    assert!(client.connection.is_closing());
    client.connection.handle_time(SECOND);
    let timeout = Err(Kind::Timeout);
    assert_eq!(client.kinds(), [(begun, timeout), (root, timeout), (closed, timeout)]);
    assert!(!client.connection.is_closing());
    assert_eq!(client.connection.output().len(), 100_008 - 10);
    client.stuck = false;
    client.settle(SECOND);
    assert_eq!(client.sent().len(), 100_008 - 10);
    let next = client.asks(Operation::GetRootPath(AgentType::BUILDMASTER));
    client.hears(BUILDMASTER_ROOT);
    assert_eq!(client.outcomes(), [(next, path("/b"))]);
}

#[test]
fn a_close_that_cannot_be_sent_in_time_closes_without_the_rest() {
    let mut client = Client::v2();
    client.stuck = true;
    let sent = client.asks(send(AgentType::META, 1, "aa"));
    let closed = client.asks_within(Operation::Close, SECOND, NOW);
    client.connection.handle_time(SECOND);
    assert_eq!(client.kinds(), [(closed, Err(Kind::Timeout))]);
    assert!(client.connection.is_over() && client.connection.is_closing());
    client.connection.handle_time(TIMEOUT);
    assert_eq!(client.kinds(), [(sent, Err(Kind::Timeout))]);
}

#[test]
fn a_time_without_end_is_no_deadline() {
    let mut client = Client::v2();
    let id = client.asks_within(Operation::Receive, Duration::MAX, SECOND);
    assert_eq!(client.connection.deadline(), None);
    client.hears(UNSOLICITED);
    assert_eq!(client.outcomes(), [(id, message(200, "aabb"))]);
    let sent = client.asks(send(AgentType::META, 1, ""));
    assert_eq!(client.outcomes(), [(sent, Ok(Answer::Done))]);
}
