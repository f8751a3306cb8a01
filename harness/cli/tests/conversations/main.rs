//! What goes over the connections between harness and reference agent, in every case of a conversation: one run of
//! real processes against one snapshot for each vector file.
//!
//! A snapshot holds what a case determines; [`telling`] says what that leaves out, and by which rule. A changed
//! snapshot is a changed conversation: read it against the vector and the clauses before it is accepted.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

#[path = "../support/mod.rs"]
mod support;
mod telling;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use iaspec_harness::event::{CaseResult, Event, Exchange, Happening};
use iaspec_harness::vectors::transcript::Party;
use iaspec_harness::vectors::{Corpus, CorpusFiles, TranscriptCase};
use iaspec_harness::verdict::Outcome;
use support::{Ran, iaspec, root, run};
use tempfile::TempDir;

/// The results of a run of the reference agent, with their conversations.
fn results(arguments: &[&str]) -> Vec<CaseResult> {
    let folder = TempDir::new().expect("a folder");
    let report = folder.path().join("run.ndjson");
    let manifest = root().join("agent-under-test/subject-agent.yaml");
    let written = format!("ndjson={}", report.display());
    let manifest = manifest.to_str().expect("a UTF-8 path");
    let run_all =
        ["run", manifest, "--slow", "--encryption", "none", "--conversations", "all", "--report", &written];
    let ran = run(&[&run_all[..], arguments].concat());
    let results = read(&report);
    let failed: Vec<_> = results.iter().filter(|result| !passed_or_skipped(result)).collect();
    assert_eq!(ran.code, Some(0), "{failed:#?}\n{}", ran.stderr);
    results
}

fn passed_or_skipped(result: &CaseResult) -> bool {
    matches!(result.outcome, Outcome::Pass | Outcome::Skip)
}

fn read(report: &Path) -> Vec<CaseResult> {
    let events = std::fs::read_to_string(report).expect("the report");
    let result = |line| match serde_json::from_str(line).expect("an event") {
        Event::CaseFinished(result) => Some(*result),
        _ => None,
    };
    events.lines().filter_map(result).collect()
}

/// Files of cases with more exchanges than a record keeps, or whose connections come in no order.
const NOT_KEPT: [&str; 2] = ["framing/long_life", "handshake/open_files"];

#[test]
fn every_conversation_with_the_reference_agent_is_as_it_was_read() {
    let (corpus, findings) = Corpus::load(&CorpusFiles::embedded());
    assert!(findings.is_empty(), "{findings:?}");
    let cases = corpus.transcripts.iter().flat_map(|transcript| &transcript.cases);
    let cases: HashMap<&str, &TranscriptCase> = cases.map(|case| (case.name.as_str(), case)).collect();
    let mut files: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    // What a probe reports, which session it is of and what other clients hear first are no two times the same; each byte
    // of forwarding conversations that a case determines is looked at by its steps.
    let with_agents = cases.values().filter(|case| case.roles.contains(&Party::Agent));
    let folders: BTreeSet<&str> = with_agents.filter_map(|case| case.name.split('/').next()).collect();
    let filters: Vec<String> = folders
        .into_iter()
        .filter(|folder| *folder != "forwarding")
        .flat_map(|folder| ["--filter".to_owned(), format!("{folder}/**")])
        .collect();
    for result in results(&filters.iter().map(String::as_str).collect::<Vec<_>>()) {
        let (file, _) = result.case.rsplit_once('/').expect("folder, file, id");
        let is_forwarded =
            |exchange: &Exchange| matches!(exchange.what, Happening::HostReceived | Happening::HostSent);
        if NOT_KEPT.contains(&file) || result.conversation.iter().any(is_forwarded) {
            continue;
        }
        let told = telling::case(&result, cases[result.case.as_str()]);
        files.entry(file.to_owned()).or_default().insert(result.case.clone(), told);
    }
    assert!(files.len() > 30, "{:?}", files.keys());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let _bound = settings.bind_to_scope();
    for (file, cases) in files {
        let told: Vec<String> = cases.into_values().collect();
        insta::assert_snapshot!(file.replace('/', "__"), told.join("\n"));
    }
}

/// What the report for people and the events tell of a case that passes.
fn told(conversations: Option<&str>) -> (String, Vec<CaseResult>) {
    let folder = TempDir::new().expect("a folder");
    let report = folder.path().join("run.ndjson");
    let mut command = iaspec();
    command.args(["run", "--role", "agent", "--filter", "handshake/acknowledgement/v2-only", "--report"]);
    command.arg(format!("ndjson={}", report.display()));
    let ran = Ran::from(
        command.envs(conversations.map(|which| ("IASPEC_CONVERSATIONS", which))).output().expect("iaspec"),
    );
    assert_eq!(ran.code, Some(0), "{ran:?}");
    (ran.stdout, read(&report))
}

#[test]
fn the_conversation_of_a_case_that_passes_is_told_on_demand() {
    for usual in [None, Some("failed")] {
        let (text, results) = told(usual);
        assert!(results.len() == 1 && results[0].conversation.is_empty(), "{results:?}");
        assert!(!text.contains("v2-only"), "{text}");
    }
    let (text, results) = told(Some("all"));
    // Connected, handshake, acknowledgement, and the two requests at the end with their answers.
    assert_eq!(results[0].conversation.len(), 7, "{results:?}");
    assert!(text.contains("\npass handshake/acknowledgement/v2-only\n"), "{text}");
    assert!(text.contains("  a  ← 9 bytes: 00 d0 07 00 00 00 00 00 00\n"), "{text}");
}
