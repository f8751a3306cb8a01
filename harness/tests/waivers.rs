//! Waivers: which failures an entry under `expect` covers, what is told of the others, and what pins a failure.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "in a test, a panic is the verdict")]

use std::path::Path;

use iaspec_harness::engine::{Plan, Selection};
use iaspec_harness::event::{CaseResult, Expected};
use iaspec_harness::subject::Manifest;
use iaspec_harness::terms::Day;
use iaspec_harness::vectors::{Corpus, CorpusFiles};
use iaspec_harness::verdict::{Outcome, Problem};
use iaspec_harness::waiver::{Waiver, pin};
use iaspec_harness::yaml::Source;
use rstest::rstest;
use serde_json::json;

fn result(outcome: Outcome, expected: Option<Expected>) -> CaseResult {
    let result: CaseResult = serde_json::from_value(json!({
        "subject": "s", "index": 0, "case": "codec/x/a", "title": "a", "repetition": 1,
        "outcome": outcome, "tier": "D", "clauses": [], "micros": 1,
    }))
    .expect("a result");
    CaseResult { expected, ..result }
}

/// A failure with a problem, and a reason beside it.
fn failure(expected: Option<Expected>) -> CaseResult {
    let problem = Problem {
        clause: None,
        step: "decode".to_owned(),
        summary: "field `min` differs".to_owned(),
        expected: "1000".to_owned(),
        actual: "3000".to_owned(),
        bytes: None,
    };
    let problems = vec![problem];
    CaseResult { problems, reason: Some("tried again once".to_owned()), ..result(Outcome::Fail, expected) }
}

fn day(text: &str) -> Day {
    text.parse().expect("a day")
}

/// An entry with everything that it may have.
fn entry() -> Expected {
    Expected {
        owner: Some("Jane".to_owned()),
        until: Some(day("2027-01-31")),
        pattern: Some("codec/x/*".to_owned()),
        entry: Some("acme.yaml:8:12".to_owned()),
        ..Expected::new(Outcome::Fail, "ACME-12")
    }
}

#[rstest]
#[case::no_entry(Outcome::Fail, None, Waiver::None)]
#[case::as_expected(Outcome::Fail, Some(Outcome::Fail), Waiver::Holds)]
#[case::passed(Outcome::Pass, Some(Outcome::Fail), Waiver::Passed)]
#[case::skipped(Outcome::Skip, Some(Outcome::Fail), Waiver::None)]
#[case::milder(Outcome::Warning, Some(Outcome::Fail), Waiver::Differs)]
#[case::worse(Outcome::Fail, Some(Outcome::Warning), Waiver::Differs)]
#[case::not_run(Outcome::Error, Some(Outcome::Fail), Waiver::Differs)]
#[case::not_run_as_expected(Outcome::Error, Some(Outcome::Error), Waiver::Holds)]
fn the_outcome_must_be_the_one_of_the_entry(
    #[case] outcome: Outcome,
    #[case] expected: Option<Outcome>,
    #[case] waiver: Waiver,
) {
    let expected = expected.map(|outcome| Expected { outcome, ..entry() });
    assert_eq!(result(outcome, expected).waiver(), waiver);
}

#[rstest]
#[case::in_the_summary("`min` differs", true)]
#[case::with_the_step("decode: field", true)]
#[case::in_what_was_expected("100", true)]
#[case::in_what_came("3000", true)]
#[case::in_the_reason("tried again", true)]
#[case::nowhere("`max` differs", false)]
#[case::in_other_letters("FIELD", false)]
#[case::across_two_texts("differs1000", false)]
fn the_pinned_text_must_occur_in_what_went_wrong(#[case] text: &str, #[case] occurs: bool) {
    let expected = Expected { failure: Some(text.to_owned()), ..entry() };
    let waiver = if occurs { Waiver::Holds } else { Waiver::Differs };
    assert_eq!(failure(Some(expected)).waiver(), waiver);
}

#[test]
fn an_entry_that_is_over_waives_nothing_and_a_pass_is_told_all_the_same() {
    let over = || Some(Expected { expired: true, failure: Some("nowhere".to_owned()), ..entry() });
    assert_eq!(failure(over()).waiver(), Waiver::Expired);
    assert_eq!(result(Outcome::Warning, over()).waiver(), Waiver::Expired);
    assert_eq!(result(Outcome::Pass, over()).waiver(), Waiver::Passed);
    assert_eq!(result(Outcome::Skip, over()).waiver(), Waiver::None);
}

