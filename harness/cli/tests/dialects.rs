//! The reference agent in every dialect, under a manifest that leaves the dialect to be found out.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod support;

use rstest::rstest;
use serde_json::Value;
use support::{Ran, iaspec, root};
use tempfile::TempDir;

/// Runs some cases against the reference agent set by options, which takes its dialect from the environment.
fn run(server_version: &str, aes_padding: &str, arguments: &[&str]) -> (Ran, Value) {
    let folder = TempDir::new().expect("a folder");
    let report = folder.path().join("run.json");
    let manifest = root().join("agent-under-test/subject-agent-options.yaml");
    let mut command = iaspec();
    command.arg("run").arg(manifest).args(arguments);
    command.arg("--report").arg(format!("json={}", report.display()));
    command.env("IASPEC_AGENT_SERVER_VERSION", server_version).env("IASPEC_AGENT_AES_PADDING", aes_padding);
    let ran = Ran::from(command.output().expect("iaspec"));
    let text = std::fs::read_to_string(report).expect("the report");
    (ran, serde_json::from_str(&text).expect("JSON"))
}

fn knob<'a>(document: &'a Value, name: &str) -> &'a Value {
    let found = document["subjects"][0]["found"].as_array().expect("a list");
    found.iter().find(|knob| knob["knob"] == name).expect("the knob")
}

#[rstest]
fn both_knobs_are_found_out(
    #[values("int32", "int32x4")] server_version: &str,
    #[values("pkcs7", "zeros")] aes_padding: &str,
) {
    let filters = [
        "--filter",
        "handshake/acknowledgement/**",
        "--filter",
        "meta/root_path/**",
        "--filter",
        "encryption/aes*/**",
    ];
    let (ran, document) = run(server_version, aes_padding, &filters);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    let told = format!(
        "\nreference-agent-options: dialect: server_version {server_version} (found out), aes_padding {aes_padding} \
         (found out)\n"
    );
    assert!(ran.stdout.contains(&told), "{}", ran.stdout);
    for (name, reading) in [("server_version", server_version), ("aes_padding", aes_padding)] {
        let knob = knob(&document, name);
        assert_eq!((&knob["reading"], &knob["detected"]), (&reading.into(), &true.into()));
        assert_eq!(document["subjects"][0]["dialect"][name][0], "auto", "as the manifest says");
    }
    // Which cases are there is decided by what was found out.
    let results = document["subjects"][0]["results"].as_array().expect("results");
    let skipped = results.iter().filter(|result| result["outcome"] == "skip");
    let reasons: Vec<_> = skipped.filter_map(|result| result["reason"].as_str()).collect();
    let about_padding = reasons.contains(&"needs the reading aes_padding: pkcs7; the subject's is zeros");
    assert_eq!(about_padding, aes_padding == "zeros", "{reasons:?}");
}

/// Each mode by itself tells the form of the server version.
#[rstest]
fn every_mode_tells_the_server_version(
    #[values("none", "ssl", "aes")] mode: &str,
    #[values("int32", "int32x4")] server_version: &str,
) {
    let arguments = ["--encryption", mode, "--filter", "meta/root_path/**"];
    let (ran, document) = run(server_version, "pkcs7", &arguments);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    let found = knob(&document, "server_version");
    assert_eq!((&found["reading"], &found["detected"]), (&server_version.into(), &true.into()));
    let padding = knob(&document, "aes_padding");
    assert_eq!(padding["detected"], mode == "aes");
    assert!(mode == "aes" || padding["how"] == "no case runs in mode aes", "{padding}");
}
