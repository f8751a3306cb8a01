//! The entries for `expect`: which failures get one, and that a manifest takes them once they are complete.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "in a test, a panic is the verdict")]

mod support;

use std::path::Path;

use iaspec_harness::event::{CaseResult, Expected};
use iaspec_harness::subject::Manifest;
use iaspec_harness::verdict::Outcome;
use iaspec_harness::yaml::Source;
use iaspec_reports::{Document, Reporter};
use support::{events, every_kind, play, result, wrong_length};

/// What is written about some results.
fn entries(results: Vec<CaseResult>, strict: bool) -> String {
    let mut out = Vec::new();
    play(&mut Document::waivers(&mut out), &events(results, &[], strict));
    String::from_utf8(out).expect("UTF-8 text")
}

/// What is written, without its head.
fn below_head(text: &str) -> &str {
    let (head, below) = text.split_once("\n\n").expect("a head");
    assert!(head.lines().all(|line| line.starts_with("# ")), "{head}");
    below
}

fn failed(case: &str, summary: &str) -> CaseResult {
    let mut failed = CaseResult { case: case.to_owned(), ..wrong_length() };
    failed.problems[0].summary = summary.to_owned();
    failed
}

#[test]
fn every_kind_of_result() {
    insta::assert_snapshot!("waivers", entries(every_kind(), false));
    insta::assert_snapshot!("waivers_strict", entries(every_kind(), true));
}

#[test]
fn nothing_is_written_where_no_failure_is_unexpected() {
    let expected = Some(Expected::new(Outcome::Fail, "ACME-12"));
    let results = vec![
        result(0, "codec/x/a", Outcome::Pass),
        result(1, "codec/x/b", Outcome::Skip),
        result(2, "codec/x/c", Outcome::Warning),
        CaseResult { expected, ..result(3, "codec/x/d", Outcome::Fail) },
    ];
    assert_eq!(entries(results, false), "");
}

#[test]
fn the_text_holds_in_every_repetition_or_is_left_out() {
    let again = |result: CaseResult| CaseResult { repetition: 2, ..result };
    let text = entries(
        vec![failed("codec/x/a", "the end is missing"), again(failed("codec/x/a", "the end is missing: 7"))],
        false,
    );
    assert!(text.contains("\n    failure: the end is missing\n"), "{text}");
    let text = entries(
        vec![failed("codec/x/a", "the end is missing"), again(failed("codec/x/a", "the start is missing"))],
        false,
    );
    assert!(text.contains("- case: ") && !text.contains("failure:"), "{text}");
}

#[test]
fn a_case_that_fails_now_and_then_gets_no_entry_but_a_line() {
    let pass = CaseResult { repetition: 2, ..result(7, "codec/strings/accent", Outcome::Pass) };
    let text = entries(vec![wrong_length(), pass], false);
    let expected = "  # acme, role codec, acme.yaml\n  # codec/strings/accent came to fail in 1 of 2 repetitions: a \
                    waived case fails each time.\n";
    assert_eq!(below_head(&text), expected);
}

#[test]
fn a_run_that_was_cut_off_says_so_in_the_head() {
    let mut events = events(vec![wrong_length()], &[], false);
    events.truncate(3);
    let mut out = Vec::new();
    play(&mut Document::waivers(&mut out), &events);
    let text = String::from_utf8(out).expect("UTF-8 text");
    assert!(text.contains("\n# incomplete: the run was cut off after 1 result\n\n"), "{text}");
}

#[test]
fn entries_are_read_once_they_have_reasons_and_cover_what_they_were_made_from() {
    let odd = "said \u{7f}\u{1b}[1m \\ \u{e9}\u{2028} {[#: and no more of it";
    let failures =
        vec![failed("codec/strings/accent", odd), failed("codec/strings/next", "the end is missing")];
    let text = entries(failures.clone(), false);
    let manifest = |entries: &str| {
        let text = format!("name: acme\nrole: codec\ncommand: [codec]\nexpect:\n{entries}");
        Manifest::parse(&Source::new("acme.yaml", text), Path::new("/"))
    };
    let refused = manifest(&text).expect_err("reasons are missing");
    let lines: Vec<&str> = refused.iter().map(|finding| finding.message()).collect();
    assert_eq!(lines, ["the reason is empty: say why this is expected, such as a ticket"; 2]);
    let complete = manifest(&text.replace("reason: ''", "reason: ACME-12")).expect("a manifest");
    assert_eq!(complete.expect.len(), 2);
    for ((pattern, expect), failure) in complete.expect.iter().zip(&failures) {
        assert!(pattern.matches(&failure.case));
        assert_eq!(expect.outcome.value, failure.outcome);
        assert!(failure.says(expect.failure.as_ref().expect("a text")));
    }
}

#[test]
fn nothing_is_written_before_the_run_is_over() {
    let mut out = Vec::new();
    let mut document = Document::waivers(&mut out);
    for event in &events(vec![wrong_length()], &[], false)[..3] {
        document.event(event).expect("taken");
    }
    // A run that ends by an error tells what it measured when its reports go.
    drop(document);
    assert!(String::from_utf8(out).expect("UTF-8 text").contains("codec/strings/accent"));
}
