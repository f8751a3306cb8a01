//! Verdicts: what each answer to each expectation means, and what a run of them comes to.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use iaspec_harness::clauses::Tier;
use iaspec_harness::event::{CaseResult, Expected, Tally};
use iaspec_harness::vectors::Corpus;
use iaspec_harness::vectors::codec::{CodecCheck, DecodeExpectation};
use iaspec_harness::verdict::{Answer, Outcome, Problem, clip, judge_decode, judge_encode, visible};
use rstest::rstest;
use serde_json::json;
use support::files_with;

const CASES: &str = "format: 1
codec:
  - {id: file, clauses: [MTA-1], type: update_file, value: {name: ab, modified_ticks: \"1\", contents: ff},
     bytes: \"02 6162 01 00*7 01000000 ff 0000\", rest: 2}
  - {id: cut, clauses: [DAT-5], type: update_file, bytes: \"02 6162 00*7\", malformed: {at: 3}}
  - {id: count, clauses: [DAT-5], type: bytes, bytes: \"05000000 00*4\", malformed: {at: 0}}
  - {id: text, clauses: [DAT-5], type: string, bytes: \"02 ffff\", malformed: {at: 0}}
  - {id: range, clauses: [DAT-1], type: int8, value: 128, fails: usage}
  - {id: unknown, clauses: [DAT-1], type: int9, bytes: \"00\", fails: unsupported}
  - {id: crypto, clauses: [AES-6], type: aes_frame_agent, bytes: \"00000000\", fails: crypto,
     key: \"00000000000000000000000000000000\", iv: \"00000000000000000000000000000000\"}
  - {id: sealed-cut, clauses: [AES-6], type: aes_frame_agent, bytes: \"20000000 00*16\", malformed: {at: 0},
     key: \"00000000000000000000000000000000\", iv: \"00000000000000000000000000000000\"}
  - {id: zeros, clauses: [AES-3], type: aes_frame_agent, padding: zeros, only: encode,
     value: {next_iv: \"030a11181f262d343b424950575e656c\", command: -2004780429, data: \"8f\"},
     bytes: \"20000000 29c99ea986fa95edf1f01a6a9ba4b1f9a173602d2b09e830735e85ef94287f2c\",
     key: \"000102030405060708090a0b0c0d0e0f\", iv: \"f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff\"}
";

fn corpus() -> Corpus {
    let (corpus, findings) = Corpus::load(&files_with("codec/x.yaml", CASES));
    assert!(findings.is_empty(), "{findings:?}");
    corpus
}

/// Judges an answer to the check of a case that goes the given way.
fn judge(id: &str, op: &str, answer: Answer<'_>) -> Option<Problem> {
    let corpus = corpus();
    let case = corpus.codec.iter().find(|case| case.name == format!("codec/x/{id}")).expect("a case");
    case.checks
        .iter()
        .find_map(|check| match (check, op) {
            (CodecCheck::Encode { expected, .. }, "encode") => {
                Some(judge_encode(case, &corpus.formats, expected, answer))
            }
            (CodecCheck::Decode { bytes, expected }, "decode") => {
                Some(judge_decode(case, &corpus.formats, bytes, expected, answer))
            }
            _ => None,
        })
        .expect("a check")
}

fn error(kind: &str, offset: Option<u64>) -> Answer<'_> {
    Answer::Error { kind, message: "", offset }
}

const VALUE: &str = r#"{"name":"ab","modified_ticks":"1","contents":"ff"}"#;

#[rstest]
#[case::encoded("file", "encode", Answer::Ok(r#"{"hex":"026162010000000000000001000000ff"}"#))]
#[case::upper_case_hex("file", "encode", Answer::Ok(r#"{"hex":"026162010000000000000001000000FF"}"#))]
#[case::further_members(
    "file",
    "encode",
    Answer::Ok(r#"{"took":3,"hex":"026162010000000000000001000000ff"}"#)
)]
#[case::escapes("file", "encode", Answer::Ok(r#"{"hex":"\u003026162010000000000000001000000ff"}"#))]
#[case::decoded(
    "file",
    "decode",
    Answer::Ok(r#"{"rest":2,"value":{"contents":"FF","name":"ab","modified_ticks":"1"}}"#)
)]
#[case::malformed("cut", "decode", error("malformed", Some(3)))]
#[case::encrypted_part_cut_short("sealed-cut", "decode", error("malformed", Some(0)))]
#[case::encrypted_part_cut_short_noticed_later("sealed-cut", "decode", error("malformed", Some(4)))]
#[case::encrypted_part_does_not_decrypt("sealed-cut", "decode", error("crypto", None))]
#[case::count_at_once("count", "decode", error("malformed", Some(0)))]
#[case::count_at_the_content("count", "decode", error("malformed", Some(4)))]
#[case::count_at_the_end("count", "decode", error("malformed", Some(8)))]
#[case::usage("range", "encode", error("usage", None))]
#[case::unsupported("unknown", "decode", error("unsupported", None))]
#[case::crypto("crypto", "decode", error("crypto", None))]
#[case::zeros_padding(
    "zeros",
    "encode",
    Answer::Ok(r#"{"hex":"2000000029c99ea986fa95edf1f01a6a9ba4b1f9a173602d2b09e830735e85ef94287f2c"}"#)
)]
fn a_right_answer_passes(#[case] id: &str, #[case] op: &str, #[case] answer: Answer<'_>) {
    assert_eq!(judge(id, op, answer), None);
}

#[rstest]
#[case::refused(error("usage", None), "the subject refused a valid value", "error `usage`")]
#[case::no_hex(Answer::Ok(r#"{"bytes":"00"}"#), "the answer has no text `hex`", r#"{"bytes":"00"}"#)]
#[case::hex_is_null(Answer::Ok(r#"{"hex":null}"#), "the answer has no text `hex`", r#"{"hex":null}"#)]
#[case::no_object(Answer::Ok("7"), "the answer has no text `hex`", "7")]
#[case::odd_digits(Answer::Ok(r#"{"hex":"026"}"#), "the answer's `hex` is not hexadecimal", "026")]
#[case::bad_digits(Answer::Ok(r#"{"hex":"0x02"}"#), "the answer's `hex` is not hexadecimal", "0x02")]
#[case::other_byte(
    Answer::Ok(r#"{"hex":"026162020000000000000001000000ff"}"#),
    "field `modified_ticks` differs, first at offset 3",
    "16 bytes"
)]
#[case::too_short(
    Answer::Ok(r#"{"hex":"026162010000000000000001000000"}"#),
    "field `contents` differs, first at offset 15",
    "15 bytes"
)]
#[case::too_long(
    Answer::Ok(r#"{"hex":"026162010000000000000001000000ff00"}"#),
    "field `rest` differs, first at offset 16",
    "17 bytes"
)]
#[case::nothing(Answer::Ok(r#"{"hex":""}"#), "field `name length` differs, first at offset 0", "0 bytes")]
fn a_wrong_encoding_is_a_problem(#[case] answer: Answer<'_>, #[case] summary: &str, #[case] actual: &str) {
    let problem = judge("file", "encode", answer).expect("a problem");
    assert_eq!((problem.step.as_str(), problem.expected.as_str()), ("encode", "16 bytes"));
    assert_eq!((problem.summary.as_str(), problem.actual.as_str()), (summary, actual));
    assert_eq!(
        problem.bytes.is_some(),
        summary.starts_with("field"),
        "bytes side by side where there are any"
    );
}

#[rstest]
#[case::refused(error("malformed", Some(3)), "the subject refused valid bytes at field `modified_ticks`", &format!("{VALUE}, 2 bytes left over"), "error `malformed` at offset 3")]
#[case::refused_without_a_place(error("usage", None), "the subject refused valid bytes", &format!("{VALUE}, 2 bytes left over"), "error `usage`")]
#[case::rest_missing(
    Answer::Ok(r#"{"value":1}"#),
    "the answer has no `value` or no number `rest`",
    "a `value` and the number `rest`",
    r#"{"value":1}"#
)]
#[case::rest_is_text(
    Answer::Ok(r#"{"value":1,"rest":"2"}"#),
    "the answer has no `value` or no number `rest`",
    "a `value` and the number `rest`",
    r#"{"value":1,"rest":"2"}"#
)]
#[case::value_missing(
    Answer::Ok(r#"{"rest":2}"#),
    "the answer has no `value` or no number `rest`",
    "a `value` and the number `rest`",
    r#"{"rest":2}"#
)]
#[case::rest_wrong(
    Answer::Ok(r#"{"value":{"name":"ab","modified_ticks":"1","contents":"ff"},"rest":0}"#),
    "another number of bytes is left over",
    "rest 2",
    "rest 0"
)]
#[case::field_wrong(
    Answer::Ok(r#"{"value":{"name":"ab","modified_ticks":"2","contents":"ff"},"rest":2}"#),
    "field `modified_ticks` is read wrongly",
    "\"1\"",
    "\"2\""
)]
#[case::field_missing(
    Answer::Ok(r#"{"value":{"name":"ab","modified_ticks":"1"},"rest":2}"#),
    "field `contents` is read wrongly",
    "\"ff\"",
    "nothing"
)]
#[case::field_of_another_kind(
    Answer::Ok(r#"{"value":{"name":"ab","modified_ticks":1,"contents":"ff"},"rest":2}"#),
    "field `modified_ticks` is read wrongly",
    "\"1\"",
    "1"
)]
#[case::no_object(
    Answer::Ok(r#"{"value":null,"rest":2}"#),
    "field `update_file` is read wrongly",
    VALUE,
    "null"
)]
fn a_wrong_decoding_is_a_problem(
    #[case] answer: Answer<'_>,
    #[case] summary: &str,
    #[case] expected: &str,
    #[case] actual: &str,
) {
    let problem = judge("file", "decode", answer).expect("a problem");
    assert_eq!(problem.step, "decode");
    assert_eq!(
        (problem.summary.as_str(), problem.expected.as_str(), problem.actual.as_str()),
        (summary, expected, actual)
    );
}

