//! Ctrl-C and `kill` at any moment: the run ends, what was measured is told, and nothing stays behind.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rstest::rstest;
use support::{iaspec, shell};

/// A codec that answers its first question and then nothing any more, with a child beside it.
const HANGS: &str = "sleep 3622 & echo started >&2; head -n 1 | CODEC; sleep 3622";

fn start(path: &str, report: &std::path::Path, floor: &std::path::Path) -> Child {
    iaspec()
        .args(["run", path, "--answer-within", "10m", "--report", &format!("ndjson={}", report.display())])
        .arg("--floor")
        .arg(floor)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("iaspec")
}

fn sleepers() -> usize {
    let Ok(folder) = std::fs::read_dir("/proc") else { return 0 };
    let is_sleeper = |entry: &std::fs::DirEntry| {
        std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| line == b"sleep\x003622\x00")
    };
    folder.flatten().filter(is_sleeper).count()
}

/// Waits until something holds; the bound only keeps a broken test from waiting for ever.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} did not come true");
}

#[rstest]
#[case::interrupt("INT", 130, "interrupted by SIGINT")]
#[case::terminate("TERM", 143, "interrupted by SIGTERM")]
fn a_signal_ends_the_run_and_all_processes(#[case] signal: &str, #[case] code: i32, #[case] words: &str) {
    let _one_at_a_time = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let written = shell(HANGS);
    let report = written.folder.path().join("run.ndjson");
    let floor = written.folder.path().join("floor.yaml");
    let mut child = start(&written.path, &report, &floor);
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut first = String::new();
    stdout.read_line(&mut first).expect("a line");
    wait_until("the subject runs", || sleepers() > 0);
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", signal, &pid]).status().expect("kill").success());
    let status = child.wait().expect("an end");
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("the output");
    assert_eq!(status.code(), Some(code), "{rest}");
    assert!(rest.contains(words) && rest.contains("\nnot run: "), "{rest}");
    assert!(rest.trim_end().lines().last().is_some_and(|line| line.starts_with("run: ")), "{rest}");
    assert_eq!(sleepers(), 0, "processes left behind");
    assert!(rest.contains("\nfloor: the run ended early, so "), "{rest}");
    let left = written.folder.path().read_dir().expect("a folder").flatten();
    let left: Vec<_> = left.filter(|entry| entry.file_name().to_string_lossy().contains("floor")).collect();
    assert!(left.is_empty(), "{left:?}");
    let events = std::fs::read_to_string(report).expect("the report");
    let last: serde_json::Value =
        serde_json::from_str(events.lines().last().expect("an event")).expect("JSON");
    assert_eq!((&last["event"], &last["exit_code"]), (&"run_finished".into(), &code.into()));
}

#[test]
fn a_signal_while_the_subject_is_being_stopped_ends_that_too() {
    let _one_at_a_time = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let written = shell("CODEC; echo answered >&2; touch answered; exec sleep 3622");
    let text =
        std::fs::read_to_string(&written.path).expect("the manifest").replace("within: 2s", "within: 60m");
    std::fs::write(&written.path, text).expect("written");
    let mut child = start(
        &written.path,
        &written.folder.path().join("run.ndjson"),
        &written.folder.path().join("floor.yaml"),
    );
    let answered = written.folder.path().join("answered");
    wait_until("the subject has answered everything", || answered.exists() && sleepers() > 0);
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().expect("kill").success());
    assert_eq!(child.wait().expect("an end").code(), Some(143));
    assert_eq!(sleepers(), 0, "processes left behind");
}

/// The tests count the same processes.
static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

// As by a suspension of the machine: deadlines are over before anything that came is looked at.
#[test]
fn a_run_that_is_stopped_for_a_while_fails_no_case() {
    let _one_at_a_time = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let filters = ["meta/root_path/*", "framing/segments/*", "handshake/timeout/silent", "client/timeouts/*"];
    let mut words = vec!["run", "--encryption", "none", "--answer-within", "4s"];
    words.extend(filters.iter().flat_map(|filter| ["--filter", filter]));
    let mut child =
        iaspec().args(words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("iaspec");
    let pid = child.id().to_string();
    let signal = |name: &str| {
        assert!(Command::new("kill").args(["-s", name, &pid]).status().expect("kill").success());
    };
    std::thread::sleep(Duration::from_millis(1500));
    signal("STOP");
    std::thread::sleep(Duration::from_secs(6));
    signal("CONT");
    let mut told = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut told).expect("the output");
    assert_eq!(child.wait().expect("an end").code(), Some(0), "{told}");
    assert!(told.trim_end().ends_with(" 0 skipped") && told.contains(" passed, 0 failed, "), "{told}");
}
