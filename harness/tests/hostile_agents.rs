//! Agents that misbehave: each is named as what it is, costs bounded memory and time, gets no credit for a refusal
//! that it did not mean, and leaves nothing behind.

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
use support::agents::{HOSTILE_AGENT, Seen, Setup, corpus, corpus_with, manifest, run, run_manifest};

/// Which of its connections is the look behind the last case, where the cases run one after the other: before it there are
/// the one that shows that it listens, the one that is held open, the first look, the 16 cases, and a look behind each of
/// the three that see an end.
const LAST_LOOK: u32 = 1 + 1 + 1 + 16 + 3 + 1;

/// Runs the corpus against the hostile agent.
fn hostile(behaviour: &str, number: u32) -> Seen {
    run(&corpus(), &Setup::hostile(behaviour, number))
}

// Hosts of an agent have 5 s after its end (SES-6), and each takes a moment.
#[test]
fn what_ends_soon_after_its_agent_is_not_left_behind() {
    let seen = run(&corpus(), &Setup::hostile("leaves-a-child-for-a-moment", 0));
    assert_eq!((seen.tally.passed, seen.warnings()), (16, Vec::<&str>::new()), "{:?}", seen.problems());
}

#[rstest]
#[case::a_good_one("good", 0)]
#[case::listens_late("late", 1500)]
#[case::writes_gigabytes_to_its_log("logs", 0)]
fn an_agent_that_is_only_unusual_passes(#[case] behaviour: &str, #[case] number: u32) {
    let seen = hostile(behaviour, number);
    assert_eq!(seen.tally, Tally { passed: 16, ..Tally::default() }, "{:?}", seen.problems());
    assert_eq!(seen.warnings(), Vec::<&str>::new());
}

#[test]
fn a_log_is_kept_within_bounds_and_shown_without_its_control_characters() {
    // The path is the wrong one, so that the cases fail and the log is shown.
    let setup = Setup { root: "/elsewhere".to_owned(), ..Setup::hostile("logs", 0) };
    let seen = run(&corpus(), &setup);
    let log = seen.case("good-1").log.as_deref().expect("a log");
    assert!(log.len() < 64 << 10, "{} bytes", log.len());
    assert!(log.contains("noise") && log.contains("bytes left out"), "{}", &log[..200]);
    assert!(!log.contains('\u{1b}'));
}

#[rstest]
#[case::accepts_and_says_nothing("says-nothing", "what was awaited did not come in time")]
#[case::closes_everything("closes", "the connection was")]
#[case::echoes("echoes", "field `encryption` cannot be read: 78 is not one of 0 (none), 1 (ssl), 2 (aes)")]
#[case::answers_at_random("random", "field `")]
fn an_agent_that_does_one_thing_to_all_fails_everything(#[case] behaviour: &str, #[case] summary: &str) {
    let seen = hostile(behaviour, 0);
    assert_eq!(seen.tally.passed, 0, "{:?}", seen.problems());
    assert_eq!(seen.tally.errors, 0, "it runs, so it is judged");
    for case in seen.cases.values().filter(|case| case.case.contains("good-")) {
        let problem = case.problems.first().expect("what it did instead");
        assert!(problem.summary.starts_with(summary), "{}", problem.summary);
        assert_eq!(case.outcome, Outcome::Fail);
    }
    // A connection that ended is no refusal by an agent that ends them all.
    for case in seen.cases.values().filter(|case| case.case.contains("refused-")) {
        assert_eq!(case.outcome, Outcome::Fail, "{}", case.case);
    }
    assert!(seen.warnings().iter().any(|warning| warning.starts_with("before any case, the subject")));
}

#[test]
fn an_agent_that_ends_every_connection_gets_no_credit_for_refusals() {
    let seen = hostile("closes", 0);
    let reason = seen.reason("refused-zeros");
    let expected =
        "the steps went as expected, but afterwards the subject did not acknowledge a good handshake";
    assert!(reason.starts_with(expected), "{reason}");
}

#[test]
fn a_flood_is_noticed_and_costs_no_memory() {
    let seen = hostile("floods", 0);
    assert_eq!(seen.tally.passed, 0, "{:?}", seen.problems());
    let summary = &seen.case("good-3").problems[0].summary;
    assert_eq!(summary, "field `value` differs");
    let summary = &seen.case("refused-text").problems[0].summary;
    assert_eq!(summary, "bytes came before the end");
}

#[test]
fn a_constant_acknowledgement_passes_nothing() {
    let seen = hostile("constant-ack", 0);
    assert_eq!(seen.tally.passed, 0, "{:?}", seen.problems());
    let step = &seen.case("poison").problems[0].step;
    assert!(step.contains("the request at the end, which must be answered next"), "{step}");
}

