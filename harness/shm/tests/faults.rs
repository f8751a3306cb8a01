//! Peers that break their promises, and waits: what each end makes of them.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::{Duration, Instant};

use iaspec_shm::raw::{Flag, HeaderField, Raw};
use iaspec_shm::{Direction, Error, Plan, Side, State, Wait};

mod support;

use support::{Pair, pair, pair_with, plan};

use Direction::{AgentToHost, HostToAgent};

/// Long enough to be asleep by then; nothing depends on it.
const ASLEEP: Duration = Duration::from_millis(20);
/// A test that takes this long has failed to end a wait.
const PATIENCE: Duration = Duration::from_secs(60);

fn patiently() -> Wait {
    Wait::at_most(PATIENCE)
}

#[test]
fn a_count_that_runs_backwards_is_told_with_who_wrote_it() {
    let Pair { segment, mut from_host, mut to_host, to_agent: _to_agent, from_agent: _from_agent, .. } =
        pair(64);
    let raw = Raw::of(&segment);
    raw.publish(HostToAgent, 5);
    assert_eq!(from_host.try_read(&mut [0; 64]).unwrap(), Some(5));
    raw.publish(HostToAgent, 3);
    let error = from_host.try_read(&mut [0; 64]).unwrap_err();
    let told = "the segment is broken: the count of the producer of the ring host to agent ran backwards, from 5 to 3";
    assert_eq!(error.to_string(), told);

    assert_eq!(to_host.try_write(&[0; 64]).unwrap(), 64);
    raw.set_counter(AgentToHost, Side::Consumer, 20);
    assert_eq!(to_host.try_write(&[0; 64]).unwrap(), 20);
    raw.set_counter(AgentToHost, Side::Consumer, 19);
    let error = to_host.try_write(&[0; 64]).unwrap_err();
    let told = "the segment is broken: the count of the consumer of the ring agent to host ran backwards, from 20 to 19";
    assert_eq!(error.to_string(), told);
}

#[test]
fn more_bytes_than_the_ring_holds_or_than_were_written_are_refused() {
    let Pair { segment, mut from_host, mut to_host, to_agent: _to_agent, from_agent: _from_agent, .. } =
        pair(64);
    let raw = Raw::of(&segment);
    raw.publish(HostToAgent, 65);
    let error = from_host.read(&mut [0; 64], &patiently()).unwrap_err();
    let told =
        "the segment is broken: ring host to agent: 65 bytes written and 0 read do not fit a ring of 64";
    assert_eq!(error.to_string(), told);

    assert_eq!(to_host.try_write(&[0; 64]).unwrap(), 64);
    raw.set_counter(AgentToHost, Side::Consumer, 65);
    let error = to_host.write_all(&[0], &patiently()).unwrap_err();
    let told =
        "the segment is broken: ring agent to host: 64 bytes written and 65 read do not fit a ring of 64";
    assert_eq!(error.cause.to_string(), told);
}

#[test]
fn counts_that_contradict_each_other_from_the_beginning_give_no_ends() {
    let segment = iaspec_shm::Segment::create(&plan(64)).unwrap();
    Raw::of(&segment).set_counter(AgentToHost, Side::Consumer, 1);
    assert!(matches!(segment.take_ends(), Err(Error::Broken(_))));
}

#[test]
fn a_state_that_is_none_is_refused_by_whoever_looks_at_it() {
    let Pair { segment, mut from_agent, mut from_host, mut to_host, to_agent: _to_agent, .. } = pair(64);
    Raw::of(&segment).set_header(HeaderField::State, 4);
    let told = "the segment is broken: the state is 4, expected 0 to 3";
    assert_eq!(segment.is_attached().unwrap_err().to_string(), told);
    assert_eq!(from_agent.read(&mut [0], &patiently()).unwrap_err().to_string(), told);
    assert_eq!(from_host.read(&mut [0], &patiently()).unwrap_err().to_string(), told);
    assert_eq!(to_host.write_all(&[0], &patiently()).unwrap_err().cause.to_string(), told);
}

