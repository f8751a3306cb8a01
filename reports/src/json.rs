//! One JSON document of a run, for programs that want no stream: everything that the events told, in the order
//! of the corpus, with counts.
//!
//! ```json
//! {"format": 1, "complete": true, "iaspec": "0.1.0",
//!  "vectors": {"origin": "built in", "digest": "0123456789abcdef"},
//!  "options": {"strict": false, "repeat": 1, "slow": false, "seed": null},
//!  "exit_code": 0, "interrupted": null, "not_run": 0, "millis": 1234,
//!  "floor": {"path": "floor.yaml", "action": "compared", "cases": 312, "more": 0},
//!  "tally": {"passed": 312, "failed": 0, …},
//!  "clauses": [{"id": "DAT-2", "tier": "D", "title": "…", "text": "…", "tally": {…}}],
//!  "subjects": [{"subject": "…", "role": "codec", "manifest": "…", "launch": "codec.py", "supports": {…},
//!                "dialect": {"server_version": ["auto"], …},
//!                "found": [{"knob": "server_version", "reading": "int32", "detected": true, …}],
//!                "cases": 312, "tally": {…}, "notices": […], "timing": {"handshakes": […], "timeouts": […]},
//!                "results": [{"index": 0, "repetition": 1, "case": "…", …}]}]}
//! ```
//!
//! `found` has the readings that hold where `dialect` says `auto`, in the form of the event `dialect_found`. Results,
//! notices and timing have the form of the events `case_finished`, `notice` and `timing`; `timing` is `null` where
//! nothing was measured, `floor` where the run had none. `complete` is `false` when
//! results are missing: the run was killed, interrupted, or ended by `--fail-fast`. Of a run that was killed,
//! `exit_code`, `not_run` and `millis` are `null`. `format` grows when a member changes its meaning or goes;
//! members may be added within a format.

use std::io::{self, Write};

use iaspec_harness::clauses::Tier;
use iaspec_harness::event::{CaseResult, KnobReading, Notice, Tally, TooFew};
use iaspec_harness::floor::FloorReport;
use iaspec_harness::subject::Role;
use iaspec_harness::subject::manifest::{Claims, Readings};
use iaspec_harness::timing::Timing;
use schemars::JsonSchema;
use serde::Serialize;

use crate::record::{Record, SubjectRecord};

/// The version of the document's form.
const FORMAT: u32 = 1;

/// The JSON Schema of the document, as it stands in `reports/results.schema.json`.
pub fn results_schema() -> String {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(Document<'_>)).unwrap_or_default();
    text.push('\n');
    text
}

/// The results of a run, as `iaspec run --report json=PATH` writes them.
#[derive(Serialize, JsonSchema)]
struct Document<'a> {
    format: u32,
    complete: bool,
    iaspec: &'a str,
    vectors: Vectors<'a>,
    options: Options,
    exit_code: Option<u8>,
    interrupted: Option<&'a str>,
    not_run: Option<usize>,
    millis: Option<u64>,
    too_few: Option<TooFew>,
    floor: Option<&'a FloorReport>,
    tally: Tally,
    clauses: Vec<Clause<'a>>,
    subjects: Vec<Subject<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct Vectors<'a> {
    origin: &'a str,
    digest: &'a str,
}

#[derive(Serialize, JsonSchema)]
struct Options {
    strict: bool,
    repeat: u32,
    slow: bool,
    seed: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct Clause<'a> {
    id: &'a str,
    tier: Tier,
    title: &'a str,
    text: &'a str,
    tally: Tally,
}

#[derive(Serialize, JsonSchema)]
struct Subject<'a> {
    subject: &'a str,
    role: Role,
    manifest: &'a str,
    launch: &'a str,
    supports: &'a Claims,
    dialect: &'a Readings,
    found: &'a [KnobReading],
    cases: usize,
    tally: Tally,
    notices: &'a [Notice],
    timing: Option<&'a Timing>,
    results: &'a [CaseResult],
}

/// Writes the document.
pub(crate) fn render(record: &Record, out: &mut dyn Write) -> io::Result<()> {
    let finished = record.finished.as_ref();
    let document = Document {
        format: FORMAT,
        complete: record.gap().is_none(),
        iaspec: &record.run.iaspec,
        vectors: Vectors { origin: &record.run.vectors, digest: &record.run.digest },
        options: options(record),
        exit_code: finished.map(|run| run.exit_code),
        interrupted: finished.and_then(|run| run.interrupted.as_deref()),
        not_run: finished.map(|run| run.not_run),
        millis: finished.map(|run| run.millis),
        too_few: finished.and_then(|run| run.too_few),
        floor: finished.and_then(|run| run.floor.as_ref()),
        tally: record.tally(),
        clauses: clauses(record),
        subjects: record.subjects.iter().map(subject).collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn options(record: &Record) -> Options {
    let run = &record.run;
    Options { strict: run.strict, repeat: run.repeat, slow: run.slow, seed: run.seed }
}

/// The selected clauses in the order in which the run named them.
fn clauses(record: &Record) -> Vec<Clause<'_>> {
    let tallies = record.clause_tallies();
    let mut clauses = Vec::new();
    for clause in &record.run.clauses {
        let tally = tallies.get(clause.id.as_str()).copied().unwrap_or_default();
        clauses.push(Clause {
            id: &clause.id,
            tier: clause.tier,
            title: &clause.title,
            text: &clause.text,
            tally,
        });
    }
    clauses
}

fn subject(record: &SubjectRecord) -> Subject<'_> {
    Subject {
        subject: &record.started.subject,
        role: record.started.role,
        manifest: &record.started.manifest,
        launch: &record.started.launch,
        supports: &record.started.supports,
        dialect: &record.started.dialect,
        found: &record.knobs,
        cases: record.started.cases,
        tally: record.tally,
        notices: &record.notices,
        timing: record.timing.as_ref(),
        results: &record.results,
    }
}