#[rstest]
#[case("crashes-on-poison", "the subject exited with status 3, with only this case under way")]
#[case(
    "hangs-on-poison",
    "the subject did not acknowledge a good handshake within 4s, with only this case under way"
)]
fn the_case_that_breaks_an_agent_fails_by_name_and_no_other(#[case] behaviour: &str, #[case] reason: &str) {
    let seen = hostile(behaviour, 0);
    assert_eq!(seen.reason("poison"), reason);
    assert_eq!(seen.case("poison").outcome, Outcome::Fail);
    assert_eq!(seen.tally, Tally { passed: 15, failed: 1, ..Tally::default() }, "{:?}", seen.problems());
    let rerun = "iaspec run hostile.yaml --filter 'talk/talk/poison'";
    assert_eq!(seen.case("poison").rerun.as_deref(), Some(rerun));
}

#[test]
fn what_a_dying_agent_logged_stands_with_the_failure() {
    assert_eq!(hostile("crashes-on-poison", 0).case("poison").log.as_deref(), Some("poisoned"));
}

#[test]
fn a_crash_is_no_refusal() {
    let seen = hostile("crashes-on-refusal", 0);
    for name in ["refused-zeros", "refused-text", "refused-last"] {
        assert_eq!(seen.reason(name), "the subject exited with status 9, with only this case under way");
    }
    assert_eq!(seen.tally, Tally { passed: 13, failed: 3, ..Tally::default() }, "{:?}", seen.problems());
}

#[test]
fn one_stuck_connection_fails_its_case_alone() {
    let seen = hostile("slow-on-poison", 0);
    assert_eq!(seen.tally.passed, 15, "{:?}", seen.problems());
    // CMP-3 is inferred.
    assert_eq!(seen.case("poison").outcome, Outcome::Difference);
    let problem = &seen.case("poison").problems[0];
    assert_eq!(problem.summary, "what was awaited did not come in time");
    assert_eq!(problem.actual, "nothing within 4s");
}

#[test]
fn a_crash_that_no_case_reproduces_fails_all_that_were_under_way() {
    // Some connections later than the first looks of the harness.
    let seen = hostile("crashes-on-connection", 12);
    let failed: Vec<_> = seen.cases.values().filter(|case| case.outcome == Outcome::Fail).collect();
    assert!(!failed.is_empty());
    for case in failed {
        let reason = case.reason.as_deref().unwrap_or_default();
        assert!(reason.starts_with("the subject was ended by signal 6"), "{reason}");
        assert!(reason.ends_with("and did not do so again when each ran alone"), "{reason}");
    }
}

#[test]
fn an_agent_that_never_outlives_its_first_connections_is_given_up() {
    let seen = hostile("crashes-on-connection", 3);
    assert_eq!(seen.tally.passed, 0, "{:?}", seen.problems());
    assert!(seen.tally.failed > 0);
}

#[test]
fn an_agent_that_is_gone_behind_the_last_case_fails_that_case() {
    let Setup { command, .. } = Setup::hostile("crashes-on-connection", LAST_LOOK);
    let launch = format!("command: [{}]", command.replace("ROOT", "\"{otter_root}\""));
    let seen = run_manifest(&corpus(), &manifest(&launch), 1);
    assert_eq!((seen.tally.passed, seen.tally.failed), (15, 1), "{:?}", seen.problems());
    let failed = seen.cases.values().find(|case| case.outcome == Outcome::Fail).expect("a failure");
    let reason = "the case went as expected, but when it was over and no other was under way, the subject was ended by \
                  signal 6";
    assert!(failed.reason.as_deref().unwrap_or_default().starts_with(reason), "{:?}", failed.reason);
}

#[test]
fn a_restart_in_silence_shows() {
    let seen = hostile("restarts-itself", 12);
    assert!(seen.tally.failed > 0, "{:?}", seen.problems());
    // Who looks in the middle of the restart is refused; who looks later misses the connection that was held open.
    let told = |case: &iaspec_harness::event::CaseResult| {
        case.reason.as_deref().is_some_and(|reason| {
            reason.contains("the connection held open since the start was")
                || reason.contains("the subject accepts no connection (Connection refused")
        })
    };
    assert!(seen.cases.values().any(told), "{:?}", seen.problems());
}

