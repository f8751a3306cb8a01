//! Runs of the engine against hosts, as the tests need them.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use iaspec_harness::subject::{Manifest, become_subreaper};
use iaspec_harness::vectors::Corpus;
use iaspec_harness::yaml::Source;

use super::agents::{Seen, processes_marked, run_manifest};
use super::files_with;

/// The program of the hostile host.
const HOSTILE_HOST: &str = env!("CARGO_BIN_EXE_hostile-host");

/// An echo, one in pieces through a tiny ring, the end by the agent's wish, and a nonce that is wrong.
const CASES: &str = r#"format: 1
transcripts:
  - id: echo
    title: a case
    clauses: [RTE-3]
    needs: {features: [shared_memory]}
    steps:
      - {host: h, does: {start: {agent_type: otter, session: 7}}}
      - {agent: h, frames: ["05000000 65000000 01000000 61"]}
      - {host: h, frames: ["06000000 65000000 01000000 00 61"], within: 2s}
  - id: pieces
    title: a case
    clauses: [RTE-3]
    needs: {features: [shared_memory]}
    steps:
      - {host: h, does: {start: {agent_type: otter, session: 7, ring_capacity: 64}}}
      - {agent: h, frames: ["c8000000 65000000 02000000 99*196"]}
      - {host: h, frames: ["c9000000 65000000 02000000 00 99*196"], within: 2s}
  - id: idle
    title: a case
    clauses: [SES-5]
    needs: {features: [shared_memory]}
    steps:
      - {host: h, does: {start: {agent_type: otter, session: 7}}}
      - {agent: h, closes: {}}
      - {host: h, closes: {within: 2s}, exits: {code: 0, within: 2s}}
  - id: refused
    title: a case
    clauses: [RTE-6]
    needs: {features: [shared_memory]}
    steps:
      - {host: h, does: {start: {agent_type: otter, session: 7, wrong: nonce}}}
      - {host: h, exits: {code: 3, within: 2s}}
"#;

fn corpus() -> Corpus {
    let (corpus, findings) = Corpus::load(&files_with("talk/talk.yaml", CASES));
    assert!(findings.is_empty(), "{findings:?}");
    corpus
}

/// Runs the corpus against the hostile host with a behaviour; nothing of it is left behind.
pub(crate) fn run(behaviour: &str) -> Seen {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mark = format!("hostile-host-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let text = format!(
        "name: hostile\nrole: host\ncommand: [{HOSTILE_HOST:?}, {behaviour}]\nenv: {{HOSTILE_MARK: \"{mark}\"}}\n\
         supports: {{features: [shared_memory]}}\n"
    );
    let manifest =
        Manifest::parse(&Source::new("hostile.yaml", text), Path::new("/")).expect("a good manifest");
    become_subreaper();
    let seen = run_manifest(&corpus(), &manifest, 64);
    assert_eq!(processes_marked(&mark), Vec::<String>::new(), "processes left behind");
    seen
}
