//! Agents that stand still. They have a test program of their own, one after the other: an agent that is stopped excuses
//! what is late in all runs of its process.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use std::sync::{Mutex, PoisonError};

use iaspec_harness::event::Tally;
use rstest::rstest;
use support::agents::{Setup, corpus, run};

/// Held by each test.
static STOPS: Mutex<()> = Mutex::new(());

#[test]
fn an_agent_that_is_stopped_from_outside_fails_no_case() {
    let _alone = STOPS.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = run(&corpus(), &Setup::hostile("is-stopped-for-8s", 8));
    assert_eq!(seen.tally, Tally { passed: 16, ..Tally::default() }, "{:?}", seen.problems());
    let again: Vec<&str> = seen.cases.values().filter_map(|case| case.reason.as_deref()).collect();
    assert!(!again.is_empty());
    for reason in again {
        assert!(reason.contains("alone, because "), "{reason}");
        assert!(reason.contains("the machine held the subject up for "), "{reason}");
    }
}

#[rstest]
#[case("pauses-for-6s")]
#[case("pauses-for-9s")]
fn an_agent_that_stands_still_once_is_one_error_and_fails_no_case(#[case] behaviour: &str) {
    let _alone = STOPS.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = run(&corpus(), &Setup::hostile(behaviour, 8));
    assert_eq!(seen.tally, Tally { passed: 16, errors: 1, ..Tally::default() }, "{:?}", seen.problems());
    let notice = seen.notices.iter().find(|notice| notice.error).expect("an error of the subject");
    assert!(notice.message.starts_with("the subject was silent from "), "{}", notice.message);
    let again = seen.cases.values().filter(|case| case.reason.is_some()).count();
    assert!((1..=16).contains(&again), "{again} tried again: {:?}", seen.problems());
}