#[test]
fn what_an_entry_has_to_do_with_a_result_is_told_with_its_place_and_what_to_do() {
    let remark = |result: CaseResult| result.remark().unwrap_or_default();
    assert_eq!(remark(failure(Some(entry()))), "");
    assert_eq!(
        remark(result(Outcome::Pass, Some(entry()))),
        "take it out of `codec/x/*` under `expect` at acme.yaml:8:12 (ACME-12; owner Jane)"
    );
    let exact = Expected { pattern: Some("codec/x/a".to_owned()), owner: None, ..entry() };
    assert_eq!(
        remark(result(Outcome::Pass, Some(exact.clone()))),
        "remove it from `expect` at acme.yaml:8:12 (ACME-12)"
    );
    assert_eq!(
        remark(result(Outcome::Pass, Some(Expected { expired: true, ..exact }))),
        "remove it from `expect` at acme.yaml:8:12, whose last day was 2027-01-31 (ACME-12)"
    );
    assert_eq!(
        remark(failure(Some(Expected { expired: true, ..entry() }))),
        "it was waived until 2027-01-31 by Jane (ACME-12): mend it, or give the entry at acme.yaml:8:12 another day"
    );
    assert_eq!(
        remark(failure(Some(Expected { outcome: Outcome::Warning, ..entry() }))),
        "`expect` at acme.yaml:8:12 pins the outcome warning, but this is fail: another failure, or the entry is wrong"
    );
    assert_eq!(
        remark(failure(Some(Expected { failure: Some("`max`".to_owned()), ..entry() }))),
        "`expect` at acme.yaml:8:12 pins the text \"`max`\", but it does not occur in what went wrong: another failure, \
         or the entry is wrong"
    );
}

#[test]
fn the_grounds_of_an_entry_name_what_it_has() {
    assert_eq!(entry().grounds(), "ACME-12; owner Jane; until 2027-01-31");
    assert_eq!(Expected::new(Outcome::Fail, "ACME-12").grounds(), "ACME-12");
}

#[test]
fn an_event_of_before_owners_and_last_days_is_read() {
    let old: Expected = serde_json::from_value(json!({"outcome": "fail"})).expect("an expectation");
    assert_eq!(old, Expected { reason: None, ..Expected::new(Outcome::Fail, "") });
    let told = serde_json::to_value(&old).expect("JSON");
    assert_eq!(told, json!({"outcome": "fail"}));
    let result = result(Outcome::Pass, Some(old));
    assert_eq!(result.remark().unwrap(), "remove it from `expect` of the manifest (no reason given)");
}

#[rstest]
#[case::nothing_varies("the host did not attach", Some("the host did not attach"))]
#[case::offsets_vary("field `min` differs, first at offset 16", Some("field `min` differs, first at offset"))]
#[case::names_stay("field `assemblies[0].name` differs", Some("field `assemblies[0].name` differs"))]
#[case::numbers_vary("process 4711 is not as it must be", Some("is not as it must be"))]
#[case::paths_vary("the file a/b/c.dll has another modification time", Some("has another modification time"))]
#[case::durations_vary(
    "the subject owed an answer and gave none for 10s",
    Some("the subject owed an answer and gave none for")
)]
#[case::what_a_subject_said_varies(
    "the subject printed a line that is not JSON: `Hello {`",
    Some("the subject printed a line that is not JSON")
)]
#[case::quotes_vary("it says \"port in use\" twice", None)]
#[case::addresses_vary("nothing listens at 127.0.0.1:40001", Some("nothing listens at"))]
#[case::a_code_in_parentheses(
    "the connection was closed (FIN) instead",
    Some("the connection was closed (FIN) instead")
)]
#[case::too_little("12 34 56", None)]
fn a_failure_is_pinned_by_what_does_not_vary(#[case] summary: &str, #[case] pinned: Option<&str>) {
    let mut found = failure(None);
    found.problems[0].summary = summary.to_owned();
    assert_eq!(pin(&found).as_deref(), pinned);
    assert!(pinned.is_none_or(|text| found.says(text)));
    let alone = CaseResult { reason: Some(summary.to_owned()), ..result(Outcome::Fail, None) };
    assert_eq!(pin(&alone).as_deref(), pinned);
}

#[test]
fn a_pinned_text_is_short() {
    let words = vec!["word"; 100].join(" ");
    let long = CaseResult { reason: Some(words), ..result(Outcome::Fail, None) };
    assert_eq!(pin(&long).unwrap(), vec!["word"; 20].join(" "));
    assert_eq!(pin(&result(Outcome::Fail, None)), None);
}

#[test]
fn days_are_written_in_one_way() {
    for wrong in
        ["2027-02-29", "2027-1-31", "+2027-01-31", "27-01-31", "2027-01-31 ", "2027/01/31", "soon", ""]
    {
        let message = format!("`{wrong}` is no day: write YYYY-MM-DD, such as 2027-01-31");
        assert_eq!(wrong.parse::<Day>(), Err(message));
    }
    assert_eq!(day("2028-02-29").to_string(), "2028-02-29");
}

