//! The reports that `iaspec run` writes, and `iaspec report` on recordings, also on that of a run that was killed.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use support::{Ran, has_tool, iaspec, run, shell};
use tempfile::TempDir;

const FORMATS: [&str; 5] = ["text", "ndjson", "json", "junit", "markdown"];

/// The recording of a short run in a folder of its own.
fn recorded() -> (TempDir, String) {
    let folder = TempDir::new().expect("a folder");
    let path = path_in(&folder, "run.ndjson");
    let ran = run(&["run", "--filter", "codec/guid/*", "--report", &format!("ndjson={path}")]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    (folder, path)
}

fn path_in(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().expect("a UTF-8 path").to_owned()
}

/// Turns a recording into every format; gives their texts in the order of [`FORMATS`].
fn in_every_format(recording: &str) -> [String; 5] {
    let folder = TempDir::new().expect("a folder");
    let path = |format: &str| folder.path().join(format);
    let to = FORMATS.map(|format| format!("{format}={}", path(format).display()));
    let mut arguments = vec!["report", recording];
    for to in &to {
        arguments.extend(["--to", to]);
    }
    let ran = run(&arguments);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "", ""));
    FORMATS.map(|format| std::fs::read_to_string(path(format)).expect("a report"))
}

fn refused(ran: &Ran, message: &str) {
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains(message), "{ran:?}");
}

#[test]
fn a_run_and_its_recording_give_the_same_reports() {
    let folder = TempDir::new().expect("a folder");
    let to = FORMATS.map(|format| format!("{format}={}", folder.path().join(format).display()));
    let mut arguments = vec!["run", "--filter", "codec/guid/*", "--repeat", "2"];
    for to in &to {
        arguments.extend(["--report", to]);
    }
    let ran = run(&arguments);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let written =
        FORMATS.map(|format| std::fs::read_to_string(folder.path().join(format)).expect("a report"));
    assert_eq!(written[0], ran.stdout);
    assert_eq!(in_every_format(&path_in(&folder, "ndjson")), written);
}

#[test]
fn the_counts_are_the_same_in_every_format() {
    let (_folder, recording) = recorded();
    let [text, _, json, junit, markdown] = in_every_format(&recording);
    let document: Value = serde_json::from_str(&json).expect("JSON");
    let passed = document["tally"]["passed"].as_u64().expect("a count");
    assert!(passed > 0 && document["complete"] == true, "{json}");
    assert!(text.ends_with(&format!("run: {passed} passed, 0 failed, 0 skipped\n")), "{text}");
    assert!(junit.contains(&format!("<testsuites name=\"iaspec\" tests=\"{passed}\" ")), "{junit}");
    assert!(
        markdown.starts_with(&format!("## iaspec: {passed} passed, 0 failed, 0 skipped\n")),
        "{markdown}"
    );
}

/// Failures of every kind, recorded from real runs; nobody recorded their end.
const FAILURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../reports/tests/data/failures.ndjson");

