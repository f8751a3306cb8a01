//! Two codecs that share no code, and what one changed byte of a vector does to them.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use iaspec_harness::engine::{self, Conversations, Plan, RunOptions, Selection};
use iaspec_harness::event::{CaseResult, Event};
use iaspec_harness::subject::Manifest;
use iaspec_harness::vectors::codec::{CodecCase, Direction};
use iaspec_harness::vectors::{Corpus, CorpusFiles};
use iaspec_harness::verdict::Outcome;
use support::{Spoiled, has_tool, root, run};

fn dotnet() -> Option<String> {
    let installed = has_tool("mono") && has_tool("mcs");
    let manifest = root().join("agent-under-test/ports/dotnet/subject-codec.yaml");
    installed.then(|| manifest.to_str().expect("UTF-8").to_owned())
}

#[test]
fn the_codec_around_the_real_dotnet_classes_passes_every_case() {
    let Some(manifest) = dotnet() else { return };
    let ran = run(&["run", &manifest, "--strict", "--answer-within", "60s"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(
        ran.last_line(),
        run(&["run", "--filter", "codec/**"]).last_line(),
        "as many cases as the reference"
    );
}

#[test]
fn the_differences_listed_for_dotnet_are_those_of_the_runtime() {
    if dotnet().is_none() {
        return;
    }
    let codec = root().join("agent-under-test/ports/dotnet/codec");
    let output = std::process::Command::new(codec).arg("--check-readme").output().expect("the codec");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The vectors with one byte changed in each valid case, and the names of those cases.
fn with_one_byte_changed_in_each_case() -> (Spoiled, Vec<String>) {
    let (corpus, _) = Corpus::load(&CorpusFiles::embedded());
    let mut changes: BTreeMap<&str, Vec<&CodecCase>> = BTreeMap::new();
    for case in corpus.codec.iter().filter(|case| is_valid(case)) {
        changes.entry(&case.source.name).or_default().push(case);
    }
    let (spoiled, mut names) = (Spoiled::new(), Vec::new());
    for (file, cases) in changes {
        let mut text = cases[0].source.text.clone();
        // From the end, so that the places before stay right.
        for case in cases.iter().rev() {
            let bytes = case.entry.bytes.as_ref().expect("bytes");
            let mut changed = bytes.value.0.clone();
            // Any byte will do, but those left over belong to no value; a different one for each length.
            let at = changed.len() * 7 / 11 % (changed.len() - case.entry.rest);
            changed[at] ^= 0x01;
            let hex = format!("\"{}\"", iaspec_harness::hex_text::encode(&changed));
            text.replace_range(bytes.span.start..bytes.span.start + bytes.span.len, &hex);
            names.push(case.name.clone());
        }
        spoiled.write(
            Path::new(file).strip_prefix("vectors").expect("built in").to_str().expect("UTF-8"),
            &text,
        );
    }
    (spoiled, names)
}

/// Whether a case has a value and bytes to compare. The longest are left out for the time they take.
fn is_valid(case: &CodecCase) -> bool {
    let entry = &case.entry;
    let bytes = entry.bytes.as_ref().map_or(0, |bytes| bytes.value.0.len());
    entry.value.is_some() && entry.fails.is_none() && bytes > entry.rest && bytes < 10_000
}

/// Runs vectors that contradict themselves, which the command line refuses.
fn results_of(manifest: &Manifest, spoiled: &Spoiled) -> BTreeMap<String, CaseResult> {
    let files = CorpusFiles::directory(spoiled.folder.path()).expect("the vectors");
    let (corpus, findings) = Corpus::load(&files);
    assert!(findings.is_empty(), "{findings:?}");
    let plan = Plan::new(&corpus, manifest, &Selection::default()).expect("cases");
    let options = RunOptions {
        jobs: 64,
        repeat: 1,
        seed: None,
        fail_fast: false,
        strict: false,
        answer_within: Duration::from_secs(60),
        longest_wait: None,
        conversations: Conversations::Failed,
        rerun: String::new(),
    };
    let (_interrupter, mut interrupt) = engine::interruption();
    let mut results = BTreeMap::new();
    let mut emit = |event| {
        if let Event::CaseFinished(result) = event {
            results.insert(result.case.clone(), *result);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(engine::run_subject(&corpus, manifest, &plan, &options, &mut interrupt, &mut emit));
    results
}

fn none_passes(manifest: &Path) {
    let (spoiled, names) = with_one_byte_changed_in_each_case();
    assert!(names.len() > 400, "{} cases", names.len());
    let manifest = Manifest::read(manifest).expect("a good manifest");
    let manifest = manifest.with_program("iaspec", Path::new(env!("CARGO_BIN_EXE_iaspec")));
    let results = results_of(&manifest, &spoiled);
    let decode_only: Vec<String> = Corpus::load(&CorpusFiles::embedded())
        .0
        .codec
        .iter()
        .filter(|case| case.entry.only == Some(Direction::Decode))
        .map(|case| case.name.clone())
        .collect();
    for name in names {
        let result = &results[&name];
        assert_ne!(result.outcome, Outcome::Pass, "{name} passes with a changed byte");
        let problems = &result.problems;
        let names_a_field = problems.iter().any(|problem| problem.summary.contains("field `"));
        assert!(names_a_field || decode_only.contains(&name), "{name}: no field is named in {problems:?}");
    }
}

#[test]
fn one_changed_byte_fails_its_case_with_the_reference() {
    none_passes(&root().join("agent-under-test/subject-codec.yaml"));
}

#[test]
fn one_changed_byte_fails_its_case_with_dotnet() {
    if let Some(manifest) = dotnet() {
        none_passes(Path::new(&manifest));
    }
}
