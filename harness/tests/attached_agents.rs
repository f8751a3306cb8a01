//! Agents that somebody else started: tested where they are, and left alone.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "in a test, a panic is the verdict")]

mod support;

use std::process::{Child, Command};
use std::time::Duration;

use iaspec_harness::event::Tally;
use support::agents::{HOSTILE_AGENT, corpus, manifest, run_manifest};

/// The hostile agent on a port that was free a moment ago.
fn start(behaviour: &str) -> (Child, u16) {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let words = [behaviour, &port.to_string(), "/var/otter"];
    let child = Command::new(HOSTILE_AGENT).args(words).spawn().expect("the hostile agent");
    for _ in 0..200 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    (child, port)
}

#[test]
fn an_agent_that_runs_already_is_tested_where_it_is_and_left_alone() {
    let (mut child, port) = start("good");
    let assumed = manifest(&format!("address: \"127.0.0.1:{port}\"\nassume: {{otter_root: /var/otter}}"));
    let seen = run_manifest(&corpus(), &assumed, 64);
    let unknown = manifest(&format!("address: \"127.0.0.1:{port}\""));
    let seen_without = run_manifest(&corpus(), &unknown, 64);
    let alive = child.try_wait().expect("its state").is_none();
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!(seen.tally, Tally { passed: 16, ..Tally::default() }, "{:?}", seen.problems());
    assert_eq!(seen_without.tally, Tally { passed: 4, skipped: 12, ..Tally::default() });
    assert_eq!(
        seen_without.reason("good-0"),
        "needs to know otter_root; the manifest's `assume` does not say it"
    );
    assert!(alive, "it was not the harness's to stop");
}

#[test]
fn of_an_agent_that_runs_already_the_dialect_is_found_out_where_it_is() {
    let (mut child, port) = start("four-numbers");
    let launch = format!(
        "address: \"127.0.0.1:{port}\"\nassume: {{otter_root: /var/otter}}\ndialect: {{server_version: auto}}"
    );
    let seen = run_manifest(&corpus(), &manifest(&launch), 64);
    let alive = child.try_wait().expect("its state").is_none();
    let _ = child.kill();
    let _ = child.wait();
    assert!(alive, "it was not the harness's to stop");
    let found = seen.found.as_ref().expect("the event");
    assert_eq!((found.knobs[0].reading.as_str(), found.knobs[0].detected), ("int32x4", true));
    assert_eq!(seen.tally, Tally { passed: 16, ..Tally::default() }, "{:?}", seen.problems());
}

#[test]
fn an_address_where_nobody_listens_is_an_error() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let absent = manifest(&format!("address: \"127.0.0.1:{port}\"\nassume: {{otter_root: /var/otter}}"));
    let seen = run_manifest(&corpus(), &absent, 64);
    assert_eq!(seen.tally, Tally { errors: 16, ..Tally::default() });
    let expected =
        format!("the agent at 127.0.0.1:{port} cannot be reached: Connection refused (os error 111)");
    assert_eq!(seen.reason("good-0"), expected);
}
