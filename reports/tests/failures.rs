//! Failures of every kind as the text report shows them, at several widths and with colours: what real runs against
//! broken agents and codecs recorded.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

use iaspec_reports::{Recording, Reporter, Text};
use rstest::rstest;

/// Ten failures: a wrong field, an answer cut short, a crash, a timeout that never fires, two answers in a row that
/// are one, a file's time, memory, bytes before an end, a string whose characters were counted, and another that is
/// told twice.
const FAILURES: &str = include_str!("data/failures.ndjson");

/// The report with its escape sequences.
fn styled(width: usize) -> String {
    let mut out = Vec::new();
    let mut report = Text::new(&mut out, width);
    for event in Recording::new(FAILURES.as_bytes()) {
        report.event(&event.expect("an event")).expect("written");
    }
    report.finish().expect("written");
    drop(report);
    String::from_utf8(out).expect("UTF-8")
}

fn plain(width: usize) -> String {
    anstream::adapter::strip_str(&styled(width)).to_string()
}

#[rstest]
#[case(60)]
#[case(80)]
#[case(140)]
fn failures_of_every_kind(#[case] width: usize) {
    insta::assert_snapshot!(format!("failures_at_{width}_columns"), plain(width));
}

#[test]
fn failures_in_colour() {
    let visible = styled(100).replace('\u{1b}', "␛");
    insta::assert_snapshot!("failures_in_colour", visible);
}

#[rstest]
fn no_line_is_longer_than_asked_but_for_commands(#[values(60, 80, 100, 140)] width: usize) {
    let text = plain(width);
    let body = text.lines().filter(|line| line.starts_with("  ") && !line.starts_with("  again: "));
    for line in body {
        let longest_word = line.split_whitespace().map(|word| word.chars().count()).max().unwrap_or(0);
        assert!(
            line.chars().count() <= width || longest_word + 8 > width,
            "{} columns: {line}",
            line.chars().count()
        );
    }
}

#[test]
fn colours_change_nothing_but_colours() {
    let bytes = styled(80).into_bytes();
    assert!(bytes.contains(&0x1b), "there are colours");
    assert!(!plain(80).contains('\u{1b}'), "a pipe gets none");
}
