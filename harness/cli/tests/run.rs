//! What `iaspec run` chooses, prints and writes.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

use serde_json::Value;
use support::{faulty, iaspec, manifest, run, shell};

#[test]
fn filters_clauses_and_tiers_narrow_the_selection() {
    let listed = |arguments: &[&str]| {
        let ran = run(&[&["run", "--list"], arguments].concat());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout.lines().filter(|line| line.starts_with("codec/")).map(str::to_owned).collect::<Vec<_>>()
    };
    let all = listed(&[]);
    let strings = listed(&["--filter", "codec/strings/**"]);
    assert!(!strings.is_empty() && strings.len() < all.len());
    assert!(strings.iter().all(|name| name.starts_with("codec/strings/")));
    let two = listed(&["--filter", "codec/strings/**", "--filter", "codec/guid/*"]);
    assert_eq!(two.len(), strings.len() + listed(&["--filter", "codec/guid/*"]).len());
    let group = listed(&["--clause", "DAT"]);
    let one = listed(&["--clause", "DAT-6"]);
    assert!(one.len() > 3 && one.iter().all(|name| group.contains(name)));
    let of_tiers = ["D", "C", "I", "H"].map(|tier| listed(&["--tier", tier]));
    assert!(of_tiers.iter().all(|listed| !listed.is_empty() && listed.len() < all.len()));
    let together: BTreeSet<String> = of_tiers.into_iter().flatten().collect();
    assert_eq!(together, all.into_iter().collect(), "every case cites a clause of some tier");
}

#[test]
fn a_filter_that_means_a_folder_is_explained() {
    let ran = run(&["run", "--filter", "codec/strings"]);
    let expected = "iaspec: `codec/strings` matches no case of role codec, agent, client or host; `codec/strings/**` means \
                    all below it\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(2), expected));
}

#[test]
fn filters_may_mean_cases_of_different_roles() {
    let ran = run(&[
        "run",
        "--filter",
        "codec/strings/empty",
        "--filter",
        "framing/segments/two-frames-in-one-write",
    ]);
    assert_eq!((ran.code, ran.last_line()), (Some(0), "run: 2 passed, 0 failed, 0 skipped"), "{ran:?}");
    let ran = run(&["run", "--filter", "codec/strings/empty", "--filter", "framing/nothing"]);
    let expected = "iaspec: `framing/nothing` matches no case of role codec, agent, client or host\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(2), expected));
}

#[test]
fn a_misspelt_case_gets_a_suggestion() {
    let ran = run(&["run", "--filter", "codec/strings/emtpy"]);
    assert!(ran.stderr.ends_with("did you mean `codec/strings/empty`?\n"), "{}", ran.stderr);
}

#[test]
fn cases_that_need_aes_are_skipped_with_the_reason_where_the_subject_lacks_it() {
    let ran = run(&["run", &manifest("command: [iaspec, codec]").path]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let line = ran.stdout.lines().find(|line| line.starts_with("skipped ")).expect("a line about skips");
    assert!(line.ends_with(": needs AES; the manifest does not list it under supports.encryption"), "{line}");
    let count = line.split([' ', ':']).nth(1).expect("a number");
    assert!(ran.last_line().ends_with(&format!(" 0 failed, {count} skipped")), "{}", ran.last_line());
}

#[test]
fn the_result_is_the_same_at_any_number_of_jobs() {
    let written = faulty("codec-strings-end-at-zero");
    let text = |jobs: &str| run(&["run", &written.path, "--jobs", jobs]).stdout;
    let one = text("1");
    assert!(one.contains("field `string` is read wrongly"), "{one}");
    assert_eq!(one, text("3"));
    assert_eq!(one, text("500"));
}

#[test]
fn the_first_failure_ends_a_run_that_shall_fail_fast() {
    let written = shell("sed -u 's/\"type\":\"string\"/\"type\":\"strnig\"/' | CODEC");
    let all = run(&["run", &written.path]);
    let fast = run(&["run", &written.path, "--fail-fast", "--jobs", "1"]);
    assert_eq!((all.code, fast.code), (Some(1), Some(1)));
    assert!(fast.stdout.contains("\nnot run: "), "{}", fast.stdout);
    assert!(fast.last_line().contains(" 1 failed,"), "{}", fast.last_line());
    assert!(!all.last_line().contains(" 1 failed,"), "{}", all.last_line());
}

#[test]
fn repetitions_count_each() {
    let once = run(&["run", "--filter", "codec/guid/*"]);
    let passed = |text: &str| text.split(' ').nth(1).and_then(|n| n.parse::<u32>().ok()).expect("a number");
    let thrice = run(&["run", "--filter", "codec/guid/*", "--repeat", "3"]);
    assert_eq!(passed(thrice.last_line()), 3 * passed(once.last_line()));
}

#[test]
fn the_command_shown_with_a_failure_runs_that_case_alone() {
    let written = faulty("codec-strings-end-at-zero");
    let ran = run(&["run", &written.path]);
    let again = ran.stdout.lines().find_map(|line| line.trim().strip_prefix("again: ")).expect("a command");
    let output = std::process::Command::new("sh").args(["-c", again]).output().expect("sh");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.ends_with("run: 0 passed, 1 failed, 0 skipped\n"), "{text}");
}

