//! The commands beside `run`: what they print, and for whom they fail.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use std::io::Write;
use std::process::Stdio;

use rstest::rstest;
use serde_json::Value;
use support::{Spoiled, faulty, iaspec, root, run};

#[test]
fn explaining_a_clause_prints_its_text_and_the_cases_that_cite_it() {
    let ran = run(&["explain", "dat-6"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let mut lines = ran.stdout.lines();
    assert!(lines.next().is_some_and(|line| line.starts_with("DAT-6  ")), "{}", ran.stdout);
    assert_eq!(lines.next(), Some("tier: H (hardening)"));
    let is_case = |line: &&str| line.starts_with("  ") && line.contains('/') && !line.contains(". ");
    let cases: Vec<_> = ran.stdout.lines().filter(is_case).collect();
    assert!(cases.iter().filter(|case| case.starts_with("  codec/")).count() > 3, "{}", ran.stdout);
    assert!(ran.stdout.contains(&format!("\ncases: {}\n", cases.len())), "{}", ran.stdout);
    let listed = run(&["list", "--clause", "DAT-6"]);
    assert_eq!(listed.stdout.lines().last(), Some(format!("{} cases", cases.len()).as_str()));
}

#[test]
fn a_clause_with_two_tiers_and_sources_says_so() {
    let ran = run(&["explain", "HS-10"]);
    assert!(ran.stdout.contains("\ntier: D (documented), R (regression)\n"), "{}", ran.stdout);
    let sources = "\nsources: Configuration file page; Release notes of agent versions 17 to 51 (41)\n";
    assert!(ran.stdout.contains(sources), "{}", ran.stdout);
}

#[test]
fn hazards_and_errata_are_explained_too() {
    for id in ["AES-H1", "NEG-H2", "E3"] {
        let ran = run(&["explain", id]);
        assert_eq!(ran.code, Some(0));
        assert!(ran.stdout.starts_with(&format!("{id}  ")), "{}", ran.stdout);
    }
}

#[test]
fn an_unknown_clause_gets_a_suggestion() {
    let ran = run(&["explain", "DTA-2"]);
    let expected = "iaspec: there is no clause `DTA-2`; did you mean DAT-2? (`iaspec explain` lists all)\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(2), expected));
}

#[test]
fn explaining_nothing_lists_every_clause_with_its_number_of_cases() {
    let ran = run(&["explain"]);
    let clauses: Vec<Vec<&str>> = ran
        .stdout
        .lines()
        .filter(|line| {
            line.split('-')
                .next()
                .is_some_and(|group| group.len() <= 3 && group.chars().all(|c| c.is_ascii_uppercase()))
        })
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(clauses.len(), 140, "{}", ran.stdout);
    let of = |id: &str| clauses.iter().find(|words| words[0] == id).expect("the clause")[2].to_owned();
    assert!(of("DAT-2").parse::<u32>().expect("a number") > 50);
    assert_eq!(of("CMP-1"), "untestable");
    assert!(
        ran.stdout.contains("\nhazards: NEG-H1, NEG-H2, AES-H1, AES-H2\nerrata: E1, E2, E3\n140 clauses, ")
    );
}

#[test]
fn a_list_shows_name_tier_clauses_and_title() {
    let ran = run(&["list", "--filter", "codec/strings/empty"]);
    assert_eq!(ran.stdout, "codec/strings/empty  D  DAT-2  empty (string)\n1 case\n");
}

#[test]
fn a_list_of_nothing_is_a_usage_error() {
    let ran = run(&["list", "--filter", "no/such/**"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
}

#[test]
fn the_vectors_of_this_release_have_no_mistakes() {
    let ran = run(&["vectors", "check"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.ends_with(" clauses, no mistakes\n"), "{}", ran.stdout);
    let folder = root().join("vectors");
    let from_folder = run(&["vectors", "check", "--vectors", folder.to_str().expect("UTF-8")]);
    assert_eq!(ran.stdout, from_folder.stdout, "the built-in vectors are those of the folder");
}

#[test]
fn a_mistake_in_the_vectors_is_shown_at_its_place() {
    let vectors = Spoiled::new();
    vectors.write(
        "codec/new.yaml",
        "format: 1\ncodec:\n  - {id: x, clauses: [DAT-1], type: int32, value: 1, bytes: \"01000100\"}\n",
    );
    let ran = run(&["vectors", "check", "--vectors", vectors.path()]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("codec/new.yaml:3:61"), "{}", ran.stderr);
    assert!(ran.stderr.contains("field `int32`, first at offset 2"), "{}", ran.stderr);
    assert!(ran.stderr.contains("^^^^^^^^^^"), "{}", ran.stderr);
}

#[test]
fn the_export_is_one_json_document_of_all_cases() {
    let ran = run(&["vectors", "export"]);
    assert_eq!(ran.code, Some(0));
    let export: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let listed = run(&["list", "--filter", "codec/**"]);
    let cases = export["codec"].as_array().expect("cases");
    assert_eq!(listed.stdout.lines().last(), Some(format!("{} cases", cases.len()).as_str()));
    let empty = cases.iter().find(|case| case["name"] == "codec/strings/empty").expect("the case");
    let expected = serde_json::json!([
        {"op": "encode", "value": "", "expected": {"hex": "00"}},
        {"op": "decode", "hex": "00", "expected": {"decoded": {"value": "", "rest": 0}}}
    ]);
    assert_eq!(empty["checks"], expected);
}

#[rstest]
#[case("vectors", "vectors/schema.json")]
#[case("events", "reports/events.schema.json")]
fn the_schemas_in_the_tree_are_those_of_the_program(#[case] of: &str, #[case] file: &str) {
    let printed = run(&["vectors", "schema", "--of", of]).stdout;
    let kept = std::fs::read_to_string(root().join(file)).expect("the schema");
    assert!(printed == kept, "run `iaspec vectors schema --of {of} > {file}`");
}

#[test]
fn every_line_of_a_report_fits_the_schema_of_events() {
    let schema: Value =
        serde_json::from_str(&run(&["vectors", "schema", "--of", "events"]).stdout).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let written = faulty("codec-strings-end-at-zero");
    let path = written.folder.path().join("run.ndjson");
    let report = format!("ndjson={}", path.display());
    run(&["run", &written.path, "--filter", "codec/strings/**", "--report", &report]);
    let text = std::fs::read_to_string(path).expect("the report");
    assert!(text.lines().any(|line| line.contains("\"outcome\":\"fail\"")), "a failure is among the events");
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).expect("JSON");
        assert!(validator.is_valid(&event), "{line}");
    }
    assert!(!validator.is_valid(&serde_json::json!({"event": "no_such_event"})));
    assert!(!validator.is_valid(&serde_json::json!({"event": "notice", "subject": "x"})));
}

#[test]
fn help_has_examples_and_exit_codes() {
    let help = run(&["run", "--help"]).stdout;
    for part in ["Examples:", "Exit codes:", "--fail-fast", "[env: IASPEC_STRICT=]"] {
        assert!(help.contains(part), "{part} in {help}");
    }
}

#[test]
fn the_reference_codec_answers_on_standard_output() {
    let mut child = iaspec()
        .arg("codec")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("iaspec can be started");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin
        .write_all("{\"id\":1,\"op\":\"encode\",\"type\":\"string\",\"value\":\"é\"}\n".as_bytes())
        .expect("written");
    drop(stdin);
    let output = child.wait_with_output().expect("an end");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "{\"id\":1,\"ok\":{\"hex\":\"02c3a9\"}}\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut child = iaspec()
        .arg("vectors")
        .arg("export")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("iaspec");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("an end");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

/// The harness must not know the reference, nor the reference the harness: two of the three witnesses.
#[test]
fn the_harness_and_the_reference_do_not_depend_on_each_other() {
    let reaches = |from: &str, to: &str| {
        let output = std::process::Command::new(env!("CARGO"))
            .args(["tree", "--package", from, "--edges", "all", "--prefix", "none", "--offline", "--locked"])
            .current_dir(root())
            .output()
            .expect("cargo");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let tree = String::from_utf8_lossy(&output.stdout).into_owned();
        tree.lines().skip(1).any(|line| line.split(' ').next() == Some(to))
    };
    assert!(
        reaches("iaspec", "iaspec-reference") && reaches("iaspec", "iaspec-harness"),
        "only the command links both"
    );
    for (from, to) in [
        ("iaspec-harness", "iaspec-reference"),
        ("iaspec-reference", "iaspec-harness"),
        ("iaspec-reports", "iaspec-reference"),
    ] {
        assert!(!reaches(from, to), "{from} depends on {to}");
    }
}

/// The cases and patterns that a text tells readers to try.
fn mentioned(text: &str) -> Vec<String> {
    let behind = |lead: &str| {
        text.match_indices(lead).map(|(at, _)| &text[at + lead.len()..]).collect::<Vec<_>>().into_iter()
    };
    let words = behind("iaspec show ").chain(behind("--filter ")).chain(behind("\nfail "));
    let word = |rest: &str| rest.split_whitespace().next().unwrap_or_default().trim_matches('\'').to_owned();
    words.map(word).filter(|word| word.contains('/')).collect()
}

#[test]
fn the_cases_that_readme_and_help_name_exist() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README");
    let mut names = mentioned(&readme);
    assert!(names.len() >= 6, "{names:?}");
    for help in [&["--help"][..], &["run", "--help"], &["show", "--help"], &["list", "--help"]] {
        names.extend(mentioned(&run(help).stdout));
    }
    for name in names {
        let ran = run(&["list", "--filter", &name]);
        assert_eq!(ran.code, Some(0), "{name}: {ran:?}");
    }
}