const VECTORS: &str = "format: 1
codec:
  - {id: a, clauses: [DAT-1], type: byte, value: 1, bytes: \"01\"}
  - {id: b, clauses: [DAT-1], type: byte, value: 2, bytes: \"02\", was: old-b}
  - {id: c, clauses: [DAT-1], type: byte, value: 3, bytes: \"03\"}
";

fn corpus() -> Corpus {
    let (corpus, findings) = Corpus::load(&CorpusFiles::from_texts([("codec/x.yaml", VECTORS)]));
    assert!(!findings.is_empty(), "the clauses are not there, which these tests do not need");
    corpus
}

fn manifest(entries: &str) -> Manifest {
    let text = format!("name: acme\nrole: codec\ncommand: [codec]\nexpect:\n{entries}");
    Manifest::parse(&Source::new("acme.yaml", text), Path::new("/")).expect("a manifest")
}

/// What the entries expect of the cases, as of a day: each case with the reason, and whether that is over.
fn expectations(entries: &str, today: Option<Day>) -> Result<Vec<(String, String, bool)>, String> {
    let (corpus, manifest) = (corpus(), manifest(entries));
    let selection = Selection { today, ..Selection::default() };
    let plan = Plan::new(&corpus, &manifest, &selection).map_err(|error| error.0)?;
    let told = plan.cases.iter().filter_map(|planned| {
        let expected = planned.expected.as_ref()?;
        Some((planned.name.clone(), expected.reason.clone().unwrap_or_default(), expected.expired))
    });
    Ok(told.collect())
}

#[test]
fn the_first_entry_that_fits_a_case_by_either_name_counts() {
    let entries = "  - {case: codec/x/old-b, outcome: fail, reason: first}\n  \
                   - {case: \"codec/x/*\", outcome: fail, reason: second}\n";
    let expected = [("codec/x/a", "second"), ("codec/x/b", "first"), ("codec/x/c", "second")];
    let expected = expected.map(|(case, reason)| (case.to_owned(), reason.to_owned(), false));
    assert_eq!(expectations(entries, None).unwrap(), expected);
}

#[test]
fn an_entry_counts_up_to_and_on_its_last_day() {
    let entries = "  - {case: codec/x/a, outcome: fail, reason: r, until: 2027-01-31}\n";
    let expired = |today: Option<&str>| expectations(entries, today.map(day)).unwrap()[0].2;
    assert!(!expired(None));
    assert!(!expired(Some("2026-12-31")) && !expired(Some("2027-01-31")));
    assert!(expired(Some("2027-02-01")) && expired(Some("2031-01-01")));
}

#[rstest]
#[case::matches_nothing(
    &["codec/x/d"],
    "acme.yaml:5:12: under `expect`: `codec/x/d` matches no case of role codec; did you mean `codec/x/a`?"
)]
#[case::the_same_twice(
    &["codec/x/a", "codec/x/a"],
    "acme.yaml:6:12: under `expect`: `codec/x/a` means only cases that entries before it take, such as `codec/x/a` at \
     acme.yaml:5:12: the first that fits a case counts; remove one, or put the narrower one first"
)]
#[case::behind_a_wider_one(
    &["codec/x/?", "codec/x/b"],
    "acme.yaml:6:12: under `expect`: `codec/x/b` means only cases that entries before it take, such as `codec/x/?` at \
     acme.yaml:5:12: the first that fits a case counts; remove one, or put the narrower one first"
)]
#[case::under_the_former_name(
    &["codec/x/b", "codec/x/old-b"],
    "acme.yaml:6:12: under `expect`: `codec/x/old-b` means only cases that entries before it take, such as `codec/x/b` at \
     acme.yaml:5:12: the first that fits a case counts; remove one, or put the narrower one first"
)]
fn entries_that_mean_nothing_are_refused(#[case] patterns: &[&str], #[case] message: &str) {
    let entry = |pattern: &&str| format!("  - {{case: \"{pattern}\", outcome: fail, reason: r}}\n");
    let entries: String = patterns.iter().map(entry).collect();
    assert_eq!(expectations(&entries, None), Err(message.to_owned()));
}

#[test]
fn entries_that_share_some_cases_are_good() {
    let entries = "  - {case: codec/x/a, outcome: fail, reason: r}\n  \
                   - {case: codec/x/b, outcome: fail, reason: r}\n  \
                   - {case: \"codec/**\", outcome: warning, reason: rest}\n";
    assert_eq!(expectations(entries, None).unwrap().len(), 3);
}
