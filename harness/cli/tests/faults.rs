//! What the suite catches, as the command line tells it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use support::{Spoiled, run};
use tempfile::TempDir;

/// A fault of each role that shows in few quick cases.
const QUICK: [&str; 2] = ["codec-guid-in-network-order", "host-nonce-unchecked"];

#[test]
fn faults_that_are_caught_end_with_0_and_are_data_too() {
    let folder = TempDir::new().expect("a folder");
    let (json, markdown) = (folder.path().join("faults.json"), folder.path().join("faults.md"));
    let reports = [format!("json={}", json.display()), format!("markdown={}", markdown.display())];
    let words = ["faults", QUICK[0], QUICK[1], "--report", &reports[0], "--report", &reports[1]];
    let ran = run(&words);
    assert_eq!((ran.code, ran.last_line()), (Some(0), "faults: 2 of 2 killed"), "{ran:?}");
    let matrix: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(json).expect("the matrix")).expect("JSON");
    let faults = matrix["faults"].as_array().expect("a list");
    assert_eq!(
        faults.iter().map(|fault| fault["fault"].as_str().expect("a name")).collect::<Vec<_>>(),
        QUICK
    );
    for fault in faults {
        assert_eq!(fault["caught"], true);
        let own = fault["own"].as_array().expect("a list");
        assert!(!own.is_empty());
        // Each of these cites a clause that the fault breaks.
        let clauses = fault["clauses"].as_array().expect("a list");
        assert!(own.iter().all(|kill| {
            kill["clauses"].as_array().expect("a list").iter().any(|clause| clauses.contains(clause))
        }));
    }
    let markdown = std::fs::read_to_string(markdown).expect("the matrix");
    assert!(
        markdown.contains("| codec | codec-guid-in-network-order | HS-2 | caught | `codec/guid/"),
        "{markdown}"
    );
}

#[test]
fn a_fault_that_nothing_shows_any_more_survives() {
    let vectors = Spoiled::new();
    let text = "format: 1\ncodec:\n  - {id: x, clauses: [HS-2], type: guid, \
                value: 00000000-0000-0000-0000-000000000000, bytes: \"00*16\"}\n";
    vectors.write("codec/guid.yaml", text);
    let ran = run(&["faults", QUICK[0], "--vectors", vectors.path()]);
    assert_eq!((ran.code, ran.last_line()), (Some(1), "faults: 0 of 1 killed"), "{ran:?}");
    assert!(ran.stdout.contains("SURVIVES   codec  codec-guid-in-network-order"), "{}", ran.stdout);
}

#[test]
fn a_codec_that_refuses_everything_is_credited_with_no_refusal() {
    let ran = run(&["faults", "empty-finds-all-malformed", "empty-answers-zeros"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("codec  empty-finds-all-malformed: fails 100.0 % of"), "{}", ran.stdout);
    assert_eq!(ran.last_line(), "faults: 0 of 0 killed");
}

#[test]
fn every_clause_that_can_be_tested_has_cases_and_faults() {
    let ran = run(&["explain", "--coverage"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(!ran.stdout.contains("GAP"), "{}", ran.stdout);
    let last = ran.last_line();
    let numbers: Vec<usize> = last.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert_eq!(numbers[0], numbers[1], "{last}");
}

#[test]
fn a_clause_whose_faults_nothing_catches_is_a_gap() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("faults.json");
    let caught = r#"{"fault": "x", "role": "codec", "clauses": ["HS-2"], "mistake": "", "caught": true, "cases": 1,
        "own": [{"case": "a/b/c", "clauses": ["HS-2"], "outcome": "fail", "side": "good",
        "at_weight": true, "why": ""}], "excused": [], "collateral": [], "errors": [],
        "millis": 1, "attempts": 1}"#;
    std::fs::write(&path, format!(r#"{{"schema": 1, "faults": [{caught}]}}"#)).expect("a matrix");
    let ran = run(&["explain", "--coverage", "--matrix", &path.display().to_string()]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.stdout
            .contains("GAP        HS-3: no fault of it is caught at its weight by a case that cites it\n")
    );
    assert!(!ran.stdout.contains("GAP        HS-2:"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("one side   HS-3:"), "a gap needs no second line: {}", ran.stdout);
    assert!(ran.last_line().starts_with("clauses: 1 of "), "{}", ran.last_line());
}

#[test]
fn a_kill_has_the_side_of_its_case_in_every_mode_of_encryption() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("faults.json");
    let report = format!("json={}", path.display());
    let ran = run(&["faults", "undecryptable-messages-answered", "--report", &report]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let text = std::fs::read_to_string(&path).expect("the matrix");
    let matrix: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let kills = matrix["faults"][0]["own"].as_array().expect("kills");
    let kill = kills.iter().find(|kill| kill["case"] == "encryption/aes_damage/not-acted-on@aes");
    // Damaged frames must end the connection.
    assert_eq!(kill.expect("a kill")["side"], "wrong");
}

#[test]
fn a_matrix_that_is_none_is_a_usage_error() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("faults.json");
    std::fs::write(&path, "{").expect("a file");
    let ran = run(&["explain", "--coverage", "--matrix", &path.display().to_string()]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("no matrix of `iaspec faults --report json=PATH`"), "{}", ran.stderr);
}

#[test]
fn there_are_more_than_150_and_each_is_described() {
    let ran = run(&["faults", "--list"]);
    let count: usize = ran.last_line().split(' ').next().expect("a word").parse().expect("a number");
    assert!(count >= 150, "{}", ran.last_line());
    assert_eq!(ran.stdout.lines().filter(|line| line.contains(": ")).count(), ran.stdout.lines().count() - 1);
}

#[test]
fn an_unknown_fault_is_a_usage_error_wherever_it_is_named() {
    let ran = run(&["faults", "no-such-fault"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("there is no fault `no-such-fault`"), "{}", ran.stderr);
    for role in ["agent", "client", "codec"] {
        let ran = run(&[role, "--fault", "no-such-fault"]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(!run(&[role, "--help"]).stdout.contains("--fault"));
    }
}