#[test]
fn a_value_read_wrongly_is_shown_as_the_bytes_that_it_would_have() {
    let answer = Answer::Ok(r#"{"value":{"name":"ab","modified_ticks":"2","contents":"ff"},"rest":2}"#);
    let bytes = judge("file", "decode", answer).expect("a problem").bytes.expect("bytes");
    assert_eq!((bytes.field.as_str(), bytes.offset), ("modified_ticks", 3));
    let row = bytes.rows.iter().find(|row| row.differs).expect("a row");
    assert_eq!(
        (row.expected.as_str(), row.actual.as_str()),
        ("01 00 00 00 00 00 00 00", "02 00 00 00 00 00 00 00")
    );
}

const CUT: &str =
    "error `malformed` at offset 3, field `modified_ticks`: cut short: 8 bytes expected, 7 left";
const COUNT: &str = "error `malformed` at offset 0 or later, field `bytes`: a count of 5, each at least 1 byte, with 4 bytes left";

const SEALED: &str =
    "error `malformed` at offset 0 or later, field `length`: a length of 32 with 16 bytes left";

#[rstest]
#[case::crypto_of_plain_bytes(
    "cut",
    error("crypto", None),
    "malformed bytes got another error",
    CUT,
    "error `crypto`"
)]
#[case::earlier(
    "cut",
    error("malformed", Some(2)),
    "the malformed field is named at another offset",
    CUT,
    "error `malformed` at offset 2"
)]
#[case::later(
    "cut",
    error("malformed", Some(4)),
    "the malformed field is named at another offset",
    CUT,
    "error `malformed` at offset 4"
)]
#[case::behind_the_end(
    "count",
    error("malformed", Some(9)),
    "the malformed field is named at another offset",
    COUNT,
    "error `malformed` at offset 9"
)]
#[case::no_offset(
    "cut",
    error("malformed", None),
    "the error has no number `offset`",
    CUT,
    "error `malformed`"
)]
#[case::other_kind(
    "cut",
    error("usage", Some(3)),
    "malformed bytes got another error",
    CUT,
    "error `usage` at offset 3"
)]
#[case::encrypted_part_accepted(
    "sealed-cut",
    Answer::Ok(r#"{"value":{},"rest":0}"#),
    "malformed bytes were accepted",
    SEALED,
    r#"{"value":{},"rest":0}"#
)]
#[case::encrypted_part_of_another_kind(
    "sealed-cut",
    error("usage", None),
    "malformed bytes got another error",
    SEALED,
    "error `usage`"
)]
#[case::accepted(
    "cut",
    Answer::Ok(r#"{"value":{},"rest":0}"#),
    "malformed bytes were accepted",
    CUT,
    r#"{"value":{},"rest":0}"#
)]
fn malformed_bytes_must_be_named(
    #[case] id: &str,
    #[case] answer: Answer<'_>,
    #[case] summary: &str,
    #[case] expected: &str,
    #[case] actual: &str,
) {
    let problem = judge(id, "decode", answer).expect("a problem");
    assert_eq!(
        (problem.summary.as_str(), problem.expected.as_str(), problem.actual.as_str()),
        (summary, expected, actual)
    );
    assert!(problem.bytes.is_some());
}

