//! Lengths that are none, messages of 64 MiB, and answers that nobody takes.

use iaspec_reference::host::core::{Host, MAX_DATA, MAX_HELD, Task};
use rstest::rstest;

use crate::support::{START, bytes, millis, sent};

const MIB: usize = 1 << 20;

#[rstest]
#[case::negative("ffffffff")]
#[case::the_most_negative("00000080")]
#[case::one_above_the_limit("41000004")]
#[case::the_largest("ffffff7f")]
fn a_length_that_is_none_ends_the_session(#[case] length: &str) {
    assert_eq!(MAX_DATA, 0x0400_0040);
    let mut host = Host::new();
    host.handle_input(&bytes(&format!("04000000 65000000 01000000 {length}")), START);
    assert_eq!(sent(&mut host), bytes("05000000 65000000 01000000 00"), "what came before is served");
    assert!(matches!(host.take_task(), Some(Task::GiveUp(_))));
    assert!(!host.is_reading());
}

#[test]
fn an_echo_of_64_mib() {
    let mut host = Host::new();
    let body: Vec<u8> = (0..64 * MIB).map(|index| index.to_le_bytes()[0]).collect();
    host.handle_input(&bytes("04000004 65000000 07000000"), START);
    for piece in body.chunks(100_000) {
        assert!(host.output().is_empty());
        host.handle_input(piece, START);
    }
    assert!(!host.is_reading(), "as long as it waits to be sent");
    let answer = sent(&mut host);
    assert_eq!(answer[..13], bytes("05000004 65000000 07000000 00"));
    assert!(answer[13..] == body);
    assert!(host.is_reading());
}

#[test]
fn what_is_sunk_counts_once_it_is_whole() {
    let mut host = Host::new();
    host.handle_input(&bytes("0d000000 6d000000 01000000 313233343536373839"), START);
    // Of the second, the last byte is missing for a while.
    host.handle_input(&bytes("06000000 6d000000 02000000 30"), START);
    assert_eq!(sent(&mut host), [0_u8; 0]);
    host.handle_input(&bytes("30 04000000 6e000000 03000000"), START);
    // CRC-32 of "12345678900" is 249dd478 (Python's zlib).
    let expected = "19000000 6e000000 03000000 00 0200000000000000 0b00000000000000 78d49d24";
    assert_eq!(hex::encode(sent(&mut host)), hex::encode(bytes(expected)));
}

#[test]
fn a_burst_of_2_gib_takes_no_memory_and_requests_are_read_meanwhile() {
    let mut host = Host::new();
    host.handle_input(&bytes("0c000000 67000000 01000000 ffffff7f f6ffff7f"), START);
    assert!(host.is_reading());
    let start = host.output().to_vec();
    assert!(start.len() <= 128 << 10);
    assert_eq!(start[..21], bytes("ffffff7f 67000000 01000000 00 00000000 00010203"));
    host.handle_sent(start.len());
    let offset = start.len() - 17;
    assert_eq!(host.output()[0], offset.to_le_bytes()[0], "the value goes on where it was");
}

#[test]
fn delayed_answers_are_bounded_and_reading_goes_on_when_they_are_sent() {
    let mut host = Host::new();
    let mut request = bytes("08001000 66000000 01000000 10270000");
    request.extend(vec![0; MIB]);
    let mut count = 0;
    while host.is_reading() {
        host.handle_input(&request, START);
        count += 1;
    }
    assert_eq!(count, MAX_HELD / MIB);
    host.handle_timeout(millis(10_000));
    assert!(!host.is_reading());
    assert_eq!(sent(&mut host).len(), count * (MIB + 13));
    assert!(host.is_reading());
}
