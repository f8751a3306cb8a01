//! Clients that misbehave: each is named as what it is, costs bounded memory and time, gets no credit for what it did
//! not do, and leaves nothing behind.

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
use support::clients::run;

const GOOD: Tally = Tally {
    contract: 0,
    passed: 13,
    failed: 0,
    differences: 0,
    warnings: 0,
    skipped: 0,
    errors: 0,
    expected_failures: 0,
    unexpected_passes: 0,
    other_failures: 0,
};

#[test]
fn a_good_client_passes() {
    let seen = run("good");
    assert_eq!(seen.tally, GOOD, "{:?}", seen.problems());
    assert_eq!(seen.warnings(), Vec::<&str>::new());
}

#[rstest]
#[case::says_nothing("mute", "before any case, the subject did not do")]
#[case::answers_ok_to_everything("answers-ok", "before any case, the subject did not do")]
#[case::fails_everything("fails-everything", "before any case, the subject did not do")]
#[case::only_says_it_connects("only-says-it-connects", "before any case, the subject did not do")]
#[case::never_says_it_connected("never-says-it-connected", "before any case, the subject did not do")]
fn a_client_that_does_one_thing_to_all_fails_everything(#[case] behaviour: &str, #[case] warning: &str) {
    let seen = run(behaviour);
    assert_eq!(seen.tally.passed, 0, "{:?}", seen.problems());
    assert_eq!(seen.tally.errors, 0, "it runs, so it is judged: {:?}", seen.problems());
    assert!(seen.warnings().iter().any(|told| told.starts_with(warning)), "{:?}", seen.warnings());
}

#[rstest]
#[case::chatters("chatters", "the subject printed a line that is not JSON: `hello`")]
#[case::says_hello("banner", "the subject printed a line that is not JSON: `Hello, I am a client.`")]
#[case::never_ends_a_line("never-ends-a-line", "the subject printed a line of more than 16 MiB")]
fn a_client_that_talks_nonsense_from_the_start_is_one_error(#[case] behaviour: &str, #[case] reason: &str) {
    let seen = run(behaviour);
    assert_eq!(seen.tally, Tally { errors: 13, ..Tally::default() }, "{:?}", seen.problems());
    let first = seen.reason("good-0").to_owned();
    assert!(first.starts_with("asked a first question, ") && first.contains(reason), "{first}");
    assert!(seen.cases.values().all(|case| case.reason.as_deref() == Some(&first)), "{:?}", seen.problems());
}

#[test]
fn a_client_that_stands_still_once_is_one_error_and_fails_no_case() {
    let seen = run("pauses-once");
    assert_eq!(seen.tally, Tally { passed: 13, errors: 1, ..Tally::default() }, "{:?}", seen.problems());
    let notice = seen.notices.iter().find(|notice| notice.error).expect("an error of the subject");
    assert!(notice.message.starts_with("the subject was silent from "), "{}", notice.message);
    assert!(notice.message.contains(" s of the run, and not again; "), "{}", notice.message);
    let again = seen.cases.values().filter(|case| case.reason.is_some());
    let again: Vec<&str> = again.filter_map(|case| case.reason.as_deref()).collect();
    assert!(!again.is_empty());
    for reason in again {
        assert!(reason.contains("tried again once, alone, because the subject was silent from"), "{reason}");
    }
}

#[rstest]
#[case("crashes-on-poison", "the subject exited with status 3, with only this case under way")]
#[case(
    "stops-making-sense-on-poison",
    "the subject printed a line that is no answer (it has both `ok` and `error`)"
)]
#[case(
    "answers-what-was-not-asked-on-poison",
    "the subject answered id 1000000, which was not asked or is answered already"
)]
#[case("answers-twice-on-poison", "which was not asked or is answered already")]
#[case("hangs-on-poison", "the subject did not do on a connection of its own what it is told")]
fn the_case_that_breaks_a_client_fails_by_name_and_no_other(#[case] behaviour: &str, #[case] reason: &str) {
    let seen = run(behaviour);
    assert!(seen.reason("poison").contains(reason), "{}", seen.reason("poison"));
    assert_eq!(seen.case("poison").outcome, Outcome::Fail);
    assert_eq!(seen.tally, Tally { passed: 12, failed: 1, ..Tally::default() }, "{:?}", seen.problems());
}

#[test]
fn what_a_dying_client_logged_stands_with_the_failure() {
    assert_eq!(run("crashes-on-poison").case("poison").log.as_deref(), Some("poisoned"));
}

#[rstest]
#[case::swaps_min_and_max("swaps-min-and-max", "field `min` differs, first at offset 16")]
#[case::says_too_much("says-too-much", "field `length` differs, first at offset 0")]
#[case::sends_early("sends-early", "9 bytes left over at the end of the case")]
#[case::makes_up_paths("makes-up-paths", "field `path` differs")]
#[case::tells_no_number("tells-no-number", "the client did not connect")]
fn what_a_client_does_wrong_is_named(#[case] behaviour: &str, #[case] summary: &str) {
    let seen = run(behaviour);
    let case = seen.case("good-0");
    assert_eq!(case.outcome, Outcome::Fail, "{:?}", seen.problems());
    assert_eq!(case.problems[0].summary, summary);
}

#[test]
fn a_timeout_that_fires_too_early_fails() {
    let seen = run("times-out-early");
    let problem = &seen.case("silent").problems[0];
    assert_eq!(problem.summary, "`receive` timed out too early");
    assert_eq!(problem.expected, "not before 350ms");
    assert_eq!(seen.tally.failed, 1, "{:?}", seen.problems());
}

#[test]
fn a_connection_that_stays_open_behind_its_close_fails() {
    let seen = run("never-closes");
    let summary = &seen.case("good-1").problems[0].summary;
    assert_eq!(summary, "the connection did not end when the client was told to close it");
}

#[rstest]
#[case("ignores-the-end", "the subject ignored end of input; it took the stop signal to end it")]
#[case("ends-badly", "at end of input the subject exited with status 7; status 0 was expected")]
#[case("leaves-a-process", "the subject left 1 process behind, which was killed: sleep")]
fn a_bad_end_is_a_warning(#[case] behaviour: &str, #[case] warning: &str) {
    let seen = run(behaviour);
    assert_eq!(seen.tally.passed, 13, "{:?}", seen.problems());
    assert_eq!(seen.warnings(), [warning]);
}
