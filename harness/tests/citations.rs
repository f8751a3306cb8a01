//! Which clause of a case is broken, and what that weighs: by the step, the field, and the first of the list.

#![allow(clippy::expect_used, clippy::panic, reason = "in a test, a panic is the verdict")]

use iaspec_harness::citation::own;
use iaspec_harness::clauses::Tier::{self, C, D, H, I};
use iaspec_harness::event::CaseResult;
use iaspec_harness::format::ByteDifference;
use iaspec_harness::vectors::{Corpus, CorpusFiles};
use iaspec_harness::verdict::{Outcome, Problem};
use rstest::rstest;

fn corpus() -> Corpus {
    let (corpus, findings) = Corpus::load(&CorpusFiles::embedded());
    assert!(findings.is_empty(), "{findings:?}");
    corpus
}

fn problem(clause: Option<&str>, bytes: Option<ByteDifference>) -> Problem {
    let words = String::new;
    Problem {
        step: words(),
        summary: words(),
        expected: words(),
        actual: words(),
        clause: clause.map(str::to_owned),
        bytes,
    }
}

fn list(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|&id| id.to_owned()).collect()
}

/// How two byte strings of a type differ, both hexadecimal.
fn difference(corpus: &Corpus, type_name: &str, expected: &str, actual: &str) -> ByteDifference {
    let bytes = |text: &str| hex::decode(text.replace(' ', "")).expect("hexadecimal digits");
    let found = corpus.formats.byte_difference(type_name, &bytes(expected), &bytes(actual), None);
    found.expect("a difference")
}

// An answer to Get Agent Root Path: length, command 3, the path "/a" after its length.
const ANSWER: &str = "03000000 03000000 02 2f61";
// An acknowledgement without encryption: version 2000, server version 51.
const ACK: &str = "00 d0070000 33000000";

#[rstest]
// Only the command is another one: the code of the request is not echoed.
#[case::another_command("frame_agent", ANSWER, "03000000 04000000 02 2f61", &["HS-7", "FRM-3", "MTA-4"], "MTA-4", I)]
// The command has one byte: everything after it stands elsewhere (erratum E1).
#[case::data_at_offset_5("frame_agent", ANSWER, "03000000 03 02 2f61", &["HS-7", "FRM-3", "MTA-4"], "FRM-3", D)]
#[case::length_of_all("frame_agent", ANSWER, "0b000000 03000000 02 2f61", &["FRM-3", "FRM-4"], "FRM-4", D)]
#[case::picked_version("ack", ACK, "00 e8030000 33000000", &["NEG-1", "HS-4"], "NEG-1", I)]
#[case::a_version_of_other_bytes("ack", ACK, "00 0000d007 33000000", &["HS-4", "HS-7"], "HS-7", D)]
#[case::mode("ack", ACK, "01 d0070000 33000000", &["NEG-1", "HS-4"], "HS-4", D)]
#[case::server_version("ack", ACK, "00 d0070000 34000000", &["HS-4", "HS-9"], "HS-9", I)]
#[case::everything_moved("ack", ACK, "d0070000 00 33000000", &["HS-9", "HS-4"], "HS-4", D)]
#[case::protocol_id(
    "handshake_v2",
    "4ed2eb6c f74a134a b9af81d3 dfc644be d0070000 d0070000",
    "6cebd24e 4af74a13 b9af81d3 dfc644be d0070000 d0070000",
    &["HS-12", "HS-2", "HS-1"],
    "HS-2",
    D
)]
#[case::text("get_root_path", "01", "02", &["CMP-2", "MTA-3"], "MTA-3", D)]
#[case::string("string", "02 2f61", "02 2f62", &["DAT-6", "DAT-2"], "DAT-2", D)]
#[case::nothing_in_common("string", "02 2f61", "02 2f62", &["HS-12", "MTA-4"], "HS-12", H)]
fn a_field_that_differs_breaks_the_gravest_clause_that_is_cited_for_it(
    #[case] type_name: &str,
    #[case] expected: &str,
    #[case] actual: &str,
    #[case] cited: &[&str],
    #[case] clause: &str,
    #[case] tier: Tier,
) {
    let corpus = corpus();
    let difference = difference(&corpus, type_name, expected, actual);
    let problem = problem(None, Some(difference));
    let cited = list(cited);
    let broken = corpus.clauses.broken(&cited, &problem).expect("a clause");
    assert_eq!((broken, corpus.clauses.tier(broken)), (clause, tier), "{problem:?}");
}

