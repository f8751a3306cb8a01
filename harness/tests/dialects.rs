//! Readings of the protocol that a manifest leaves to be found out, with agents that make it easy and hard.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use iaspec_harness::event::{KnobReading, Tally};
use iaspec_harness::subject::become_subreaper;
use iaspec_harness::verdict::Outcome;
use rstest::rstest;
use support::agents::{HOSTILE_AGENT, Seen, corpus, corpus_with, manifest, run_manifest};

const AUTO: &str = "dialect: {server_version: auto}";

/// Runs the corpus against the hostile agent with a dialect.
fn run(behaviour: &str, dialect: &str) -> Seen {
    let command = format!(r#"{HOSTILE_AGENT:?}, {behaviour}, "{{port}}", "{{otter_root}}", "0""#);
    become_subreaper();
    run_manifest(&corpus(), &manifest(&format!("command: [{command}]\n{dialect}")), 64)
}

fn server_version(seen: &Seen) -> &KnobReading {
    let found = seen.found.as_ref().expect("the event");
    found.knobs.iter().find(|knob| knob.knob == "server_version").expect("the knob")
}

/// Behaviour, the reading, the place of the response.
#[rstest]
#[case("good", "int32", 4)]
#[case("four-numbers", "int32x4", 16)]
fn the_server_version_is_found_out_and_the_cases_follow(
    #[case] behaviour: &str,
    #[case] reading: &str,
    #[case] place: usize,
) {
    let seen = run(behaviour, AUTO);
    let how = format!(
        "the response to Get Agent Root Path begins {place} bytes behind the number of the acknowledgement"
    );
    let expected = KnobReading {
        knob: "server_version".to_owned(),
        reading: reading.to_owned(),
        detected: true,
        failed: false,
        how,
    };
    assert_eq!(seen.found.as_ref().expect("the event").knobs, [expected]);
    assert_eq!(seen.tally, Tally { passed: 16, ..Tally::default() }, "{:?}", seen.problems());
    assert_eq!(seen.warnings(), Vec::<&str>::new());
}

#[test]
fn a_reading_that_the_manifest_names_holds_and_is_not_looked_for() {
    let seen = run("four-numbers", "dialect: {server_version: int32x4}");
    assert_eq!((seen.tally.passed, seen.found), (16, None));
    let seen = run("four-numbers", "dialect: {server_version: int32}");
    assert_eq!(seen.found, None);
    assert!(seen.tally.failed > 0, "the other reading would have passed: {:?}", seen.tally);
}

/// A path as long as three numbers can be read as three numbers; those of two products tell.
#[test]
fn a_path_of_three_characters_is_told_from_a_version() {
    let seen = run("drives", AUTO);
    let found = server_version(&seen);
    assert!(found.detected && found.reading == "int32", "{found:?}");
}

#[rstest]
#[case::the_same_path_for_all(
    "one-drive",
    "what follows the number of the acknowledgement can be read in both ways: 07 00 00 00 04 00 00 00"
)]
#[case::nonsense(
    "nonsense-on-message",
    "neither 4 nor 16 bytes behind the number of the acknowledgement does the answer begin: 07 00 00 00 ee ee"
)]
#[case::ends(
    "ends-on-message",
    "the connection was closed (FIN) instead of an answer to Get Agent Root Path"
)]
#[case::mute(
    "mute",
    "Get Agent Root Path was not answered within 4s; behind its number, the agent sent 07 00 00 00"
)]
#[case::constant(
    "constant-ack",
    "Get Agent Root Path was not answered within 4s; behind its number, the agent sent 07 00 00 00"
)]
#[case::silent("says-nothing", "a good handshake was not acknowledged within 4s")]
#[case::closes("closes", "the connection was closed (FIN) without an acknowledgement")]
#[case::echoes("echoes", "what came is no acknowledgement, because 4e is no mode of encryption: 4e d2 eb 6c")]
#[case::floods(
    "floods",
    "what came is no acknowledgement, because its number 0 is no answer to the offer of 2000 to 2000: 00 00 00 00 00"
)]
#[case::exits("exits-at-once", "the subject exited with status 0 before its port accepted")]
fn what_cannot_be_found_out_is_a_warning_and_the_default_holds(#[case] behaviour: &str, #[case] why: &str) {
    let seen = run(behaviour, AUTO);
    let found = server_version(&seen);
    assert!(!found.detected && found.failed && found.reading == "int32", "{found:?}");
    let expected = format!("server_version could not be found out, so int32 is assumed: in mode none, {why}");
    let warnings = seen.warnings();
    assert!(warnings.iter().any(|warning| warning.starts_with(&expected)), "{warnings:?}");
    let told = warnings.iter().filter(|warning| warning.contains("could not be found out")).count();
    assert_eq!(told, 1, "once a run");
    assert_eq!(seen.cases.len(), 16, "the cases run all the same");
}