#[test]
fn an_agent_that_drops_idle_connections_is_found_out() {
    let idle = "  - id: idle\n    title: nobody is in a hurry\n    clauses: [HS-13]\n    roles: [agent]\n    steps:\n      \
                - {client: a, bytes: \"4ed2eb6c f74a134a b9af81d3 dfc644be e8030000 d0070000\"}\n      \
                - {agent: a, bytes: [{ack: {value: 2000}}]}\n      - {agent: a, quiet: {for: 1s}}\n";
    let seen = run(&corpus_with(idle), &Setup::hostile("drops-idle", 0));
    // Which is seen first hangs on when the harness last used the connection that it holds open.
    let told = seen.reason("idle").contains("the connection held open since the start was closed (FIN)")
        || seen.case("idle").problems[0].summary == "the connection ended where nothing may";
    assert!(told, "{:?}", seen.problems());
    assert_eq!(seen.tally, Tally { passed: 16, failed: 1, ..Tally::default() }, "{:?}", seen.problems());
}

#[rstest]
#[case("exits-at-once", 0, "the subject exited with status 0 before its port accepted")]
#[case("exits-with-words", 0, "the subject exited with status 2 before its port accepted")]
#[case("never", 0, "the subject did not accept on port PORT within 3s")]
#[case(
    "elsewhere",
    0,
    "the subject did not accept on port PORT within 3s; it listens on port ANOTHER instead"
)]
fn an_agent_that_cannot_be_run_is_an_error(
    #[case] behaviour: &str,
    #[case] number: u32,
    #[case] reason: &str,
) {
    let seen = hostile(behaviour, number);
    assert_eq!(seen.tally, Tally { errors: 16, ..Tally::default() });
    let words: Vec<&str> = seen.reason("good-0").split(' ').collect();
    let expected: Vec<&str> = reason.split(' ').collect();
    assert_eq!(words.len(), expected.len(), "{words:?}");
    for (word, expected) in words.iter().zip(expected) {
        let is_port = word.parse::<u16>().is_ok() || word.trim_end_matches(';').parse::<u16>().is_ok();
        assert!(*word == expected || is_port && expected.contains(['P', 'A']), "{words:?}");
    }
    let log = seen.case("good-0").log.as_deref();
    match behaviour {
        "exits-with-words" => assert_eq!(log, Some("this agent does not feel like it")),
        "elsewhere" => assert_eq!(log, Some("listening elsewhere")),
        _ => assert_eq!(log, None),
    }
}

#[test]
fn a_child_may_serve_the_port_and_is_not_left_behind() {
    let seen = hostile("child-keeps-port", 0);
    assert_eq!(seen.tally.passed, 16, "{:?}", seen.problems());
    assert_eq!(
        seen.warnings(),
        ["the subject left 1 process behind, which was killed: hostile-agent"],
        "its parent ends at the stop signal, the child does not"
    );
}

#[test]
fn an_agent_that_puts_itself_into_the_background_is_an_error() {
    let seen = hostile("leaves-daemon", 0);
    assert_eq!(seen.tally.passed, 0, "{:?}", seen.problems());
    assert!(seen.tally.errors + seen.tally.failed == 16);
}

#[test]
fn children_left_behind_are_told_and_killed() {
    let seen = hostile("leaves-children", 0);
    assert_eq!(seen.tally.passed, 16, "{:?}", seen.problems());
    assert_eq!(
        seen.warnings(),
        ["the subject left 3 processes behind, which were killed: sleep, sleep, sleep"]
    );
}

#[test]
fn an_agent_that_ignores_the_stop_signal_is_killed() {
    let command = format!(
        r#"sh, "-c", "trap '' TERM; {HOSTILE_AGENT} good $0 $1 & while :; do sleep 1; done", "{{port}}", "{{otter_root}}""#
    );
    let seen = run(&corpus(), &Setup { command, ..Setup::hostile("good", 0) });
    assert_eq!(seen.tally.passed, 16, "{:?}", seen.problems());
    assert_eq!(seen.warnings(), ["the subject did not end within 2s of the stop signal; it was killed"]);
}

/// Offset, field.
#[rstest]
#[case(0, "encryption")]
#[case(1, "value")]
#[case(4, "value")]
#[case(9, "length")]
#[case(12, "length")]
#[case(13, "command")]
#[case(16, "command")]
#[case(17, "root_path length")]
#[case(18, "root_path")]
#[case(30, "root_path")]
fn a_wrong_bit_is_found_and_its_field_named(#[case] offset: u32, #[case] field: &str) {
    let seen = hostile("flips", offset);
    let problem = seen.case("good-5").problems.first().unwrap_or_else(|| panic!("{:?}", seen.problems()));
    let named = problem.bytes.as_ref().map(|bytes| bytes.field.as_str());
    let told = problem.summary.contains(&format!("`{field}`")) || named == Some(field);
    assert!(told, "{offset}: {} / {named:?}", problem.summary);
    assert_eq!(seen.tally.passed, 3, "only refusals show nothing of it: {:?}", seen.problems());
}
