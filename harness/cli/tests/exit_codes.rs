//! Every exit code of a run, and which of them wins.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use support::{Spoiled, manifest, run, shell};

const REFERENCE: &str = "command: [iaspec, codec]\nsupports: {encryption: [aes]}";

#[test]
fn a_conformant_subject_ends_with_0() {
    // All else is the gate's to run: without optimization it takes its time.
    let folders = ["codec", "meta", "framing", "compatibility", "client", "host"];
    let filters: Vec<String> = folders.iter().map(|folder| format!("{folder}/**")).collect();
    let mut words = vec!["run", "--encryption", "none"];
    words.extend(filters.iter().flat_map(|filter| ["--filter", filter]));
    let ran = run(&words);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let skipped: usize =
        ran.last_line().split([' ', ':']).rev().nth(1).and_then(|word| word.parse().ok()).expect("it");
    let passed: usize =
        ran.last_line().split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a number");
    assert!(passed > 2000 && skipped < 100, "{}", ran.last_line());
    assert_eq!(ran.last_line(), format!("run: {passed} passed, 0 failed, {skipped} skipped"));
}

#[test]
fn a_failed_case_ends_with_1() {
    let vectors = Spoiled::new();
    vectors.write(
        "codec/new.yaml",
        "format: 1\ncodec:\n  - {id: x, clauses: [DAT-1], type: byte, value: 1, bytes: \"02\"}\n",
    );
    let ran = run(&["run", "--vectors", vectors.path(), "--filter", "codec/new/*"]);
    assert_eq!((ran.code, ran.last_line()), (Some(1), "run: 0 passed, 1 failed, 0 skipped"), "{ran:?}");
}

#[test]
fn a_warning_ends_with_0_and_with_1_under_strict() {
    let vectors = Spoiled::new();
    let text =
        "format: 1\ncodec:\n  - {id: x, clauses: [DAT-5], type: byte, bytes: \"02\", malformed: {at: 0}}\n";
    vectors.write("codec/new.yaml", text);
    let arguments = ["run", "--vectors", vectors.path(), "--filter", "codec/new/*"];
    let ran = run(&arguments);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.ends_with("warnings: 1\nrun: 0 passed, 0 failed, 0 skipped\n"), "{}", ran.stdout);
    let strict = run(&[&arguments[..], &["--strict"]].concat());
    assert_eq!(strict.code, Some(1));
    assert!(
        strict.stdout.ends_with("warnings: 1\nrun: 0 passed, 1 failed, 0 skipped\n"),
        "{}",
        strict.stdout
    );
}

