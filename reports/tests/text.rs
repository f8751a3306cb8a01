//! The report for people, from events made by hand.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use iaspec_harness::event::{CaseResult, Event, Exchange, Expected, Happening, Notice};
use iaspec_harness::verdict::Outcome;
use iaspec_reports::{Ndjson, Reporter, Text};
use support::{events, play, result, wrong_length};

/// The text of a run with these results, at a width.
fn text(results: Vec<CaseResult>, notices: &[Notice], width: usize) -> String {
    text_of(&events(results, notices, false), width)
}

fn text_of(events: &[Event], width: usize) -> String {
    let mut out = Vec::new();
    play(&mut Text::new(&mut out, width), events);
    String::from_utf8(anstream::adapter::strip_bytes(&out).into_vec()).expect("UTF-8")
}

#[test]
fn a_failure_shows_clause_bytes_log_and_command() {
    insta::assert_snapshot!("failure_at_100_columns", text(vec![wrong_length()], &[], 100));
}

fn exchange(micros: u64, what: Happening, count: usize, bytes: &str) -> Exchange {
    Exchange {
        micros,
        connection: "a".to_owned(),
        what,
        count,
        bytes: bytes.to_owned(),
        crc32: None,
        text: String::new(),
    }
}

/// A conversation that went wrong when the agent closed.
fn talked() -> CaseResult {
    let hello = "4ed2eb6cf74a134ab9af81d3dfc644bed0070000d0070000";
    CaseResult {
        conversation: vec![
            exchange(0, Happening::Connected, 0, ""),
            exchange(120, Happening::Sent, 24, hello),
            exchange(900, Happening::Received, 9, "00d007000033000000"),
            exchange(1_000, Happening::Sent, 300_000, &"5a".repeat(32)),
            exchange(2_001_500, Happening::Unread, 2, "0102"),
            exchange(2_001_600, Happening::ClosedBySubject, 0, ""),
        ],
        ..result(0, "handshake/x/y", Outcome::Fail)
    }
}

/// The lines about the conversation.
fn happened(width: usize) -> Vec<String> {
    let text = text(vec![talked()], &[], width);
    let lines = text.lines().skip_while(|line| !line.starts_with("  what happened")).skip(1);
    lines.take_while(|line| line.starts_with("    ")).map(str::to_owned).collect()
}

#[test]
fn a_failure_shows_what_happened_on_its_connections() {
    let expected = [
        "       0.000  a  → connected",
        "       0.000  a  → 24 bytes: 4e d2 eb 6c f7 4a 13 4a b9 af 81 d3 df c6 44 be d0 07 00 00 d0 07 00 00",
        "       0.001  a  ← 9 bytes: 00 d0 07 00 00 33 00 00 00",
    ];
    assert_eq!(happened(140)[..3], expected);
    assert!(happened(100)[1].ends_with(" d0 07 00 …"), "cut where the line ends");
    let narrow = [
        "       0.001  a  → 300000 bytes: 5a 5a 5a 5a 5a 5a 5a 5a …",
        "       2.002  a  ← unread, 2 bytes: 01 02",
        "       2.002  a  ← closed (FIN)",
    ];
    assert_eq!(happened(60)[3..], narrow);
    for width in [60, 80, 140] {
        assert!(happened(width).iter().all(|line| line.chars().count() <= width), "{:?}", happened(width));
    }
}

#[test]
fn a_case_that_passed_is_shown_where_its_conversation_was_told() {
    let passed = CaseResult { outcome: Outcome::Pass, ..talked() };
    let quiet = result(1, "handshake/x/z", Outcome::Pass);
    let text = text(vec![passed, quiet], &[], 100);
    assert!(text.contains("\npass handshake/x/y\n  a title (string)\n"), "{text}");
    assert!(
        text.contains("       2.002  a  ← closed (FIN)\n\nrun: 2 passed, 0 failed, 0 skipped\n"),
        "{text}"
    );
    assert!(!text.contains("handshake/x/z"), "{text}");
}

#[test]
fn expected_and_actual_are_stacked_where_lines_are_short() {
    insta::assert_snapshot!("failure_at_50_columns", text(vec![wrong_length()], &[], 50));
}

#[test]
fn a_subject_that_cannot_be_run_is_told_once() {
    let broken = |index| CaseResult {
        reason: Some("asked a first question, the subject exited with status 5".to_owned()),
        log: Some("no such option".to_owned()),
        ..result(index, &format!("codec/x/{index}"), Outcome::Error)
    };
    insta::assert_snapshot!("errors", text((0..50).map(broken).collect(), &[], 100));
}

#[test]
fn skips_are_counted_by_their_reasons_and_notices_are_told() {
    let skip = |index, reason: &str| CaseResult {
        reason: Some(reason.to_owned()),
        ..result(index, &format!("codec/x/{index}"), Outcome::Skip)
    };
    let notices = [
        Notice {
            error: false,
            subject: "acme".to_owned(),
            warning: true,
            message: "the subject ignored end of input".to_owned(),
        },
        Notice {
            subject: "acme".to_owned(),
            warning: false,
            error: false,
            message: "it speaks int32".to_owned(),
        },
    ];
    let results = vec![
        skip(0, "needs AES"),
        skip(1, "needs TLS"),
        skip(2, "needs AES"),
        result(3, "codec/x/3", Outcome::Pass),
    ];
    insta::assert_snapshot!("skips_and_notices", text(results, &notices, 100));
}

#[test]
fn failures_come_in_the_order_of_the_corpus_and_after_twenty_by_a_line_each() {
    let failed = |index| CaseResult {
        problems: wrong_length().problems,
        ..result(index, &format!("codec/x/{index:02}"), Outcome::Fail)
    };
    let text = text((0..23).rev().map(failed).collect(), &[], 100);
    let names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("fail ")).collect();
    assert_eq!(names.len(), 23);
    assert_eq!((names[0], names[19]), ("codec/x/00", "codec/x/19"));
    assert_eq!(names[20], "codec/x/20: encode: field `string length` differs, first at offset 0");
}

#[test]
fn expected_outcomes_are_told_with_their_reasons() {
    let expected = Some(Expected::new(Outcome::Fail, "ACME-12"));
    let results = vec![
        CaseResult { expected: expected.clone(), ..result(0, "codec/x/0", Outcome::Fail) },
        CaseResult { expected, ..result(1, "codec/x/1", Outcome::Pass) },
    ];
    insta::assert_snapshot!("expected", text(results, &[], 100));
}

#[test]
fn the_event_stream_can_be_read_back() {
    let event = Event::CaseFinished(Box::new(wrong_length()));
    let mut out = Vec::new();
    Ndjson::new(&mut out).event(&event).expect("written");
    assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
    assert_eq!(serde_json::from_slice::<Event>(&out).expect("an event"), event);
}

#[test]
fn a_run_that_was_cut_off_says_so_above_its_counts() {
    let mut events =
        events(vec![wrong_length(), result(0, "codec/strings/empty", Outcome::Pass)], &[], false);
    events.truncate(events.len() - 2);
    let text = text_of(&events, 100);
    assert!(text.contains("\nfail codec/strings/accent\n"), "{text}");
    let end = "\nincomplete: the run was cut off after 2 results\nrun: 1 passed, 1 failed, 0 skipped\n";
    assert!(text.ends_with(end), "{text}");
}
