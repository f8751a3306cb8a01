//! Runs against agents from the command line: interrupted at any moment, with few and many cases at once, repeated.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rstest::rstest;
use support::{iaspec, root, run};
use tempfile::TempDir;

/// A manifest of the reference agent whose process has a child of its own, with a mark in their environment.
fn with_child(folder: &Path, mark: &str) -> String {
    let options =
        std::fs::read_to_string(root().join("agent-under-test/subject-agent-options.yaml")).expect("it");
    let program = env!("CARGO_BIN_EXE_iaspec");
    let command = format!("command:\n  - sh\n  - -c\n  - 'sleep 3624 & exec {program} \"$@\"'\n  - sh\n");
    let text = options.replacen("command:\n  - iaspec\n", &command, 1);
    assert!(text.contains("sleep 3624"), "the manifest is written otherwise: {text}");
    let path = folder.join("subject.yaml");
    let mut file = std::fs::File::create(&path).expect("a file");
    writeln!(file, "{text}env: {{IASPEC_TEST_MARK: \"{mark}\"}}").expect("written");
    path.to_str().expect("a UTF-8 path").to_owned()
}

/// The processes that carry a mark in their environment.
fn marked(mark: &str) -> usize {
    let wanted = format!("IASPEC_TEST_MARK={mark}");
    let Ok(folder) = std::fs::read_dir("/proc") else { return 0 };
    let carries = |entry: &std::fs::DirEntry| {
        std::fs::read(entry.path().join("environ"))
            .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|word| word == wanted.as_bytes()))
    };
    folder.flatten().filter(carries).count()
}

/// The folders for segments that a run made in memory.
fn segment_folders(pid: &str) -> Vec<String> {
    let Ok(folder) = std::fs::read_dir("/dev/shm") else { return Vec::new() };
    let names = folder.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(&format!("iaspec-{pid}-"))).collect()
}

/// The delays hit the start of subjects, conversations, and waits; which one is not the same everywhere, so that
/// nothing may be left behind whichever it was.
#[rstest]
#[case("INT", 130, 20)]
#[case("TERM", 143, 60)]
#[case("INT", 130, 150)]
#[case("TERM", 143, 400)]
#[case("INT", 130, 1000)]
#[case("TERM", 143, 2500)]
#[case("TERM", 143, 6000)]
fn a_signal_at_any_moment_leaves_nothing_behind(
    #[case] signal: &str,
    #[case] code: i32,
    #[case] millis: u64,
) {
    let folder = TempDir::new().expect("a folder");
    let temporary = folder.path().join("tmp");
    std::fs::create_dir(&temporary).expect("a folder");
    let mark = format!("{signal}-{millis}-{}", std::process::id());
    let manifest = with_child(folder.path(), &mark);
    let child = iaspec()
        .args(["run", &manifest, "--filter", "handshake/**"])
        .env("TMPDIR", &temporary)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("iaspec");
    std::thread::sleep(Duration::from_millis(millis));
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-s", signal, &pid]).status().expect("kill").success();
    let output = child.wait_with_output().expect("an end");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(sent);
    // Before the run begins, the signal still does what it does to any program.
    let caught = output.status.code() == Some(code);
    assert!(caught || text.is_empty() && output.status.code().is_none(), "{:?}: {text}", output.status);
    assert_eq!(marked(&mark), 0, "processes left behind");
    let left: Vec<_> =
        std::fs::read_dir(&temporary).expect("the folder").flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(segment_folders(&pid), Vec::<String>::new(), "folders for segments left behind");
    if caught {
        assert!(text.contains("\nnot run: "), "{text}");
    }
}

/// Case and outcome of each result, in the order of their names.
fn outcomes(jobs: &str) -> BTreeMap<String, String> {
    let folder = TempDir::new().expect("a folder");
    let report = folder.path().join("run.ndjson");
    let report = format!("ndjson={}", report.display());
    let manifest = root().join("agent-under-test/subject-agent-options.yaml");
    let ran = run(&[
        "run",
        manifest.to_str().expect("a UTF-8 path"),
        "--jobs",
        jobs,
        "--repeat",
        "2",
        "--filter",
        "meta/malformed/**",
        "--filter",
        "compatibility/**",
        "--filter",
        "sessions/**",
        "--report",
        &report,
    ]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    let events = std::fs::read_to_string(folder.path().join("run.ndjson")).expect("the report");
    events
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .filter(|event| event["event"] == "case_finished")
        .map(|event| {
            let name = format!("{} {}", event["case"], event["repetition"]);
            (name, format!("{} {}", event["outcome"], event["reason"]))
        })
        .collect()
}

#[test]
fn the_results_are_the_same_with_one_case_at_a_time_and_with_many() {
    let one = outcomes("1");
    assert!(one.len() > 200, "{}", one.len());
    assert_eq!(one, outcomes("64"));
}