#[test]
fn the_event_stream_tells_the_whole_run() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("run.ndjson");
    let report = format!("ndjson={}", path.display());
    let ran = run(&["run", "--filter", "codec/guid/*", "--report", &report]);
    assert_eq!(ran.code, Some(0));
    let text = std::fs::read_to_string(path).expect("the report");
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for event in &events {
        *kinds.entry(event["event"].as_str().expect("a kind")).or_default() += 1;
    }
    let cases = kinds["case_finished"];
    assert_eq!(
        kinds["run_started"] + kinds["subject_started"] + kinds["subject_finished"] + kinds["run_finished"],
        4
    );
    assert_eq!(events[0]["schema"], 1);
    assert_eq!(events[1]["cases"], cases);
    let last = events.last().expect("an event");
    assert_eq!((&last["tally"]["passed"], &last["exit_code"]), (&Value::from(cases), &Value::from(0)));
}

#[test]
fn a_report_of_an_unwritable_place_is_refused_before_the_run() {
    let ran = run(&["run", "--report", "ndjson=/"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.starts_with("iaspec: the report / cannot be written: "), "{}", ran.stderr);
}

#[test]
fn colours_are_for_those_who_want_them() {
    let written = faulty("codec-strings-end-at-zero");
    let arguments = ["run", &written.path, "--filter", "codec/strings/*"];
    assert!(!run(&arguments).stdout.contains('\u{1b}'));
    let forced =
        iaspec().args(arguments).env_remove("NO_COLOR").env("CLICOLOR_FORCE", "1").output().expect("iaspec");
    assert!(String::from_utf8_lossy(&forced.stdout).contains("\u{1b}["));
}

#[test]
fn every_option_has_a_twin_in_the_environment() {
    let output =
        iaspec().args(["run", "--list"]).env("IASPEC_FILTER", "codec/guid/*").output().expect("iaspec");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.lines().filter(|line| line.starts_with("codec/")).all(|line| line.starts_with("codec/guid/")),
        "{text}"
    );
}

#[test]
fn a_reader_that_goes_away_does_not_change_the_exit_code() {
    let mut child = iaspec()
        .args(["run", "--filter", "codec/guid/*"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("iaspec");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("an end").code(), Some(0));
}

#[test]
fn a_process_that_hides_from_its_subject_is_found_and_killed() {
    // Without the mark in its environment, in a session of its own, its parent gone.
    let hide = "env -u IASPEC_SUBJECT_MARK setsid sh -c 'echo hidden >told; exec sleep 3611' &";
    let written = shell(&format!("mkfifo told; {hide} read told <told; exec CODEC"));
    let ran = run(&["run", &written.path, "--filter", "codec/guid/*"]);
    assert!(
        ran.stdout.contains("warning: tested: the subject left 1 process behind, which was killed: "),
        "{ran:?}"
    );
    assert!(!running("sleep 3611"), "the process is still there");
}

fn running(command: &str) -> bool {
    let wanted = command.replace(' ', "\0") + "\0";
    std::fs::read_dir("/proc").is_ok_and(|folder| {
        folder.flatten().any(|entry| {
            std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| line == wanted.as_bytes())
        })
    })
}

#[test]
fn a_subject_that_floods_costs_bounded_memory() {
    // The limit on the address space makes an unbounded harness die; the subject never ends a line.
    let written = shell("tr '\\0' x </dev/zero");
    let script = format!("ulimit -v 700000; exec '{}' run '{}'", env!("CARGO_BIN_EXE_iaspec"), written.path);
    let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("sh");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("a line of more than 16 MiB, beginning `xxxx"), "{text}");
}
