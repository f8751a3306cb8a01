//! Messages larger than the ring, agents that write before they read, and those that never ring.

use std::thread;

use iaspec_shm::Wait;
use rstest::rstest;

use crate::agent::{Host, bytes, plan, wait};

const MIB: usize = 1 << 20;

#[rstest]
#[case::tiny(64, 100_000)]
#[case::usual(4 << 20, 64 * MIB)]
fn a_large_echo_in_pieces(#[case] capacity: u32, #[case] size: usize) {
    let mut host = Host::start(capacity);
    let body: Vec<u8> = (0..size).map(|index| index.to_le_bytes()[1]).collect();
    let mut request = u32::try_from(4 + size).expect("fits").to_le_bytes().to_vec();
    request.extend(bytes("65000000 07000000"));
    host.to_host.write_all_parts(&[&request, &body], &wait()).expect("it takes all before it answers");
    let (command, data) = host.message();
    assert_eq!((command, &data[..5]), (101, &bytes("07000000 00")[..]));
    assert!(data[5..] == body);
}

#[test]
fn requests_are_read_while_answers_wait_for_room() {
    let mut host = Host::start(64);
    // Answers of 1300 bytes wait while their requests are written.
    for _ in 0..100 {
        host.send("04000000 65000000 01000000");
    }
    for _ in 0..100 {
        host.expect("05000000 65000000 01000000 00");
    }
}

#[test]
fn a_burst_through_a_tiny_ring() {
    let mut host = Host::start(64);
    host.send("0c000000 67000000 01000000 64000000 e8030000");
    for sequence in 0..100_u8 {
        host.expect(&format!("f1030000 67000000 01000000 00 {sequence:02x}000000"));
        let value: Vec<u8> =
            (0..1000_usize).map(|index| (usize::from(sequence) + index).to_le_bytes()[0]).collect();
        assert_eq!(host.read(1000), value);
    }
}

#[test]
fn an_agent_that_polls_is_served() {
    let mut polling = plan(64);
    polling.rings = false;
    let mut host = Host::start_as(&polling, |_| {});
    for _ in 0..20 {
        host.serves();
    }
}

#[test]
fn both_directions_at_once() {
    let Host { segment, to_host, from_host, .. } = &mut Host::start(256);
    let link = segment.link().clone();
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..2000_u32 {
                let mut request = bytes("0c000000 65000000");
                request.extend(number.to_le_bytes());
                request.extend([number.to_le_bytes(); 2].concat());
                to_host.write_all(&request, &wait()).expect("room");
            }
        });
        for number in 0..2000_u32 {
            let mut answer = [0; 21];
            let mut there = 0;
            while there < answer.len() {
                there += from_host
                    .read(&mut answer[there..], &Wait::at_most(crate::agent::PATIENCE))
                    .expect("bytes");
            }
            assert_eq!(answer[8..12], number.to_le_bytes(), "in order");
            assert_eq!(answer[13..], [number.to_le_bytes(); 2].concat());
        }
    });
    assert_eq!(link.capacity(), 256);
}
