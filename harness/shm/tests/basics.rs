//! The segment in one process: created, attached, bytes both ways, closing, errors.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use iaspec_shm::{Attached, Error, Expected, Place, Plan, Receiver, Segment, Sender, State, Wait};

const NONCE: [u8; 16] = *b"0123456789abcdef";

fn plan(capacity: u32) -> Plan {
    Plan { place: Place::Memory, capacity, session: 7, agent_type: 2, nonce: NONCE, rings: true }
}

fn expected() -> Expected {
    Expected { nonce: NONCE, agent_pid: std::process::id(), session: 7, agent_type: 2 }
}

struct Pair {
    segment: Segment,
    host: Attached,
    agent_ends: (Sender, Receiver),
    host_ends: (Sender, Receiver),
}

fn pair(capacity: u32) -> Pair {
    let segment = Segment::create(&plan(capacity)).unwrap();
    let host = Attached::open(segment.path(), &expected(), true).unwrap();
    segment.wait_attached(&Wait::forever()).unwrap();
    let agent_ends = segment.take_ends().unwrap();
    let host_ends = host.take_ends().unwrap();
    Pair { segment, host, agent_ends, host_ends }
}

#[test]
fn bytes_go_both_ways_through_a_ring_smaller_than_they() {
    let Pair { agent_ends: (mut to_host, mut from_host), host_ends: (mut to_agent, mut from_agent), .. } =
        pair(64);
    let message: Vec<u8> = (0..10_000_u32).map(|index| index.to_le_bytes()[0]).collect();
    let echoed = std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut buffer = [0; 33];
            loop {
                match from_agent.read(&mut buffer, &Wait::forever()).unwrap() {
                    0 => break,
                    read => to_agent.write_all(&buffer[..read], &Wait::forever()).unwrap(),
                }
            }
        });
        scope.spawn(|| {
            to_host.write_all_parts(&[&message[..3], &[], &message[3..]], &Wait::forever()).unwrap();
            to_host.close();
        });
        let (mut echoed, mut buffer) = (Vec::new(), [0; 50]);
        loop {
            match from_host.read(&mut buffer, &Wait::forever()).unwrap() {
                0 => break echoed,
                read => echoed.extend_from_slice(&buffer[..read]),
            }
        }
    });
    assert_eq!(echoed, message);
}

#[test]
fn a_full_ring_takes_nothing_until_room_is_made() {
    let Pair { agent_ends: (mut to_host, _keep), host_ends: (_sender, mut from_agent), .. } = pair(64);
    assert_eq!(to_host.try_write(&[1; 100]).unwrap(), 64);
    assert_eq!(to_host.try_write(&[2; 100]).unwrap(), 0);
    // Room is given back by quarters of the ring.
    let mut buffer = [0; 10];
    assert_eq!(from_agent.try_read(&mut buffer).unwrap(), Some(10));
    assert_eq!(to_host.try_write(&[2; 100]).unwrap(), 0);
    assert_eq!(from_agent.try_read(&mut buffer).unwrap(), Some(10));
    assert_eq!(to_host.try_write(&[2; 100]).unwrap(), 20);
    let timed_out = to_host.write_all(&[3], &Wait::at_most(Duration::from_millis(1))).unwrap_err();
    assert!(matches!(timed_out.cause, Error::Deadline), "{timed_out}");
    assert_eq!(timed_out.written, 0);
}

#[test]
fn an_empty_ring_gives_nothing_then_the_end() {
    let Pair { agent_ends: (mut to_host, _keep), host_ends: (_sender, mut from_agent), .. } = pair(64);
    let mut buffer = [0; 10];
    assert_eq!(from_agent.try_read(&mut buffer).unwrap(), None);
    to_host.write_all(b"last", &Wait::forever()).unwrap();
    drop(to_host);
    assert_eq!(from_agent.try_read(&mut buffer).unwrap(), Some(4));
    assert_eq!(from_agent.read(&mut buffer, &Wait::forever()).unwrap(), 0);
}

#[test]
fn a_sender_learns_that_nobody_reads() {
    let Pair { agent_ends: (mut to_host, _keep), host_ends: (_sender, from_agent), .. } = pair(64);
    from_agent.close();
    let error = to_host.write_all(b"x", &Wait::forever()).unwrap_err();
    assert!(matches!(error.cause, Error::PeerClosed { .. }), "{error}");
}

#[test]
fn the_host_reads_what_is_there_before_it_hears_of_closing() {
    let Pair {
        segment,
        host,
        agent_ends: (mut to_host, mut from_host),
        host_ends: (to_agent, mut from_agent),
    } = pair(64);
    to_host.write_all(b"rest", &Wait::forever()).unwrap();
    segment.link().request_close();
    let mut buffer = [0; 10];
    assert_eq!(from_agent.read(&mut buffer, &Wait::forever()).unwrap(), 4);
    let error = from_agent.read(&mut buffer, &Wait::forever()).unwrap_err();
    assert!(matches!(error, Error::Closing), "{error}");
    drop(to_agent);
    host.link().set_closed();
    assert_eq!(segment.link().state().unwrap(), State::Closed);
    assert_eq!(from_host.read(&mut buffer, &Wait::forever()).unwrap(), 0);
}

#[test]
fn an_interruption_ends_a_wait_asleep_and_the_next_if_none_is_under_way() {
    let Pair { agent_ends: (_to_host, mut from_host), host_ends: _host, .. } = pair(64);
    let interrupter = from_host.interrupter();
    interrupter.interrupt();
    let mut buffer = [0; 10];
    let error = from_host.read(&mut buffer, &Wait::forever()).unwrap_err();
    assert!(matches!(error, Error::Interrupted), "{error}");
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| from_host.read(&mut buffer, &Wait::forever()));
        std::thread::sleep(Duration::from_millis(20));
        interrupter.interrupt();
        assert!(matches!(reading.join().unwrap(), Err(Error::Interrupted)));
    });
}

#[test]
fn ends_are_taken_once() {
    let pair = pair(64);
    assert!(matches!(pair.segment.take_ends(), Err(Error::Taken)));
    assert!(matches!(pair.host.take_ends(), Err(Error::Taken)));
}
