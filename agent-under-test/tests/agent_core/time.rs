//! When the agent gives up, and when it does not.

use std::time::Duration;

use iaspec_reference::agent::core::{Connection, End, Versions};
use proptest::prelude::*;

use crate::support::*;

const ACCEPTED: Duration = Duration::from_secs(100);
const NANOSECOND: Duration = Duration::from_nanos(1);

#[test]
fn a_silent_client_is_cut_off_at_the_timeout_and_not_before() {
    let mut connection = Connection::new(policy(Versions::BOTH), ACCEPTED);
    assert_eq!(connection.deadline(), Some(ACCEPTED + TIMEOUT));
    connection.handle_time(ACCEPTED + TIMEOUT - NANOSECOND);
    assert_eq!(connection.end(), None);
    connection.handle_time(ACCEPTED + TIMEOUT);
    assert_eq!(connection.end(), Some(&End::HandshakeTimeout(TIMEOUT)));
    assert!(connection.is_over() && connection.output().is_empty());
}

#[test]
fn an_idle_connection_stays_open_for_ever() {
    let mut client = Client::new(Versions::BOTH, ACCEPTED);
    let mut sessions = no_sessions();
    client.send(&bytes(OFFER_BOTH), &mut sessions, ACCEPTED);
    assert_eq!(client.connection.deadline(), None);
    let much_later = ACCEPTED + Duration::from_secs(365 * 86_400);
    client.connection.handle_time(much_later);
    client.send(&bytes("01000000 03000000 01"), &mut sessions, much_later);
    assert_eq!(client.received, bytes(&format!("{PICKED_2000} {OTTER_ROOT}")));
}

#[test]
fn answers_that_nobody_takes_are_given_up_half_a_minute_after_the_last_that_was() {
    let mut connection = Connection::new(policy(Versions::BOTH), ACCEPTED);
    connection.handle_input(&bytes(&format!("{OFFER_BOTH} 01000000 03000000 01 ffffffff")), ACCEPTED);
    assert_eq!(connection.deadline(), Some(ACCEPTED + Duration::from_secs(30)));
    let later = ACCEPTED + Duration::from_secs(20);
    connection.handle_sent(9, later);
    connection.handle_time(later + Duration::from_secs(30) - NANOSECOND);
    assert!(!connection.is_over() && connection.output() == bytes(OTTER_ROOT));
    connection.handle_time(later + Duration::from_secs(30));
    assert!(connection.is_over() && connection.output().is_empty());
}

/// Times in milliseconds, in order, at which the bytes of a handshake come.
fn arrivals() -> impl Strategy<Value = Vec<u64>> {
    proptest::collection::vec(0_u64..33_000, 24).prop_map(|mut times| {
        times.sort_unstable();
        times
    })
}

proptest! {
    /// Byte by byte: complete before the timeout is acknowledged, however late the last byte; else cut off
    /// without a byte, however little is missing. The timer may be looked at late: bytes then find it over.
    #[test]
    fn a_handshake_is_acknowledged_exactly_if_it_is_complete_in_time(
        arrivals in arrivals(),
        timer_is_late in any::<bool>(),
    ) {
        let mut client = Client::new(Versions::BOTH, ACCEPTED);
        let mut sessions = no_sessions();
        for (byte, arrival) in bytes(OFFER_BOTH).chunks(1).zip(&arrivals) {
            let now = ACCEPTED + Duration::from_millis(*arrival);
            if !timer_is_late && client.connection.deadline().is_some_and(|deadline| deadline <= now) {
                client.connection.handle_time(now);
            }
            client.send(byte, &mut sessions, now);
        }
        let in_time = Duration::from_millis(*arrivals.last().unwrap()) < TIMEOUT;
        let expected = if in_time { bytes(PICKED_2000) } else { Vec::new() };
        prop_assert_eq!(&client.received, &expected);
        prop_assert_eq!(client.end().is_none(), in_time);
    }
}