#[test]
fn a_host_that_has_finished_neither_sends_nor_reads_whatever_its_rings_say() {
    let Pair { segment, host, mut from_host, mut to_host, mut to_agent, from_agent: _from_agent } = pair(64);
    to_agent.write_all(b"last", &patiently()).unwrap();
    host.link().set_closed();
    assert_eq!(segment.link().state().unwrap(), State::Closed);
    let error = to_host.write_all(b"x", &patiently()).unwrap_err();
    assert!(matches!(error.cause, Error::PeerClosed { .. }), "{error}");
    assert_eq!(from_host.read(&mut [0; 64], &patiently()).unwrap(), 4);
    assert_eq!(from_host.read(&mut [0; 64], &patiently()).unwrap(), 0);
}

#[test]
fn a_host_goes_on_sending_while_it_finishes() {
    let Pair { segment, mut to_agent, mut from_host, to_host: _to_host, from_agent: _from_agent, .. } =
        pair(64);
    segment.link().request_close();
    let answer: Vec<u8> = (0..200).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            to_agent.write_all(&answer, &patiently()).unwrap();
            to_agent.close();
        });
        let mut received = Vec::new();
        let mut buffer = [0; 64];
        while let read @ 1.. = from_host.read(&mut buffer, &patiently()).unwrap() {
            received.extend_from_slice(&buffer[..read]);
        }
        assert_eq!(received, answer);
    });
}

/// Runs a wait on a thread of its own, lets it fall asleep, and does something that shall end it.
fn ended<T: Send>(wait: impl FnOnce() -> T + Send, end: impl FnOnce()) -> T {
    std::thread::scope(|scope| {
        let waiting = scope.spawn(wait);
        std::thread::sleep(ASLEEP);
        end();
        waiting.join().unwrap()
    })
}

#[test]
fn a_request_to_close_ends_a_hosts_sleep() {
    let Pair { segment, mut from_agent, to_host: _to_host, .. } = pair(64);
    let outcome = ended(move || from_agent.read(&mut [0], &patiently()), || segment.link().request_close());
    assert!(matches!(outcome, Err(Error::Closing)), "{outcome:?}");
}

#[test]
fn closing_ends_the_sleep_of_reader_and_writer() {
    let Pair { mut from_agent, to_host, mut to_agent, from_host, .. } = pair(64);
    let outcome = ended(move || from_agent.read(&mut [0], &patiently()), || to_host.close());
    assert_eq!(outcome.unwrap(), 0);
    let outcome = ended(move || to_agent.write_all(&[0; 100], &patiently()), || from_host.close());
    let error = outcome.unwrap_err();
    assert!(matches!((error.written, error.cause), (64, Error::PeerClosed { .. })));
}

#[test]
fn a_peer_that_never_rings_is_polled() {
    let Pair { segment, mut from_host, to_agent: _to_agent, .. } = pair_with(&plan(64), false, |_| {});
    let raw = Raw::of(&segment);
    raw.store(HostToAgent, 0, b"byte");
    assert_eq!(raw.fetch(HostToAgent, 0, 4), b"byte");
    let mut buffer = [0; 8];
    // The count alone, no bell.
    let read = ended(
        || from_host.read(&mut buffer, &patiently()),
        || raw.set_counter(HostToAgent, Side::Producer, 4),
    );
    assert_eq!((read.unwrap(), &buffer[..4]), (4, &b"byte"[..]));
}

#[test]
fn a_sleeper_says_that_it_waits_until_it_is_woken() {
    let Pair { segment, mut from_host, mut to_agent, .. } = pair(64);
    let raw = Raw::of(&segment);
    let waits = || raw.flag(HostToAgent, Side::Consumer, Flag::Waits);
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let read = from_host.read(&mut [0; 8], &patiently());
            (read, from_host)
        });
        let began = Instant::now();
        while waits() == 0 && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(waits(), 1);
        to_agent.write_all(b"x", &patiently()).unwrap();
        let (read, _from_host) = reading.join().unwrap();
        assert_eq!(read.unwrap(), 1);
        assert_eq!(waits(), 0);
    });
}

