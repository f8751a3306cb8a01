//! Runs of the engine against clients, as the tests need them.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use iaspec_harness::subject::{Manifest, become_subreaper};
use iaspec_harness::vectors::Corpus;
use iaspec_harness::yaml::Source;

use super::agents::{Seen, processes_marked, run_manifest};
use super::files_with;

/// The program of the hostile client.
pub(crate) const HOSTILE_CLIENT: &str = env!("CARGO_BIN_EXE_hostile-client");

/// A connection that is opened, in steps.
const HELLO: &str = "
      - {client: a, does: {connect: {min: 1000, max: 2000}}, as: hello,
         bytes: \"4ed2eb6c f74a134a b9af81d3 dfc644be e8030000 d0070000\"}
      - {agent: a, bytes: [{ack: {value: 2000}}]}
      - {result: hello, is: {speaks: 2000}}";

/// Nine good conversations, two ends, a timeout, and a message that the subjects take amiss.
pub(crate) fn corpus() -> Corpus {
    let mut text = String::from("format: 1\ntranscripts:");
    let mut add = |id: &str, steps: &str| {
        let head = format!(
            "\n  - id: {id}\n    title: a case\n    clauses: [HS-1]\n    roles: [client]\n    steps:"
        );
        text.push_str(&head);
        text.push_str(steps);
    };
    let path = "
      - {client: a, does: {get_root_path: {agent_type: otter}}, as: path, frames: [\"01000000 03000000 01\"]}
      - {agent: a, frames: [{command: 3, data: [{string: \"/var/otter\"}]}]}
      - {result: path, is: {path: \"/var/otter\"}}";
    for number in 0..9 {
        add(&format!("good-{number}"), &format!("{HELLO}{path}"));
    }
    add(
        "ends-at-once",
        "
      - {client: a, does: {connect: {min: 1000, max: 2000}}, as: hello,
         bytes: \"4ed2eb6c f74a134a b9af81d3 dfc644be e8030000 d0070000\"}
      - {agent: a, closes: {}}
      - {result: hello, fails: closed}",
    );
    let ends_later = "
      - {client: a, does: {receive: {timeout: 2s}}, as: message}
      - {agent: a, closes: {}}
      - {result: message, fails: closed}";
    add("ends-later", &format!("{HELLO}{ends_later}"));
    let silent = "
      - {client: a, does: {receive: {timeout: 500ms}}, as: message}
      - {result: message, fails: timeout}";
    add("silent", &format!("{HELLO}{silent}"));
    let poison = "
      - {client: a, does: {send: {command: 666}}, as: sent, frames: [\"00000000 9a020000\"]}
      - {result: sent, is: {}}\n";
    add("poison", &format!("{HELLO}{poison}"));
    let (corpus, findings) = Corpus::load(&files_with("talk/talk.yaml", &text));
    assert!(findings.is_empty(), "{findings:?}");
    corpus
}

/// Runs the corpus against the hostile client with a behaviour; nothing of it is left behind.
pub(crate) fn run(behaviour: &str) -> Seen {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mark = format!("hostile-client-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let text = format!(
        "name: hostile\nrole: client\ncommand: [{HOSTILE_CLIENT:?}, {behaviour}]\nenv: {{HOSTILE_MARK: \"{mark}\"}}\n\
         stop: {{within: 2s}}\nsupports: {{versions: [1000, 2000], encryption: [none]}}\n"
    );
    let manifest =
        Manifest::parse(&Source::new("hostile.yaml", text), Path::new("/")).expect("a good manifest");
    become_subreaper();
    let seen = run_manifest(&corpus(), &manifest, 64);
    assert_eq!(processes_marked(&mark), Vec::<String>::new(), "processes left behind");
    // What those that do something once leave.
    let _ = std::fs::remove_file(std::env::temp_dir().join(&mark));
    seen
}
