//! The ring against a queue: any interleaving of writes and reads, rings that are tiny, counts that are large.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::VecDeque;

use iaspec_shm::raw::Raw;
use iaspec_shm::{Direction, Error, Side, Wait};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::TestCaseError;

mod support;

use support::{Pair, Stream, pair_with, plan};

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    Read(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec(prop_oneof![(0..150_usize).prop_map(Step::Write), (0..150_usize).prop_map(Step::Read)], 1..200)
}

/// A pair whose ring to the host has carried `count` bytes already.
fn pair_from(capacity: u32, count: u64) -> Pair {
    pair_with(&plan(capacity), true, |segment| {
        let raw = Raw::of(segment);
        for side in [Side::Producer, Side::Consumer] {
            raw.set_counter(Direction::AgentToHost, side, count);
        }
    })
}

/// Runs the steps on ring and queue, then closes the sender and reads the rest.
fn follow(pair: Pair, capacity: usize, steps: &[Step]) -> Result<(), TestCaseError> {
    let Pair { mut to_host, mut from_agent, segment, .. } = pair;
    let (mut stream, mut queue) = (Stream::new(1), VecDeque::new());
    let mut rejected = Vec::new();
    for step in steps {
        match *step {
            Step::Write(length) => {
                // What did not fit comes first the next time.
                rejected.extend(stream.next(length));
                let room = capacity - queue.len();
                let written = to_host.try_write(&rejected).unwrap();
                prop_assert!(written <= room.min(rejected.len()));
                // Up to a quarter of the ring may be read and not given back.
                prop_assert!(written == rejected.len() || room - written < capacity / 4);
                queue.extend(rejected.drain(..written));
            }
            Step::Read(length) => {
                let mut buffer = vec![0; length];
                let read = from_agent.try_read(&mut buffer).unwrap();
                let expected: Vec<u8> = queue.drain(..length.min(queue.len())).collect();
                let nothing_there = expected.is_empty() && length > 0;
                prop_assert_eq!(read, (!nothing_there).then_some(expected.len()));
                prop_assert_eq!(&buffer[..expected.len()], &expected[..]);
            }
        }
    }
    to_host.close();
    let (mut rest, mut buffer) = (Vec::new(), [0; 7]);
    while let read @ 1.. = from_agent.read(&mut buffer, &Wait::forever()).unwrap() {
        rest.extend_from_slice(&buffer[..read]);
    }
    prop_assert_eq!(rest, Vec::from(queue));
    drop(from_agent);
    let raw = Raw::of(&segment);
    let [written, read] =
        [Side::Producer, Side::Consumer].map(|side| raw.counter(Direction::AgentToHost, side));
    prop_assert_eq!(written, read);
    Ok(())
}

fn counts() -> impl Strategy<Value = u64> {
    prop_oneof![0..130_u64, any::<u64>()]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_ring_is_a_queue(steps in steps()) {
        follow(pair_from(64, 0), 64, &steps)?;
    }

    #[test]
    fn a_ring_that_has_carried_much_is_a_queue(steps in steps(), count in (1_u64 << 31)..(1 << 62)) {
        follow(pair_from(128, count), 128, &steps)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_threads_hand_over_all_bytes_in_order(
        writes in vec(vec(0..300_usize, 0..4), 1..40),
        reads in vec(1..300_usize, 1..10),
        agent_rings in any::<bool>(),
        host_rings in any::<bool>(),
        shift in 6..11_u32,
    ) {
        let plan = iaspec_shm::Plan { rings: agent_rings, ..plan(1 << shift) };
        let Pair { mut to_host, mut from_agent, .. } = pair_with(&plan, host_rings, |_| {});
        let total: usize = writes.iter().flatten().sum();
        let read = std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut stream = Stream::new(2);
                for lengths in &writes {
                    let parts: Vec<Vec<u8>> = lengths.iter().map(|length| stream.next(*length)).collect();
                    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
                    to_host.write_all_parts(&parts, &Wait::forever()).unwrap();
                }
            });
            let mut all = Vec::new();
            for length in reads.iter().cycle() {
                let mut buffer = vec![0; *length];
                match from_agent.read(&mut buffer, &Wait::forever()).unwrap() {
                    0 => break,
                    read => all.extend_from_slice(&buffer[..read]),
                }
            }
            all
        });
        prop_assert_eq!(read, Stream::new(2).next(total));
    }

    #[test]
    fn whatever_counts_a_peer_writes_they_are_refused_or_harmless(written in counts(), read in counts()) {
        let pair = pair_with(&plan(64), true, |_| {});
        let Pair { segment, mut to_host, mut from_host, to_agent: _to_agent, from_agent: _from_agent, .. } = pair;
        let raw = Raw::of(&segment);
        raw.set_counter(Direction::HostToAgent, Side::Producer, written);
        raw.set_counter(Direction::AgentToHost, Side::Consumer, read);
        let received = from_host.try_read(&mut [0; 100]);
        let sent = to_host.try_write(&[0; 100]);
        if written <= 64 {
            prop_assert_eq!(received.unwrap(), usize::try_from(written).ok().filter(|written| *written > 0));
        } else {
            prop_assert!(matches!(received, Err(Error::Broken(_))));
        }
        // What the consumer claims is looked at when the ring is full.
        if read <= 64 {
            prop_assert_eq!(sent.unwrap() as u64, 64 + read.min(36));
        } else {
            prop_assert_eq!(sent.unwrap(), 64);
            prop_assert!(matches!(to_host.try_write(&[0]), Err(Error::Broken(_))));
        }
    }
}
