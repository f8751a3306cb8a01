//! Runs of the engine against agents, as the tests need them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use iaspec_harness::engine::{self, Conversations, Plan, RunOptions, Selection};
use iaspec_harness::event::{CaseResult, DialectFound, Event, Notice, Tally};
use iaspec_harness::subject::{Manifest, become_subreaper};
use iaspec_harness::vectors::Corpus;
use iaspec_harness::yaml::Source;

use super::files_with;

/// The program of the hostile agent.
pub(crate) const HOSTILE_AGENT: &str = env!("CARGO_BIN_EXE_hostile-agent");

/// How long the silent ones may be silent: long enough for a good one on a busy machine.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// Twelve good conversations, three refusals, and one that the subjects take amiss.
pub(crate) fn corpus() -> Corpus {
    corpus_with("")
}

/// The corpus with more transcripts, as YAML.
pub(crate) fn corpus_with(more: &str) -> Corpus {
    let hello = |name: &str| {
        format!(
            "      - {{client: {name}, bytes: \"4ed2eb6c f74a134a b9af81d3 dfc644be e8030000 d0070000\"}}\n      \
             - {{agent: {name}, bytes: [{{ack: {{value: 2000}}}}], within: 3s}}\n"
        )
    };
    let mut text = String::from("format: 1\ntranscripts:\n");
    for number in 0..12 {
        text.push_str(&format!(
            "  - id: good-{number}\n    title: a root path\n    clauses: [MTA-3]\n    roles: [agent]\n    steps:\n"
        ));
        text.push_str(&hello("a"));
        text.push_str("      - {client: a, frames: [\"01000000 03000000 01\"]}\n");
        text.push_str("      - {agent: a, frames: [{command: 3, data: [{string: {setting: otter_root}}]}], within: 3s}\n");
    }
    for (name, id) in [("zeros", "00*16"), ("text", "47*16"), ("last", "4ed2eb6c f74a134a b9af81d3 dfc644bf")]
    {
        text.push_str(&format!(
            "  - id: refused-{name}\n    title: no protocol ID\n    clauses: [HS-3]\n    roles: [agent]\n    steps:\n      \
             - {{client: a, bytes: \"{id} e8030000 d0070000\"}}\n      - {{agent: a, closes: {{within: 3s}}}}\n"
        ));
    }
    text.push_str(
        "  - id: poison\n    title: an unknown command is ignored\n    clauses: [CMP-3]\n    roles: [agent]\n    steps:\n",
    );
    text.push_str(&hello("a"));
    text.push_str("      - {client: a, frames: [\"00000000 9a020000\"]}\n");
    text.push_str(more);
    let (corpus, findings) = Corpus::load(&files_with("talk/talk.yaml", &text));
    assert!(findings.is_empty(), "{findings:?}");
    corpus
}

/// How a subject is started.
pub(crate) struct Setup {
    /// The words of its command, as YAML.
    pub(crate) command: String,
    /// The root path that a hostile agent answers with; that of the run where it is empty.
    pub(crate) root: String,
}

impl Setup {
    /// The hostile agent with a behaviour and its number.
    pub(crate) fn hostile(behaviour: &str, number: u32) -> Self {
        let command = format!(r#"{HOSTILE_AGENT:?}, {behaviour}, "{{port}}", ROOT, "{number}""#);
        Self { command, root: String::new() }
    }
}

/// What came of a run.
pub(crate) struct Seen {
    pub(crate) tally: Tally,
    pub(crate) cases: BTreeMap<String, CaseResult>,
    pub(crate) notices: Vec<Notice>,
    /// The readings that the manifest left open, where it did.
    pub(crate) found: Option<DialectFound>,
}

impl Seen {
    pub(crate) fn case(&self, id: &str) -> &CaseResult {
        &self.cases[&format!("talk/talk/{id}")]
    }

    pub(crate) fn reason(&self, id: &str) -> &str {
        self.case(id).reason.as_deref().unwrap_or_default()
    }

    pub(crate) fn warnings(&self) -> Vec<&str> {
        self.notices.iter().filter(|notice| notice.warning).map(|notice| notice.message.as_str()).collect()
    }

    /// What is wrong, a line a case.
    pub(crate) fn problems(&self) -> Vec<String> {
        let told = |case: &CaseResult| {
            let problem = case.problems.first().map(|problem| {
                format!("{}: {} ({} / {})", problem.step, problem.summary, problem.expected, problem.actual)
            });
            let what = case.reason.clone().or(problem)?;
            Some(format!("{}: {what}", case.case))
        };
        self.cases.values().filter_map(told).collect()
    }
}

/// A manifest of an agent that says how it comes to be there, and nothing else of interest.
pub(crate) fn manifest(launch: &str) -> Manifest {
    let text = format!(
        "name: hostile\nrole: agent\n{launch}\nready: {{within: 3s}}\nstop: {{within: 2s}}\n\
         supports: {{versions: [1000, 2000], encryption: [none], targets: [meta], settings: [root_paths]}}\n"
    );
    Manifest::parse(&Source::new("hostile.yaml", text), Path::new("/")).expect("a good manifest")
}

/// Runs a corpus against a subject that the harness starts; nothing of it is left behind.
pub(crate) fn run(corpus: &Corpus, setup: &Setup) -> Seen {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mark = format!("hostile-agent-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let root = if setup.root.is_empty() { "\"{otter_root}\"" } else { &setup.root };
    let command = setup.command.replace("ROOT", root);
    let launch = format!("command: [{command}]\nenv: {{HOSTILE_MARK: \"{mark}\"}}");
    become_subreaper();
    let seen = run_manifest(corpus, &manifest(&launch), 64);
    assert_eq!(processes_marked(&mark), Vec::<String>::new(), "processes left behind");
    // What those that do something once leave.
    let _ = std::fs::remove_file(std::env::temp_dir().join(&mark));
    seen
}

/// Runs a corpus against a subject.
pub(crate) fn run_manifest(corpus: &Corpus, manifest: &Manifest, jobs: usize) -> Seen {
    let plan = Plan::new(corpus, manifest, &Selection::default()).expect("cases");
    let options = RunOptions {
        jobs,
        repeat: 1,
        seed: None,
        fail_fast: false,
        strict: false,
        answer_within: ANSWER_WITHIN,
        longest_wait: None,
        conversations: Conversations::Failed,
        rerun: "iaspec run hostile.yaml".to_owned(),
    };
    let (_interrupter, mut interrupt) = engine::interruption();
    let (mut cases, mut notices, mut found) = (BTreeMap::new(), Vec::new(), None);
    let mut emit = |event| match event {
        Event::CaseFinished(result) => {
            assert!(cases.insert(result.case.clone(), *result).is_none(), "a case ended twice");
        }
        Event::Notice(notice) => notices.push(notice),
        Event::DialectFound(dialect) => assert!(found.replace(dialect).is_none(), "found out twice"),
        _ => {}
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ran =
        runtime.block_on(engine::run_subject(corpus, manifest, &plan, &options, &mut interrupt, &mut emit));
    assert_eq!(ran.not_run, 0, "every case has a result");
    Seen { tally: ran.tally, cases, notices, found }
}

/// The processes that carry a mark in their environment.
pub(crate) fn processes_marked(mark: &str) -> Vec<String> {
    let wanted = format!("HOSTILE_MARK={mark}");
    let Ok(folder) = std::fs::read_dir("/proc") else { return Vec::new() };
    folder
        .flatten()
        .filter(|entry| {
            std::fs::read(entry.path().join("environ"))
                .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|word| word == wanted.as_bytes()))
        })
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("comm")).ok())
        .collect()
}