#[test]
fn malformed_bytes_are_shown_up_to_the_wrong_field() {
    let bytes = judge("cut", "decode", error("malformed", None)).expect("a problem").bytes.expect("bytes");
    let rows: Vec<_> =
        bytes.rows.iter().map(|row| (row.offset, row.field.as_str(), row.expected.as_str())).collect();
    assert_eq!(
        rows,
        [(0, "name length", "02"), (1, "name", "6162"), (3, "modified_ticks", "00000000000000")]
    );
}

#[test]
fn a_part_of_the_wrong_field_is_not_shown_as_one_before_it() {
    let bytes = judge("text", "decode", error("malformed", None)).expect("a problem").bytes.expect("bytes");
    let rows: Vec<_> =
        bytes.rows.iter().map(|row| (row.offset, row.field.as_str(), row.expected.as_str())).collect();
    assert_eq!(rows, [(0, "string", "02ffff")]);
}

#[rstest]
#[case::usage_accepted(
    "range",
    "encode",
    Answer::Ok(r#"{"hex":"80"}"#),
    "what must be refused was accepted",
    "error `usage`"
)]
#[case::usage_of_another_kind(
    "range",
    "encode",
    error("malformed", Some(0)),
    "the error is of another kind",
    "error `usage`"
)]
#[case::unsupported_accepted(
    "unknown",
    "decode",
    Answer::Ok(r#"{"value":0,"rest":0}"#),
    "what must be refused was accepted",
    "error `unsupported`"
)]
#[case::unsupported_as_usage(
    "unknown",
    "decode",
    error("usage", None),
    "the error is of another kind",
    "error `unsupported`"
)]
#[case::crypto_as_malformed(
    "crypto",
    "decode",
    error("malformed", Some(0)),
    "the error is of another kind",
    "error `crypto`"
)]
#[case::crypto_accepted(
    "crypto",
    "decode",
    Answer::Ok("{}"),
    "what must be refused was accepted",
    "error `crypto`"
)]
fn what_must_fail_must_fail_that_way(
    #[case] id: &str,
    #[case] op: &str,
    #[case] answer: Answer<'_>,
    #[case] summary: &str,
    #[case] expected: &str,
) {
    let problem = judge(id, op, answer).expect("a problem");
    assert_eq!(
        (problem.step.as_str(), problem.summary.as_str(), problem.expected.as_str()),
        (op, summary, expected)
    );
}

