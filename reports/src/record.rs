//! What the reports that are one document know once the events are over: the results in the order of the
//! corpus, the counts, and whether the run was told to its end.
//!
//! [`Document`] collects the events into a [`Record`] and renders that once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Write};

use iaspec_harness::event::{
    CaseResult, Event, KnobReading, Notice, RunFinished, RunStarted, SubjectStarted, Tally,
};
use iaspec_harness::timing::Timing;
use iaspec_harness::verdict::Outcome;
use iaspec_harness::waiver::Waiver;

use crate::failure::Clauses;
use crate::{Reporter, json, junit, markdown, waivers};

/// What happened to one subject.
#[derive(Debug)]
pub(crate) struct SubjectRecord {
    pub(crate) started: SubjectStarted,
    /// The readings that the manifest left open.
    pub(crate) knobs: Vec<KnobReading>,
    /// In the order of the corpus, repetitions one after the other.
    pub(crate) results: Vec<CaseResult>,
    pub(crate) notices: Vec<Notice>,
    /// What was measured, if anything was.
    pub(crate) timing: Option<Timing>,
    pub(crate) tally: Tally,
}

/// What happened in a run, as far as it was told.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) run: RunStarted,
    pub(crate) subjects: Vec<SubjectRecord>,
    /// Missing when the run was cut off.
    pub(crate) finished: Option<RunFinished>,
}

/// What a report makes of a result, under the options of its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Passed,
    /// A difference or a warning that is told and does not fail the run.
    Remarked,
    Failed,
    ExpectedFailure,
    UnexpectedPass,
    Skipped,
    Error,
}

impl Standing {
    pub(crate) fn of(result: &CaseResult, strict: bool) -> Self {
        let waiver = result.waiver();
        match result.outcome {
            _ if waiver == Waiver::Holds => Standing::ExpectedFailure,
            _ if waiver == Waiver::Passed => Standing::UnexpectedPass,
            // The run ends with another code than 0 by it, whatever it weighs.
            Outcome::Difference | Outcome::Warning if waiver == Waiver::Differs => Standing::Failed,
            Outcome::Pass => Standing::Passed,
            Outcome::Difference | Outcome::Warning if !strict => Standing::Remarked,
            Outcome::Fail | Outcome::Difference | Outcome::Warning => Standing::Failed,
            Outcome::Skip => Standing::Skipped,
            Outcome::Error => Standing::Error,
        }
    }
}

impl Record {
    pub(crate) fn standing(&self, result: &CaseResult) -> Standing {
        Standing::of(result, self.run.strict)
    }

    /// All results, subject after subject.
    pub(crate) fn results(&self) -> impl Iterator<Item = &CaseResult> {
        self.subjects.iter().flat_map(|subject| &subject.results)
    }

    /// The counts of all subjects.
    pub(crate) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for subject in &self.subjects {
            tally += subject.tally;
        }
        tally
    }

    /// The clauses by their names, with their texts.
    pub(crate) fn clause_texts(&self) -> Clauses {
        self.run.clauses.iter().map(|clause| (clause.id.clone(), clause.clone())).collect()
    }

    /// The counts of the results that cite each clause.
    pub(crate) fn clause_tallies(&self) -> BTreeMap<&str, Tally> {
        let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
        for result in self.results() {
            // A result counts once, however often it names a clause.
            for clause in result.clauses.iter().collect::<BTreeSet<_>>() {
                tallies.entry(clause).or_default().count(result);
            }
        }
        tallies
    }

    /// Why this is not the whole run, as a sentence, where it is not.
    pub(crate) fn gap(&self) -> Option<String> {
        let Some(finished) = &self.finished else {
            return Some(cut_off(self.results().count()));
        };
        let not_run = finished.not_run;
        let cases = if not_run == 1 { "result is" } else { "results are" };
        match &finished.interrupted {
            Some(signal) => {
                Some(format!("incomplete: the run was interrupted by {signal}; {not_run} {cases} missing"))
            }
            None if not_run > 0 => {
                Some(format!("incomplete: the run ended with the first failure; {not_run} {cases} missing"))
            }
            None => None,
        }
    }
}

