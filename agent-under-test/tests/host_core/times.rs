//! Delayed answers, unsolicited messages, stalls and the end, by virtual time.

use iaspec_reference::host::core::Host;

use crate::support::{START, bytes, millis, sent};

#[test]
fn delayed_answers_come_when_they_are_due_and_others_before() {
    let mut host = Host::new();
    // 500 ms, 200 ms, 200 ms, and an echo.
    host.handle_input(&bytes("09000000 66000000 01000000 f4010000 0a"), START);
    host.handle_input(&bytes("09000000 66000000 02000000 c8000000 0b"), START);
    host.handle_input(&bytes("09000000 71000000 03000000 c8000000 0c"), START);
    host.handle_input(&bytes("04000000 65000000 04000000"), START);
    assert_eq!(
        sent(&mut host),
        bytes("05000000 71000000 03000000 00  05000000 65000000 04000000 00"),
        "at once"
    );
    assert_eq!(host.deadline(), Some(millis(200)));
    host.handle_timeout(millis(199));
    assert_eq!(sent(&mut host), [0_u8; 0], "too early");
    host.handle_timeout(millis(200));
    assert_eq!(
        sent(&mut host),
        bytes("06000000 66000000 02000000 00 0b  01000000 c8000000 0c"),
        "in the order asked for"
    );
    assert_eq!(host.deadline(), Some(millis(500)));
    host.handle_timeout(millis(10_000));
    assert_eq!(sent(&mut host), bytes("06000000 66000000 01000000 00 0a"));
    assert_eq!(host.deadline(), None);
}

#[test]
fn a_delay_counts_from_when_the_request_came() {
    let mut host = Host::new();
    host.handle_input(&bytes("08000000 66000000 01000000 64000000"), millis(3_600_000));
    assert_eq!(host.deadline(), Some(millis(3_600_100)));
}

#[test]
fn a_stalled_host_does_nothing_at_all() {
    let mut host = Host::new();
    host.handle_input(&bytes("08000000 66000000 01000000 0a000000"), START);
    host.handle_input(&bytes("08000000 6c000000 02000000 e8030000  04000000 65000000 03000000"), START);
    assert!(host.is_stalled() && !host.is_reading());
    assert_eq!(host.deadline(), Some(millis(1000)));
    host.handle_timeout(millis(999));
    assert_eq!(sent(&mut host), [0_u8; 0], "not even what is due");
    host.handle_timeout(millis(1000));
    assert_eq!(
        sent(&mut host),
        bytes(
            "09000000 6c000000 02000000 00 e8030000  05000000 65000000 03000000 00
             05000000 66000000 01000000 00"
        )
    );
    assert!(!host.is_stalled() && host.is_reading());
}

#[test]
fn a_host_that_finishes_drops_what_is_delayed_and_serves_the_rest() {
    let mut host = Host::new();
    host.handle_input(&bytes("09000000 66000000 01000000 0a000000 aa"), START);
    host.finish();
    assert_eq!(host.deadline(), None);
    host.handle_input(&bytes("09000000 71000000 02000000 00000000 bb  04000000 65000000 03000000"), START);
    host.handle_timeout(millis(10_000));
    assert_eq!(sent(&mut host), bytes("05000000 71000000 02000000 00  05000000 65000000 03000000 00"));
}

#[test]
fn a_host_that_nobody_hears_still_does_what_it_is_told() {
    let mut host = Host::new();
    host.handle_input(&bytes("04000000 65000000 01000000"), START);
    host.stop_answering();
    host.handle_input(&bytes("0c000000 67000000 01000000 ffffff7f 00000000"), START);
    host.handle_input(&bytes("08000000 6a000000 07000000 2a000000"), START);
    assert_eq!(sent(&mut host), [0_u8; 0]);
    assert!(host.take_task().is_some());
}