#[test]
fn a_subject_cannot_write_to_the_terminal() {
    let answer = Answer::Error { kind: "\u{1b}[2J", message: "a\u{1b}]0;x\u{7}\nb", offset: None };
    let problem = judge("range", "encode", answer).expect("a problem");
    assert_eq!(problem.actual, "error `\\u{1b}[2J`: a\\u{1b}]0;x\\u{7}\\nb");
}

#[rstest]
#[case("plain é 日本", "plain é 日本")]
#[case("tab\tstays", "tab\tstays")]
#[case("\u{1b}[31m", "\\u{1b}[31m")]
#[case("a\r\nb\u{0}\u{7f}\u{9b}", "a\\r\\nb\\u{0}\\u{7f}\\u{9b}")]
// These turn the direction of text, or hide it.
#[case("\u{202e}txt\u{2066}", "\\u{202e}txt\\u{2066}")]
#[case("a\u{2028}b", "a\\u{2028}b")]
fn control_characters_are_made_visible(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(visible(text), expected);
    assert_eq!(clip(text), expected);
}

#[test]
fn long_texts_are_cut_to_200_characters() {
    assert_eq!(clip(&"é".repeat(200)), "é".repeat(200));
    assert_eq!(clip(&"é".repeat(201)), format!("{}… (402 bytes)", "é".repeat(200)));
}

#[rstest]
#[case(Tier::D, Outcome::Fail)]
#[case(Tier::R, Outcome::Fail)]
#[case(Tier::C, Outcome::Fail)]
#[case(Tier::I, Outcome::Difference)]
#[case(Tier::H, Outcome::Warning)]
fn the_tier_decides_what_a_failure_is(#[case] tier: Tier, #[case] outcome: Outcome) {
    assert_eq!(Outcome::of_failure(tier), outcome);
}

