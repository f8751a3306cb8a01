//! Hosts that misbehave: each fails for what it does, costs bounded memory and time, and leaves nothing behind.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use iaspec_harness::event::Tally;
use iaspec_harness::verdict::Outcome;
use rstest::rstest;
use support::hosts::run;

#[test]
fn a_good_host_passes() {
    let seen = run("good");
    assert_eq!(seen.tally, Tally { passed: 4, ..Tally::default() }, "{:?}", seen.problems());
    assert_eq!(seen.warnings(), Vec::<&str>::new());
}

/// The first problem of each case: what was wrong, and what came instead.
fn told(behaviour: &str) -> Vec<(String, String)> {
    let seen = run(behaviour);
    assert_eq!(seen.tally.errors, 0, "it runs, so it is judged: {:?}", seen.problems());
    let problem = |name: &str| {
        let case = seen.case(name);
        let problem = case.problems.first();
        problem.map_or((String::new(), String::new()), |problem| {
            (problem.summary.clone(), problem.actual.clone())
        })
    };
    ["echo", "pieces", "idle", "refused"].map(problem).into()
}

#[rstest]
#[case::ends_at_once("ends-at-once", "it exited with status 7")]
#[case::crashes_at_once("crashes-at-once", "it exited with status 101")]
#[case::never_attaches("never-attaches", "it did nothing to the segment")]
#[case::writes_gigabytes_to_its_log("writes-gigabytes-to-its-log", "it did nothing to the segment")]
fn a_host_that_does_not_attach_fails_everything(#[case] behaviour: &str, #[case] actual: &str) {
    let told = told(behaviour);
    for (summary, found) in &told[..3] {
        assert_eq!((summary.as_str(), found.as_str()), ("the host did not attach", actual));
    }
    // Not even its refusals are such.
    assert!(told[3].0.starts_with("the host "), "{told:?}");
}

const LATE: &str = "what was awaited did not come in time";
const OTHER: &str = "field `length` differs";
const STUCK: &str = "the subject reads no further";

#[rstest]
#[case::mute("mute", LATE, STUCK)]
#[case::dies_once_attached("dies-once-attached", "the connection was left behind: the process ended", "the ")]
#[case::spews("spews", OTHER, "")]
#[case::huge_length("huge-length", OTHER, STUCK)]
#[case::negative_length("negative-length", OTHER, STUCK)]
#[case::counts_too_much("written-excess", "the connection was broken off (the segment is broken: ring", "")]
#[case::counts_backwards(
    "written-backwards",
    "the connection was broken off (the segment is broken: the count",
    ""
)]
#[case::has_read_too_much("read-excess", LATE, "the connection was broken off (ring agent to host: ")]
#[case::state_that_is_none(
    "state-that-is-none",
    "the connection was broken off (the segment is broken: the state is 77",
    ""
)]
#[case::wrong_status("wrong-status", "field `data` differs", "field `data` differs")]
#[case::cuts_answers_short("cuts-answers-short", LATE, LATE)]
#[case::dies_after_an_answer(
    "dies-after-an-answer",
    "the connection was left behind: the process ended",
    "the connection was left behind"
)]
fn a_host_that_breaks_its_promises_fails_what_it_has_to_answer(
    #[case] behaviour: &str,
    #[case] echo: &str,
    #[case] pieces: &str,
) {
    let told = told(behaviour);
    assert!(told[0].0.starts_with(echo), "{told:?}");
    assert!(!told[1].0.is_empty() && told[1].0.starts_with(pieces), "{told:?}");
    // It refuses well.
    assert_eq!(told[3].0, "");
}

#[rstest]
#[case::ignores_closing("ignores-closing", "the host did not finish", "its ring is still open")]
#[case::lives_on("says-closed-and-lives-on", "the host did not end", "it still runs")]
#[case::never_says_closed("never-says-closed", "the host did not finish", "state 2")]
#[case::closes_nothing("closes-nothing", "the host did not finish", "it is open")]
#[case::ends_with_another_code(
    "ends-with-another-code",
    "the host ended in another way",
    "it exited with status 5"
)]
#[case::leaves_a_child("leaves-a-child", "the host left processes behind", "sleep")]
fn a_host_that_does_not_finish_fails_every_case_in_which_it_has_to(
    #[case] behaviour: &str,
    #[case] summary: &str,
    #[case] actual: &str,
) {
    let told = told(behaviour);
    for (found, came) in &told[..2] {
        assert_eq!((found.as_str(), came.as_str()), (summary, actual), "{told:?}");
    }
    assert_eq!(told[3].0, "");
}

#[test]
fn an_answer_too_many_is_found_at_the_end() {
    let told = told("answers-twice");
    // The echo at the end is answered by what is left of the first.
    assert!(told[0].0.starts_with(OTHER), "{told:?}");
    assert_eq!((told[2].0.as_str(), told[3].0.as_str()), ("", ""));
}

#[rstest]
#[case::attaches_to_everything(
    "attaches-to-everything",
    "the host changed a segment that it must not attach to",
    "another byte at offset 0x18"
)]
#[case::spoils_before_it_refuses(
    "spoils-before-it-refuses",
    "the host changed a segment that it must not attach to",
    "another byte at offset 0x18"
)]
#[case::refuses_with_another_code(
    "refuses-with-another-code",
    "the host ended in another way",
    "it exited with status 1"
)]
fn a_host_that_refuses_badly_fails_the_refusal(
    #[case] behaviour: &str,
    #[case] summary: &str,
    #[case] actual: &str,
) {
    let seen = run(behaviour);
    let case = seen.case("refused");
    assert_eq!(case.outcome, Outcome::Fail);
    let problem = &case.problems[0];
    assert_eq!((problem.summary.as_str(), problem.actual.as_str()), (summary, actual));
}

#[test]
fn a_host_that_crashes_shows_its_log() {
    let seen = run("crashes-at-once");
    let log = seen.case("echo").log.as_deref().expect("a log");
    assert!(log.contains("it crashed"), "{log}");
}