#[test]
fn random_bytes_find_nothing_out() {
    let seen = run("random", AUTO);
    assert!(!server_version(&seen).detected);
}

/// What is looked for once costs one start more, however many subjects the cases need.
#[test]
fn it_is_found_out_once_a_run() {
    let starts = |dialect: &str| {
        let folder = tempfile::TempDir::new().unwrap();
        let log = folder.path().join("starts");
        let script = format!("echo start >> {}; exec {HOSTILE_AGENT} good $0 $1", log.display());
        let launch = format!(r#"command: [sh, -c, "{script}", "{{port}}", "{{otter_root}}"]"#);
        let fresh = |id: u32| {
            format!(
                "  - id: fresh-{id}\n    title: alone\n    clauses: [HS-7]\n    roles: [agent]\n    isolation: fresh\n    \
                 steps:\n      - {{client: a, bytes: \"4ed2eb6c f74a134a b9af81d3 dfc644be e8030000 d0070000\"}}\n      \
                 - {{agent: a, bytes: [{{ack: {{value: 2000}}}}], within: 3s}}\n"
            )
        };
        let corpus = corpus_with(&format!("{}{}", fresh(1), fresh(2)));
        let seen = run_manifest(&corpus, &manifest(&format!("{launch}\n{dialect}")), 64);
        assert_eq!(seen.tally.passed, 18, "{:?}", seen.problems());
        std::fs::read_to_string(log).unwrap().lines().count()
    };
    assert_eq!(starts(""), 3);
    assert_eq!(starts(AUTO), 4);
}

#[test]
fn cases_that_need_the_other_reading_are_skipped() {
    let needs = |reading: &str| {
        format!(
            "  - id: needs-{reading}\n    title: one reading\n    clauses: [HS-9]\n    roles: [agent]\n    \
             needs: {{dialect: {{server_version: {reading}}}}}\n    steps:\n      \
             - {{client: a, bytes: \"4ed2eb6c f74a134a b9af81d3 dfc644be e8030000 d0070000\"}}\n      \
             - {{agent: a, bytes: [{{ack: {{value: 2000}}}}], within: 3s}}\n"
        )
    };
    let corpus = corpus_with(&format!("{}{}", needs("int32"), needs("int32x4")));
    for (behaviour, other, own) in [("good", "int32x4", "int32"), ("four-numbers", "int32", "int32x4")] {
        let command = format!(r#"command: [{HOSTILE_AGENT:?}, {behaviour}, "{{port}}", "{{otter_root}}"]"#);
        let seen = run_manifest(&corpus, &manifest(&format!("{command}\n{AUTO}")), 64);
        let reason = format!("needs the reading server_version: {other}; the subject's is {own}");
        assert_eq!(seen.reason(&format!("needs-{other}")), reason);
        assert_eq!(seen.case(&format!("needs-{other}")).outcome, Outcome::Skip);
        assert_eq!(seen.case(&format!("needs-{own}")).outcome, Outcome::Pass, "{:?}", seen.problems());
    }
}

#[test]
fn knobs_that_are_not_looked_for_are_told_without_a_warning() {
    let seen = run("good", "dialect: {aes_padding: auto, response_code: auto}");
    let told: Vec<_> = seen
        .found
        .as_ref()
        .expect("the event")
        .knobs
        .iter()
        .map(|knob| (knob.reading.as_str(), knob.how.as_str()))
        .collect();
    assert_eq!(
        told,
        [("pkcs7", "no case runs in mode aes"), ("echo", "`auto` means echo; it is not looked for")]
    );
    assert_eq!(seen.tally, Tally { passed: 16, ..Tally::default() });
}