/// A reading that a manifest leaves open, in a few words: `server_version int32x4 (found out)`.
pub(crate) fn knob(knob: &KnobReading) -> String {
    let how = if knob.detected { "found out" } else { "assumed" };
    format!("{} {} ({how})", knob.knob, knob.reading)
}

/// That a run was cut off, in one sentence for all reports.
pub(crate) fn cut_off(results: usize) -> String {
    format!(
        "incomplete: the run was cut off after {results} {}",
        if results == 1 { "result" } else { "results" }
    )
}

/// Renders a record.
type Render = fn(&Record, &mut dyn Write) -> io::Result<()>;

/// A report that is one document, written when the run is over, or when it was cut off: see
/// [`Reporter::finish`]. It holds all results until then.
pub struct Document<W: Write> {
    out: W,
    render: Render,
    record: Option<Record>,
    written: bool,
}

impl<W: Write> Document<W> {
    /// A JUnit document: a `testsuite` for each subject, a `testcase` for each result.
    pub fn junit(out: W) -> Self {
        Self::new(out, junit::render)
    }

    /// One JSON document with everything that the events told.
    pub fn json(out: W) -> Self {
        Self::new(out, json::render)
    }

    /// A summary in GitHub's Markdown, for a CI job.
    pub fn markdown(out: W) -> Self {
        Self::new(out, markdown::render)
    }

    /// Entries for `expect` of the manifest, for the failures that it does not expect; nothing is written where there
    /// is none.
    pub fn waivers(out: W) -> Self {
        Self::new(out, waivers::render)
    }

    fn new(out: W, render: Render) -> Self {
        Self { out, render, record: None, written: false }
    }

    fn take(&mut self, event: &Event) {
        if let Event::RunStarted(run) = event {
            self.record = Some(Record { run: run.clone(), subjects: Vec::new(), finished: None });
            return;
        }
        let Some(record) = &mut self.record else { return };
        match event {
            Event::SubjectStarted(started) => record.subjects.push(SubjectRecord {
                started: started.clone(),
                knobs: Vec::new(),
                results: Vec::new(),
                notices: Vec::new(),
                timing: None,
                tally: Tally::default(),
            }),
            Event::DialectFound(found) => {
                if let Some(subject) = record.subjects.last_mut() {
                    subject.knobs.clone_from(&found.knobs);
                }
            }
            Event::CaseFinished(result) => {
                if let Some(subject) = record.subjects.last_mut() {
                    subject.tally.count(result);
                    subject.results.push((**result).clone());
                }
            }
            Event::Notice(notice) => {
                if let Some(subject) = record.subjects.last_mut() {
                    subject.notices.push(notice.clone());
                }
            }
            Event::Timing(timing) => {
                if let Some(subject) = record.subjects.last_mut() {
                    subject.timing = Some(timing.clone());
                }
            }
            Event::RunFinished(finished) => record.finished = Some(finished.clone()),
            Event::RunStarted(_) | Event::SubjectFinished(_) => {}
        }
    }
}

impl<W: Write> Reporter for Document<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.take(event);
        if matches!(event, Event::RunFinished(_)) { self.finish() } else { Ok(()) }
    }

    fn finish(&mut self) -> io::Result<()> {
        let Some(record) = self.record.as_mut().filter(|_| !self.written) else { return Ok(()) };
        self.written = true;
        for subject in &mut record.subjects {
            subject.results.sort_by_key(|result| (result.index, result.repetition));
        }
        (self.render)(record, &mut self.out)?;
        self.out.flush()
    }
}

/// A run that ends by an error leaves what was measured.
impl<W: Write> Drop for Document<W> {
    fn drop(&mut self) {
        let _ = self.finish();
    }
}

impl<W: Write> fmt::Debug for Document<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("record", &self.record).finish_non_exhaustive()
    }
}