#[test]
fn the_junit_report_is_accepted_by_its_schema() {
    if !has_tool("xmllint") {
        return;
    }
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/../../reports/junit.xsd");
    let folder = TempDir::new().expect("a folder");
    let accepts = |text: &str| {
        let path = path_in(&folder, "run.xml");
        std::fs::write(&path, text).expect("written");
        let ran = Command::new("xmllint").args(["--noout", "--schema", schema, &path]).output();
        let output = ran.expect("xmllint");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (_folder, whole) = recorded();
    let skips = path_in(&folder, "skips.ndjson");
    run(&[
        "run",
        "--filter",
        "configuration/listener/handshake-timeout-default,codec/guid/*",
        "--report",
        &format!("ndjson={skips}"),
    ]);
    for (recording, holds) in [(whole.as_str(), "<testcase "), (&skips, "<skipped "), (FAILURES, "<failure ")]
    {
        let [.., junit, _] = in_every_format(recording);
        assert!(junit.contains(holds), "{recording}: {junit}");
        let (accepted, why) = accepts(&junit);
        assert!(accepted, "{recording}: {why}");
    }
    let [.., junit, _] = in_every_format(FAILURES);
    for (right, wrong) in [("<failure ", "<failed "), (" classname=", " class="), (" tests=\"", " tests=\"x")]
    {
        assert!(
            junit.contains(right) && !accepts(&junit.replace(right, wrong)).0,
            "{right} is not looked at"
        );
    }
}

#[test]
fn json_and_events_are_what_their_schemas_say() {
    let schema = |of: &str| {
        let ran = run(&["vectors", "schema", "--of", of]);
        let schema: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        jsonschema::validator_for(&schema).expect("a schema")
    };
    let (results, events) = (schema("results"), schema("events"));
    let (_folder, whole) = recorded();
    for recording in [whole.as_str(), FAILURES] {
        let [_, ndjson, json, ..] = in_every_format(recording);
        let document: Value = serde_json::from_str(&json).expect("JSON");
        let wrong: Vec<String> = results.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{recording}: {wrong:?}");
        for line in ndjson.lines() {
            assert!(events.is_valid(&serde_json::from_str(line).expect("JSON")), "{line}");
        }
        let mut without = document;
        without.as_object_mut().and_then(|members| members.remove("subjects")).expect("subjects");
        assert!(!results.is_valid(&without), "what is missing is noticed");
    }
}

#[test]
fn a_recording_alone_is_told_as_text_and_may_come_from_standard_input() {
    let (_folder, recording) = recorded();
    let from_file = run(&["report", &recording]);
    assert!(from_file.last_line().starts_with("run: "), "{from_file:?}");
    let input = std::fs::File::open(&recording).expect("the recording");
    let from_input = Ran::from(iaspec().args(["report", "-"]).stdin(input).output().expect("iaspec"));
    assert_eq!(from_input.stdout, from_file.stdout);
    let as_junit = run(&["report", &recording, "--to", "junit=-"]);
    assert!(as_junit.stdout.starts_with("<?xml ") && as_junit.stdout.ends_with("</testsuites>\n"));
}

#[test]
fn a_run_that_was_killed_is_told_as_incomplete_in_every_format() {
    // The codec answers for a while and then hangs, until the end of its input.
    let written = shell("sed -u 40q | CODEC; cat >rest");
    let recording = written.folder.path().join("run.ndjson");
    let report = format!("ndjson={}", recording.display());
    let mut child = iaspec()
        .args(["run", &written.path, "--jobs", "1", "--answer-within", "10m", "--report", &report])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("iaspec");
    let results = wait_for_results(&recording, 10);
    child.kill().expect("killed");
    child.wait().expect("an end");
    let text = std::fs::read_to_string(&recording).expect("the recording");
    assert!(text.matches("\"case_finished\"").count() >= results, "flushed events are kept");
    // A kill may also fall into the middle of a write.
    std::fs::write(&recording, format!("{text}{{\"event\":\"case_finished\",\"subj")).expect("written");
    tells_that_it_is_incomplete(&recording, text.matches("{\"event\":\"case_finished\"").count());
}

fn tells_that_it_is_incomplete(recording: &Path, results: usize) {
    let sentence = format!("the run was cut off after {results} results");
    let [text, ndjson, json, junit, markdown] = in_every_format(recording.to_str().expect("UTF-8"));
    assert!(text.contains(&format!("\nincomplete: {sentence}\n")), "{text}");
    assert!(text.lines().last().is_some_and(|line| line.starts_with("run: ")), "{text}");
    assert!(!ndjson.contains("run_finished") && ndjson.ends_with("}\n"), "{ndjson}");
    let document: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&document["complete"], &document["exit_code"]), (&Value::Bool(false), &Value::Null));
    let told = document["subjects"][0]["results"].as_array().map(Vec::len);
    assert_eq!(told, Some(results));
    assert!(junit.contains(&format!("<error message=\"incomplete: {sentence}\"")), "{junit}");
    assert!(markdown.contains(&format!("> **incomplete\\: {sentence}**\n")), "{markdown}");
}

