//! Every exit code of a run, and which of them wins.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use rstest::rstest;
use support::{Spoiled, faulty, manifest, run, shell};

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
    let ran = run(&["run", &faulty("codec-guid-in-network-order").path, "--filter", "codec/guid/*"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.last_line().starts_with("run: ") && !ran.last_line().contains(" 0 failed"), "{ran:?}");
}

#[test]
fn a_broken_contract_ends_with_1_and_is_counted_apart() {
    let ran = run(&["run", &faulty("codec-rest-left-out").path, "--filter", "codec/guid/*"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let counts: Vec<&str> = ran.stdout.lines().rev().take(2).collect();
    let contract = counts[1].strip_prefix("contract failures: ").expect("the count");
    assert!(counts[0].contains(&format!(" {contract} failed,")), "{}", ran.stdout);
    assert!(ran.stdout.contains("breaks DRV-11 (contract) What codecs answer: "), "{}", ran.stdout);
}

#[rstest]
#[case::a_warning("codec-invalid-utf-8-replaced", "codec/strings_malformed/*", "warnings: ")]
#[case::a_difference("codec-bytes-left-over-refused", "codec/meta_messages/*", "differences: ")]
fn what_is_milder_than_a_failure_ends_with_0_and_with_1_under_strict(
    #[case] fault: &str,
    #[case] filter: &str,
    #[case] count: &str,
) {
    let written = faulty(fault);
    let arguments = ["run", &written.path, "--filter", filter];
    let ran = run(&arguments);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.lines().rev().nth(1).is_some_and(|line| line.starts_with(count)), "{}", ran.stdout);
    assert!(ran.last_line().contains(" 0 failed,"), "{}", ran.stdout);
    let strict = run(&[&arguments[..], &["--strict"]].concat());
    assert_eq!(strict.code, Some(1));
    assert!(!strict.last_line().contains(" 0 failed,"), "{}", strict.stdout);
}

#[test]
fn a_subject_of_which_nothing_runs_ends_with_3_and_names_the_member() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("subject.yaml");
    std::fs::write(&path, "name: bare\nrole: agent\ncommand: [\"true\"]\n").expect("a manifest");
    for strict in [&[][..], &["--strict"]] {
        let ran = run(&[&["run", &path.display().to_string()], strict].concat());
        assert_eq!(ran.code, Some(3), "{ran:?}");
        let error = ran.stdout.lines().find(|line| line.starts_with("error: bare: none of "));
        let error = error.expect("an error");
        assert!(error.contains("the manifest lists nothing under supports.versions"), "{error}");
        assert!(ran.last_line().starts_with("run: 0 passed, 0 failed, "), "{}", ran.last_line());
    }
}

#[test]
fn fewer_cases_than_asked_for_end_with_4() {
    let passed = run(&["run", "--filter", "codec/guid/*"]);
    let count = passed.last_line().split(' ').nth(1).expect("a number").to_owned();
    let with = |least: &str| run(&["run", "--filter", "codec/guid/*", "--min-cases", least]);
    assert_eq!(with(&count).code, Some(0));
    let more = (count.parse::<u32>().expect("a number") + 1).to_string();
    let ran = with(&more);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(
        ran.stdout.contains(&format!("too few cases: {count} ran, at least {more} were to run\n")),
        "{ran:?}"
    );
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

#[rstest]
#[case::bytes_of_another_value(
    "codec/new.yaml",
    "format: 1\ncodec:\n  - {id: x, clauses: [DAT-1], type: byte, value: 1, bytes: \"02\"}\n"
)]
#[case::a_step_that_nobody_takes(
    "meta/new.yaml",
    "format: 1\ntranscripts:\n  - id: x\n    title: t\n    clauses: [HS-1]\n    roles: [agent]\n    steps:\n      \
     - {frames: [\"00000000 03000000\"]}\n"
)]
fn what_vectors_check_refuses_is_not_run(#[case] file: &str, #[case] text: &str) {
    let vectors = Spoiled::new();
    vectors.write(file, text);
    let ran = run(&["run", "--vectors", vectors.path()]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
    let checked = run(&["vectors", "check", "--vectors", vectors.path()]);
    assert_eq!(checked.code, Some(2));
    assert_eq!(ran.stderr, checked.stderr);
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
    let written = shell("sed -u 's/é/e/g' | CODEC");
    let text = std::fs::read_to_string(&written.path).expect("the manifest");
    let expect = "expect:\n  - {case: \"codec/guid/**\", outcome: fail, reason: r}\n";
    std::fs::write(&written.path, format!("{text}\n{expect}")).expect("written");
    assert_eq!(run(&["run", &written.path]).code, Some(1));
}