#[test]
fn a_sender_that_does_not_ring_is_heard_all_the_same() {
    let silent = Plan { rings: false, ..plan(64) };
    let Pair { mut to_host, mut from_agent, .. } = pair_with(&silent, true, |_| {});
    let mut buffer = [0; 8];
    let read = ended(
        || from_agent.read(&mut buffer, &patiently()),
        || to_host.write_all(b"x", &patiently()).unwrap(),
    );
    assert_eq!(read.unwrap(), 1);
}

#[test]
fn an_interruption_ends_a_writers_wait_and_says_how_much_went() {
    let Pair { mut to_host, from_agent: _from_agent, .. } = pair(64);
    let interrupter = to_host.interrupter();
    let outcome = ended(|| to_host.write_all(&[0; 100], &patiently()), || interrupter.interrupt());
    let error = outcome.unwrap_err();
    assert!(matches!((error.written, error.cause), (64, Error::Interrupted)));
    // It ends one wait, and no more.
    let outcome = to_host.write_all(&[0], &Wait::at_most(Duration::from_millis(1)));
    assert!(matches!(outcome.unwrap_err().cause, Error::Deadline));
}

#[test]
fn interruptions_at_any_moment_are_noticed() {
    let Pair { mut from_host, to_agent: _to_agent, .. } = pair(64);
    let interrupter = from_host.interrupter();
    std::thread::scope(|scope| {
        let (tell, told) = std::sync::mpsc::channel();
        scope.spawn(move || {
            for moment in 0..500 {
                told.recv().unwrap();
                // Before the spin, within it, and about when sleep begins.
                let pause = Duration::from_micros(moment % 50);
                let began = Instant::now();
                while began.elapsed() < pause {
                    std::hint::spin_loop();
                }
                interrupter.interrupt();
            }
        });
        for _ in 0..500 {
            tell.send(()).unwrap();
            let outcome = from_host.read(&mut [0], &patiently());
            assert!(matches!(outcome, Err(Error::Interrupted)), "{outcome:?}");
        }
    });
}

#[test]
fn a_readable_ring_is_waited_for_without_reading_it() {
    let Pair { mut from_host, mut to_agent, .. } = pair(64);
    let error = from_host.wait_readable(&Wait::at_most(Duration::from_millis(1))).unwrap_err();
    assert!(matches!(error, Error::Deadline), "{error}");
    ended(|| from_host.wait_readable(&patiently()), || to_agent.write_all(b"xy", &patiently()).unwrap())
        .unwrap();
    assert_eq!(from_host.try_read(&mut [0; 8]).unwrap(), Some(2));
    to_agent.close();
    from_host.wait_readable(&patiently()).unwrap();
    assert_eq!(from_host.try_read(&mut [0; 8]).unwrap(), Some(0));
}

#[test]
fn deadlines_that_have_passed_still_let_through_what_is_there() {
    let Pair { mut from_host, mut to_agent, mut to_host, from_agent: _from_agent, .. } = pair(64);
    let passed = Wait::until(Instant::now());
    to_agent.write_all(b"there", &passed).unwrap();
    assert_eq!(from_host.read(&mut [0; 8], &passed).unwrap(), 5);
    assert!(matches!(from_host.read(&mut [0; 8], &passed), Err(Error::Deadline)));
    let error = to_host.write_all(&[0; 65], &passed).unwrap_err();
    assert!(matches!((error.written, error.cause), (64, Error::Deadline)));
}

#[test]
fn a_spin_does_not_outlast_the_deadline() {
    let Pair { mut from_host, to_agent: _to_agent, .. } = pair(64);
    let wait = Wait::at_most(Duration::from_millis(1)).spin(Duration::MAX);
    assert!(matches!(from_host.read(&mut [0; 8], &wait), Err(Error::Deadline)));
}