#[test]
fn what_the_step_cites_counts_before_the_field() {
    let corpus = corpus();
    let bytes = difference(&corpus, "ack", ACK, "01 d0070000 33000000");
    let problem = problem(Some("HS-12"), Some(bytes));
    assert_eq!(corpus.clauses.broken(&list(&["HS-4"]), &problem), Some("HS-12"));
}

#[test]
fn what_cites_nothing_breaks_what_the_case_is_about() {
    let corpus = corpus();
    assert_eq!(corpus.clauses.broken(&list(&["FRM-7", "HS-1"]), &problem(None, None)), Some("FRM-7"));
    assert_eq!(corpus.clauses.broken(&[], &problem(None, None)), None);
}

#[rstest]
#[case::a_warning(&["HS-12", "HS-4"], &[None], Outcome::Warning, H)]
#[case::the_gravest_of_several(&["HS-12", "HS-4"], &[None, Some("HS-4")], Outcome::Fail, D)]
#[case::a_contract(&["HS-4"], &[Some(own::ERROR_KINDS)], Outcome::Fail, C)]
#[case::inferred_and_hardening(&["DAT-5"], &[Some("MTA-4"), None], Outcome::Difference, I)]
fn a_result_weighs_as_the_gravest_clause_that_is_broken(
    #[case] cited: &[&str],
    #[case] broken: &[Option<&str>],
    #[case] outcome: Outcome,
    #[case] tier: Tier,
) {
    let corpus = corpus();
    let problems = broken.iter().map(|clause| problem(*clause, None)).collect();
    let result = passed(cited).with_problems(problems, &corpus.clauses);
    assert_eq!((result.outcome, result.tier), (outcome, tier));
    // What turned out to be broken is cited, too.
    for clause in broken.iter().flatten() {
        assert!(result.clauses.iter().any(|cited| cited == clause), "{:?}", result.clauses);
    }
}

#[test]
fn without_problems_a_result_stays_as_it_is() {
    let result = passed(&["HS-12"]);
    assert_eq!(result.clone().with_problems(Vec::new(), &corpus().clauses), result);
}

/// The result of a case that passed, and cites some clauses.
fn passed(cited: &[&str]) -> CaseResult {
    CaseResult {
        subject: "s".to_owned(),
        index: 0,
        repetition: 1,
        case: "a/b/c".to_owned(),
        title: String::new(),
        outcome: Outcome::Pass,
        tier: H,
        clauses: list(cited),
        expected: None,
        reason: None,
        problems: Vec::new(),
        conversation: Vec::new(),
        log: None,
        rerun: None,
        micros: 1,
    }
}

#[test]
fn the_clauses_that_the_engine_checks_by_itself_are_listed() {
    let corpus = corpus();
    for id in own::ALL.into_iter().chain(own::UNOPENED) {
        assert!(corpus.clauses.get(id).is_some(), "{id}");
    }
    for id in [own::ANSWERS, own::ERROR_KINDS, own::CODEC_ANSWERS, own::CODEC_ERRORS, own::REFUSAL, own::STOP]
    {
        assert_eq!(corpus.clauses.tier(id), C, "{id}");
    }
}

#[test]
fn a_case_cites_what_its_steps_cite() {
    let corpus = corpus();
    let mut cases = corpus.transcripts.iter().flat_map(|transcript| &transcript.cases);
    let case = cases.find(|case| case.name == "meta/root_path/v2-get-root-path").expect("the case");
    assert_eq!(case.clauses, ["HS-7", "FRM-2", "FRM-3", "MTA-3", "MTA-4", "HS-1"]);
}
