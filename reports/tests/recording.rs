//! Recordings read back: whole, cut off at any byte, and wrong.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use iaspec_harness::event::Event;
use iaspec_reports::{Ndjson, Recording, RecordingError};
use rstest::rstest;
use support::{events, every_kind, play};

fn lines() -> Vec<String> {
    let mut out = Vec::new();
    play(&mut Ndjson::new(&mut out), &events(every_kind(), &[], false));
    String::from_utf8(out).expect("UTF-8").lines().map(|line| format!("{line}\n")).collect()
}

fn read(text: &[u8]) -> Result<Vec<Event>, RecordingError> {
    Recording::new(text).collect()
}

fn error(text: &str) -> String {
    read(text.as_bytes()).expect_err("an error").to_string()
}

#[test]
fn a_whole_recording_gives_the_events_of_the_run() {
    assert_eq!(read(lines().concat().as_bytes()), Ok(events(every_kind(), &[], false)));
}

#[test]
fn a_recording_cut_off_at_any_byte_gives_the_whole_lines_before() {
    let (text, all) = (lines().concat(), events(every_kind(), &[], false));
    let first = lines()[0].len() - 1;
    for end in 0..text.len() {
        let cut = &text.as_bytes()[..end];
        if end < first {
            assert_eq!(read(cut).expect_err("no event").to_string(), "line 1: the recording holds no event");
            continue;
        }
        // A line that lacks nothing but its end is whole.
        let whole = text.as_bytes()[..=end].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(read(cut).expect("events"), all[..whole], "cut off at byte {end}");
    }
}

#[test]
fn members_that_are_not_known_are_ignored() {
    let text = lines().concat().replace("{\"event\":", "{\"later\":[1],\"event\":");
    assert_eq!(read(text.as_bytes()), Ok(events(every_kind(), &[], false)));
}

#[rstest]
#[case::nothing("", "line 1: the recording holds no event")]
#[case::other_text(
    "hello\n",
    "line 1: is not the event `run_started` of `iaspec run --report ndjson=PATH`, but `hello`"
)]
#[case::other_json(
    "{}\n",
    "line 1: is not the event `run_started` of `iaspec run --report ndjson=PATH`, but `{}`"
)]
#[case::later_version(
    "{\"event\":\"run_started\",\"schema\":2,\"else\":{}}\n",
    "line 1: the events have schema version 2; this iaspec reads version 1"
)]
#[case::member_missing(
    "{\"event\":\"run_started\",\"schema\":1}\n",
    "line 1: is no event: missing field `iaspec`"
)]
fn what_is_no_recording_is_refused(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(error(text), expected);
}

#[test]
fn a_line_in_the_middle_that_is_no_event_is_named() {
    let mut cut = lines();
    cut[3] = "{\"event\":\"case_fin\n".to_owned();
    let told = error(&cut.concat());
    assert!(told.starts_with("line 4: is not JSON: "), "{told}");
    let mut unknown = lines();
    unknown[2] = "{\"event\":\"party\"}\n".to_owned();
    let told = error(&unknown.concat());
    assert!(told.starts_with("line 3: is no event: unknown variant `party`"), "{told}");
}

#[test]
fn events_in_an_impossible_order_are_named() {
    let lines = lines();
    let told = error(&[&lines[0], &lines[2]].map(String::as_str).concat());
    assert_eq!(told, "line 2: the event `case_finished` cannot come here: no subject is under way");
    let told = error(&[&lines[0], &lines[1], &lines[lines.len() - 1]].map(String::as_str).concat());
    assert_eq!(told, "line 3: the event `run_finished` cannot come here: the subject `acme` is under way");
    let told = error(&lines.concat().repeat(2));
    assert_eq!(told, format!("line {}: a second run begins; report each run by itself", lines.len() + 1));
}

#[test]
fn an_endless_line_is_refused_with_bounded_memory() {
    let endless = std::io::BufReader::new(std::io::repeat(b'x'));
    let told = Recording::new(endless).next().expect("an item").expect_err("an error").to_string();
    assert_eq!(told, "line 1: is longer than 64 MiB");
}
