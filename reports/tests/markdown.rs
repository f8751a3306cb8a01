//! The Markdown summary: what it tells, and that no text of a subject can break out of its place.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use iaspec_harness::event::{CaseResult, Event, Notice};
use iaspec_harness::verdict::Outcome;
use iaspec_reports::Document;
use support::{below_the_floor, events, every_kind, play, result, wrong_length};

fn markdown(events: &[Event]) -> String {
    let mut out = Vec::new();
    play(&mut Document::markdown(&mut out), events);
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn the_summary_shows_counts_cases_details_skips_and_clauses() {
    let notice =
        Notice { subject: "acme".into(), warning: true, error: false, message: "it ignored <eof>".into() };
    insta::assert_snapshot!("markdown", markdown(&events(every_kind(), &[notice], false)));
}

#[test]
fn a_run_where_all_passed_is_a_headline() {
    let text = markdown(&events(vec![result(0, "codec/strings/empty", Outcome::Pass)], &[], true));
    let expected = "## iaspec: 1 passed, 0 failed, 0 skipped\n\n\
                    iaspec 1.2.3, vectors <code>01234567</code>, strict: <code>acme</code> (role codec)\n";
    assert_eq!(text, expected);
}

#[test]
fn a_run_below_its_floor_lists_what_is_missing() {
    let passed = vec![result(0, "codec/guid/one", Outcome::Pass)];
    let text = markdown(&below_the_floor(events(passed, &[], false)));
    let expected = "\nFloor: 2 of 12 cases of floor.yaml did not run\n\n\
                    Floor: 1 more case ran; --update-floor adds what is new to floor.yaml\n\n\
                    ### Below the floor\n\n\
                    - codec/aes/long (acme, role codec)\\: skipped\\: needs AES \\| see \\`supports\\`\n\
                    - codec/&lt;gone&gt;/a (acme, role codec)\\: there is no such case of role codec\n";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn a_run_that_was_cut_off_says_so_below_the_headline() {
    let mut events = events(every_kind(), &[], false);
    events.truncate(3);
    let text = markdown(&events);
    let expected = "## iaspec: 0 passed, 1 failed, 0 skipped\n\n> **incomplete\\: the run was cut off after 1 result**\n";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn no_text_ends_its_fence_row_or_fold() {
    let hostile = "```\n`````\n</details> | <script> [x](y) www.example.org\r\u{1b}[2J";
    let failed = CaseResult {
        reason: Some(hostile.to_owned()),
        log: Some(hostile.to_owned()),
        case: "codec/<b>`x`|y/z".to_owned(),
        ..wrong_length()
    };
    let text = markdown(&events(vec![failed], &[], false));
    let lines: Vec<&str> = text.lines().collect();
    let opened = lines.iter().position(|line| *line == "``````text").expect("a fence of six");
    let closed = lines.iter().rposition(|line| *line == "``````").expect("its end");
    let outside: Vec<&str> = [&lines[..opened], &lines[closed..]].concat();
    assert_eq!(outside.iter().filter(|line| line.contains("</details>")).count(), 1, "{text}");
    assert!(!outside.iter().any(|line| line.contains("<script>") || line.contains("<b>")), "{text}");
    let row = outside.iter().find(|line| line.starts_with("| fail |")).expect("a row");
    let bars = row.replace("\\|", "").matches('|').count();
    assert_eq!(bars, 5, "{row}");
    assert!(row.contains("\\[x\\](y) www\\.example.org\u{240d}\u{241b}\\[2J"), "{row}");
    assert!(!text.contains(['\r', '\u{1b}']), "{text}");
}

#[test]
fn a_summary_of_very_many_failures_stays_below_the_limit_of_such_pages() {
    let failed = |index| CaseResult {
        problems: wrong_length().problems,
        log: Some("x".repeat(2000)),
        ..result(index, &format!("codec/x/{index}"), Outcome::Fail)
    };
    let text = markdown(&events((0..20_000).map(failed).collect(), &[], false));
    assert!(text.len() < 1 << 20, "{} bytes", text.len());
    let (rows, folds) = (text.matches("\n| fail |").count(), text.matches("<details>").count());
    assert!(rows > 1000 && folds > 100, "{rows} rows, {folds} folds");
    assert!(text.contains(&format!("\n{} more not listed here.\n", 20_000 - rows)));
    assert!(text.contains(&format!("\n{} more not shown in full here.\n", 20_000 - folds)));
}
