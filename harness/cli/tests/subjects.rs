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

use iaspec_harness::vectors::codec::{CodecCase, Direction};
use iaspec_harness::vectors::{Corpus, CorpusFiles};
use serde_json::Value;
use support::{Ran, Spoiled, has_tool, root, run};

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

fn none_passes(subject: &[&str]) {
    let (spoiled, names) = with_one_byte_changed_in_each_case();
    assert!(names.len() > 400, "{} cases", names.len());
    let path = spoiled.folder.path().join("run.ndjson");
    let report = format!("ndjson={}", path.display());
    let arguments =
        ["--vectors", spoiled.path(), "--filter", "codec/**", "--answer-within", "60s", "--report", &report];
    let ran: Ran = run(&[subject, &arguments].concat());
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let text = std::fs::read_to_string(path).expect("the report");
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let results: BTreeMap<String, Value> = events
        .filter(|event| event["event"] == "case_finished")
        .map(|event| (event["case"].as_str().expect("a name").to_owned(), event))
        .collect();
    let decode_only: Vec<String> = Corpus::load(&CorpusFiles::embedded())
        .0
        .codec
        .iter()
        .filter(|case| case.entry.only == Some(Direction::Decode))
        .map(|case| case.name.clone())
        .collect();
    for name in names {
        let result = &results[&name];
        assert_ne!(result["outcome"], "pass", "{name} passes with a changed byte");
        let problems = result["problems"].as_array().expect("problems");
        let names_a_field =
            problems.iter().any(|problem| problem["summary"].as_str().is_some_and(|s| s.contains("field `")));
        assert!(names_a_field || decode_only.contains(&name), "{name}: no field is named in {problems:?}");
    }
}

#[test]
fn one_changed_byte_fails_its_case_with_the_reference() {
    none_passes(&["run"]);
}

#[test]
fn one_changed_byte_fails_its_case_with_dotnet() {
    if let Some(manifest) = dotnet() {
        none_passes(&["run", &manifest]);
    }
}