#[test]
fn an_outcome_is_called_the_same_in_manifests_and_in_data() {
    for outcome in [Pass, Fail, Difference, Warning, Skip, Error] {
        assert_eq!(json!(outcome), json!(outcome.name()));
    }
    assert_eq!([Pass, Fail].map(Outcome::name), ["pass", "fail"]);
}

fn result(outcome: Outcome, expected: Option<Outcome>) -> CaseResult {
    let expected = expected.map(|outcome| Expected::new(outcome, "BUG-1"));
    serde_json::from_value(json!({
        "subject": "s", "index": 0, "case": "codec/x/a", "title": "a", "repetition": 1,
        "outcome": outcome, "tier": "D", "clauses": [], "expected": expected, "micros": 1,
    }))
    .expect("a result")
}

fn tally(results: &[(Outcome, Option<Outcome>)]) -> Tally {
    let mut tally = Tally::default();
    for (outcome, expected) in results {
        tally.count(&result(*outcome, *expected));
    }
    tally
}

use Outcome::{Difference, Error, Fail, Pass, Skip, Warning};

#[test]
fn every_outcome_counts_once() {
    let found = tally(&[
        (Pass, None),
        (Pass, None),
        (Fail, None),
        (Difference, None),
        (Warning, None),
        (Skip, None),
        (Error, None),
        (Fail, Some(Fail)),
        (Warning, Some(Warning)),
        (Pass, Some(Fail)),
        (Fail, Some(Warning)),
        (Skip, Some(Fail)),
    ]);
    let expected = Tally {
        passed: 3,
        failed: 2,
        differences: 1,
        warnings: 1,
        skipped: 2,
        errors: 1,
        expected_failures: 2,
        unexpected_passes: 1,
        other_failures: 1,
        contract: 0,
    };
    assert_eq!(found, expected);
    let mut twice = found;
    twice += found;
    assert_eq!((twice.passed, twice.skipped, twice.unexpected_passes), (6, 4, 2));
}

#[test]
fn failures_by_contract_are_counted_among_the_failed() {
    let mut tally = tally(&[(Fail, None)]);
    tally.count(&CaseResult { tier: Tier::C, ..result(Fail, None) });
    tally.count(&CaseResult { tier: Tier::C, ..result(Pass, None) });
    assert_eq!((tally.failed, tally.contract), (2, 1));
    assert_eq!(tally.exit_code(false), 1);
}

#[rstest]
#[case::passed(&[(Pass, None)], 0, 0)]
#[case::skipped(&[(Skip, None)], 0, 0)]
#[case::failed(&[(Pass, None), (Fail, None)], 1, 1)]
#[case::difference(&[(Difference, None)], 0, 1)]
#[case::warning(&[(Warning, None)], 0, 1)]
#[case::error(&[(Error, None)], 3, 3)]
#[case::expected_failure(&[(Fail, Some(Fail))], 0, 0)]
#[case::expected_error(&[(Error, Some(Error))], 0, 0)]
#[case::expected_warning_is_none_under_strict(&[(Warning, Some(Warning))], 0, 0)]
#[case::stale_expectation(&[(Pass, Some(Fail))], 4, 4)]
#[case::another_failure_than_expected(&[(Fail, Some(Difference))], 1, 1)]
#[case::a_failure_that_became_a_warning(&[(Warning, Some(Fail))], 4, 1)]
#[case::error_before_failure(&[(Fail, None), (Error, None)], 3, 3)]
#[case::failure_before_stale(&[(Pass, Some(Fail)), (Fail, None)], 1, 1)]
#[case::error_before_all(&[(Pass, Some(Fail)), (Fail, None), (Error, None)], 3, 3)]
#[case::strict_difference_before_stale(&[(Pass, Some(Fail)), (Difference, None)], 4, 1)]
fn the_exit_code_tells_the_worst(
    #[case] results: &[(Outcome, Option<Outcome>)],
    #[case] code: u8,
    #[case] strict: u8,
) {
    let tally = tally(results);
    assert_eq!((tally.exit_code(false), tally.exit_code(true)), (code, strict));
}

#[test]
fn only_an_offset_counts_where_a_field_is_wrong_for_sure() {
    let corpus = corpus();
    let later = |id: &str| {
        let case = corpus.codec.iter().find(|case| case.name.ends_with(id)).expect("a case");
        match &case.checks[0] {
            CodecCheck::Decode { expected: DecodeExpectation::Malformed { or_later, .. }, .. } => *or_later,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((later("/cut"), later("/count")), (false, true));
}