/// Waits until a recording holds so many results; the bound only keeps a broken test from waiting for ever.
fn wait_for_results(recording: &Path, wanted: usize) -> usize {
    for _ in 0..6000 {
        let text = std::fs::read_to_string(recording).unwrap_or_default();
        let results = text.lines().filter(|line| line.contains("\"case_finished\"")).count();
        if results >= wanted {
            return results;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("fewer than {wanted} results were recorded");
}

#[test]
fn a_wrong_recording_is_refused_with_its_line() {
    let (folder, recording) = recorded();
    let text = std::fs::read_to_string(&recording).expect("the recording");
    let wrong = path_in(&folder, "wrong.ndjson");
    std::fs::write(&wrong, text.replacen("{\"event\":\"case_finished\"", "{\"event\":\"case_finshed\"", 1))
        .expect("written");
    let ran = run(&["report", &wrong]);
    refused(&ran, &format!("iaspec: {wrong}, line 3: is no event: unknown variant"));
    assert!(ran.stdout.contains("\nincomplete: the run was cut off after 0 results\n"), "{ran:?}");
    std::fs::write(&wrong, text.replacen("\"schema\":1", "\"schema\":9", 1)).expect("written");
    let message = "line 1: the events have schema version 9; this iaspec reads version 1\n";
    refused(&run(&["report", &wrong]), message);
    refused(&run(&["report", "/nowhere/run.ndjson"]), "the recording /nowhere/run.ndjson cannot be read: ");
}

#[test]
fn a_report_never_overwrites_the_recording_or_another_report() {
    let (folder, recording) = recorded();
    let before = std::fs::read(&recording).expect("the recording");
    let link = path_in(&folder, "link");
    std::fs::hard_link(&recording, &link).expect("a link");
    let ran = run(&["report", &recording, "--to", &format!("ndjson={link}")]);
    refused(&ran, &format!("the report {link} would overwrite the recording"));
    assert_eq!(std::fs::read(&recording).expect("the recording"), before);
    let path = path_in(&folder, "both");
    let twice = [format!("json={path}"), format!("junit={path}")];
    let ran = run(&["run", "--filter", "codec/guid/*", "--report", &twice[0], "--report", &twice[1]]);
    refused(&ran, &format!("the report {path} would overwrite the report {path}"));
    refused(&run(&["report", &recording, "--to", "json=-", "--to", "junit=-"]), "only one report");
}

#[test]
fn formats_that_are_not_known_and_places_that_are_taken_are_refused() {
    refused(
        &run(&["run", "--report", "yaml=run.yaml"]),
        "there is no report format `yaml`; there are text, ndjson, json, junit and markdown",
    );
    refused(&run(&["run", "--report", "json=-"]), "standard output has the text report; name a file");
    refused(&run(&["run", "--report", "json="]), "write FORMAT=PATH, such as ndjson=run.ndjson");
}

#[test]
fn a_reader_that_goes_away_is_no_failure_of_any_format() {
    let (_folder, recording) = recorded();
    for format in FORMATS {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let to = format!("{format}=-");
        let output =
            iaspec().args(["report", &recording, "--to", &to]).stdout(writer).output().expect("iaspec");
        assert_eq!(output.status.code(), Some(0), "{format}: {output:?}");
    }
}

#[test]
fn a_report_to_a_full_device_is_told_at_the_end() {
    let full = PathBuf::from("/dev/full");
    if !full.exists() {
        return;
    }
    let ran = run(&["run", "--filter", "codec/guid/*", "--report", "json=/dev/full"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stderr.contains("the report /dev/full cannot be written: "), "{ran:?}");
    assert!(ran.last_line().starts_with("run: "), "{ran:?}");
}
