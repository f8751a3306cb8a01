//! The JSON report: everything of a run in one document, in the order of the corpus.

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
use serde_json::{Value, json};
use support::{below_the_floor, events, every_kind, play, result, wrong_length};

fn text(events: &[Event]) -> String {
    let mut out = Vec::new();
    play(&mut Document::json(&mut out), events);
    String::from_utf8(out).expect("UTF-8")
}

fn document(events: &[Event]) -> Value {
    serde_json::from_str(&text(events)).expect("JSON")
}

#[test]
fn the_document_tells_run_clauses_subject_and_results() {
    let notice = Notice {
        subject: "acme".into(),
        warning: true,
        error: false,
        message: "it ignored end of input".into(),
    };
    let results = vec![wrong_length(), result(0, "codec/strings/empty", Outcome::Pass)];
    insta::assert_snapshot!("json", text(&events(results, &[notice], false)));
}

#[test]
fn results_are_sorted_by_index_and_repetition_however_they_came() {
    let reversed: Vec<CaseResult> = every_kind().into_iter().rev().collect();
    let document = document(&events(reversed, &[], false));
    let results = document["subjects"][0]["results"].as_array().expect("results");
    let places: Vec<_> = results.iter().map(|result| (&result["index"], &result["repetition"])).collect();
    let expected: Vec<Value> = [0, 1, 2, 3, 4, 5, 6, 7, 7, 8, 9, 10, 11].map(Value::from).into();
    assert_eq!(places.iter().map(|place| place.0.clone()).collect::<Vec<_>>(), expected);
    assert_eq!((places[7].1, places[8].1), (&json!(1), &json!(2)));
}

#[test]
fn each_kind_is_counted_once_and_what_was_not_expected_as_what_it_is_too() {
    let document = document(&events(every_kind(), &[], false));
    let expected = json!({
        "passed": 2, "failed": 4, "differences": 1, "warnings": 2, "skipped": 2, "errors": 1,
        "expected_failures": 1, "unexpected_passes": 1, "other_failures": 2, "contract": 0
    });
    assert_eq!(document["tally"], expected);
    assert_eq!(document["subjects"][0]["tally"], expected);
    assert_eq!(document["clauses"][0]["tally"], expected, "every result cites the one clause");
    assert_eq!((&document["complete"], &document["exit_code"]), (&json!(true), &json!(3)));
}

#[test]
fn what_became_of_the_floor_is_told() {
    assert_eq!(document(&events(every_kind(), &[], false))["floor"], json!(null));
    let document = document(&below_the_floor(events(every_kind(), &[], false)));
    let floor = &document["floor"];
    assert_eq!(
        (&floor["action"], &floor["cases"], &floor["more"]),
        (&json!("compared"), &json!(12), &json!(1))
    );
    let last = json!({
        "subject": "acme", "role": "codec", "case": "codec/<gone>/a", "why": "there is no such case of role codec"
    });
    assert_eq!(floor["missing"][1], last);
}

#[test]
fn a_clause_that_a_result_names_twice_counts_it_once() {
    let twice = CaseResult {
        clauses: vec!["DAT-2".to_owned(), "DAT-2".to_owned()],
        ..result(0, "codec/guid/one", Outcome::Pass)
    };
    assert_eq!(document(&events(vec![twice], &[], false))["clauses"][0]["tally"]["passed"], 1);
}

#[test]
fn a_run_that_was_cut_off_is_not_complete() {
    let mut events = events(every_kind(), &[], false);
    events.truncate(4);
    let document = document(&events);
    let ends = ["complete", "exit_code", "interrupted", "not_run", "millis"].map(|name| &document[name]);
    assert_eq!(ends, [&json!(false), &json!(null), &json!(null), &json!(null), &json!(null)]);
    assert_eq!(document["subjects"][0]["results"].as_array().map(Vec::len), Some(2));
    assert_eq!(document["subjects"][0]["cases"], 13);
}

#[test]
fn a_run_that_ended_with_the_first_failure_is_not_complete() {
    let mut events = events(vec![wrong_length()], &[], false);
    if let Some(Event::RunFinished(run)) = events.last_mut() {
        run.not_run = 9;
    }
    let document = document(&events);
    assert_eq!((&document["complete"], &document["not_run"]), (&json!(false), &json!(9)));
}