#[test]
fn a_difference_ends_with_0_and_with_1_under_strict() {
    let vectors = Spoiled::new();
    vectors.write(
        "codec/new.yaml",
        "format: 1\ncodec:\n  - {id: x, clauses: [CMP-2], type: byte, value: 1, bytes: \"02\"}\n",
    );
    let arguments = ["run", "--vectors", vectors.path(), "--filter", "codec/new/*"];
    let ran = run(&arguments);
    assert_eq!(ran.code, Some(0));
    assert!(ran.stdout.ends_with("differences: 1\nrun: 0 passed, 0 failed, 0 skipped\n"), "{}", ran.stdout);
    assert_eq!(run(&[&arguments[..], &["--strict"]].concat()).code, Some(1));
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for arguments in [
        &["run", "--no-such-option"][..],
        &["run", "--jobs", "0"],
        &["run", "--tier", "X"],
        &["run", "--report", "pdf=x"],
        &["run", "--filter", "codec/nothing/**"],
        &["run", "--clause", "DAT-99"],
        &["run", "--clause", "CMP-1"],
        &["run", "/no/such/manifest.yaml"],
        &["run", "--vectors", "/no/such/folder"],
        &["run", "--report", "ndjson=/no/such/folder/x"],
        &["explain", "HS-99"],
        &["nonsense"],
    ] {
        let ran = run(arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
        assert_eq!(ran.stdout, "", "{arguments:?}");
        assert!(!ran.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_wrong_manifest_ends_with_2_and_points_at_the_mistake() {
    let written = manifest("comand: [x]");
    let ran = run(&["run", &written.path]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("unknown member `comand`"), "{}", ran.stderr);
    assert!(ran.stderr.contains("subject.yaml:3:1"), "{}", ran.stderr);
}

#[test]
fn a_wrong_vector_ends_with_2_before_any_subject_starts() {
    let vectors = Spoiled::new();
    vectors
        .write("codec/new.yaml", "format: 1\ncodec:\n  - {id: x, clauses: [DAT-1], type: byte, valeu: 1}\n");
    let ran = run(&["run", "--vectors", vectors.path()]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("unknown member `valeu`"), "{}", ran.stderr);
}

#[test]
fn an_expectation_that_matches_no_case_ends_with_2() {
    let written =
        manifest(&format!("{REFERENCE}\nexpect:\n  - {{case: \"codec/no/*\", outcome: fail, reason: r}}"));
    let ran = run(&["run", &written.path]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr.contains("under `expect`: `codec/no/*` matches no case of role codec"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_subject_that_cannot_be_run_ends_with_3() {
    let ran = run(&["run", &manifest("command: [./no-such-program]").path, "--filter", "codec/guid/*"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stdout.contains("cannot be started"), "{}", ran.stdout);
    assert!(ran.last_line().starts_with("run: 0 passed, 0 failed"), "{}", ran.stdout);
}

#[test]
fn a_subject_that_cannot_answer_ends_with_3() {
    let ran = run(&["run", &shell("exit 5").path]);
    assert_eq!(ran.code, Some(3));
    assert!(ran.stdout.contains("the subject exited with status 5"), "{}", ran.stdout);
}

#[test]
fn an_expected_failure_that_happens_ends_with_0() {
    // A codec that turns every `é` it is sent into `e`.
    let written = shell("sed -u 's/é/e/g' | CODEC");
    let text = std::fs::read_to_string(&written.path).expect("the manifest");
    let broken: Vec<String> = failing(&run(&["run", &written.path]).stdout);
    assert!(!broken.is_empty());
    let entries: String = broken
        .iter()
        .map(|name| format!("  - {{case: {name:?}, outcome: fail, reason: \"BUG-1: no accents\"}}\n"))
        .collect();
    std::fs::write(&written.path, format!("{text}\nexpect:\n{entries}")).expect("written");
    let ran = run(&["run", &written.path]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains(&format!("expected failures: {}\n", broken.len())), "{}", ran.stdout);
    assert!(
        ran.stdout.contains(&format!("expected fail: {} (BUG-1: no accents)", broken[0])),
        "{}",
        ran.stdout
    );
}

/// The names of the cases that failed.
fn failing(stdout: &str) -> Vec<String> {
    stdout.lines().filter_map(|line| line.strip_prefix("fail ")).map(str::to_owned).collect()
}

#[test]
fn an_expected_failure_that_passes_ends_with_4() {
    let written =
        manifest(&format!("{REFERENCE}\nexpect:\n  - {{case: \"codec/guid/**\", outcome: fail, reason: r}}"));
    let ran = run(&["run", &written.path]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.stdout.contains("unexpected pass: codec/guid/"), "{}", ran.stdout);
}

#[test]
fn a_failure_outweighs_an_unexpected_pass() {
    let vectors = Spoiled::new();
    vectors.write(
        "codec/new.yaml",
        "format: 1\ncodec:\n  - {id: x, clauses: [DAT-1], type: byte, value: 1, bytes: \"02\"}\n",
    );
    let written =
        manifest(&format!("{REFERENCE}\nexpect:\n  - {{case: \"codec/guid/**\", outcome: fail, reason: r}}"));
    assert_eq!(run(&["run", &written.path, "--vectors", vectors.path()]).code, Some(1));
}
