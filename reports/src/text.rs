//! The report for people: every case that did not pass, in the order of the corpus, and the counts. Cases that
//! passed are shown too where the run told their conversations.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use anstyle::Style;
use iaspec_harness::event::{
    CaseResult, DialectFound, Event, Gravity, Notice, RunFinished, RunStarted, SubjectStarted, Tally,
};
use iaspec_harness::verdict::Outcome;
use iaspec_harness::waiver::Waiver;

use crate::failure::{self, Clauses, Layout, outcome_style as style};
use crate::{Reporter, record};

/// How many cases that did not pass are shown in full; more are listed by a line each.
const SHOWN_IN_FULL: usize = 20;

/// Writes styled text; let an `anstream` writer take the styles away where they are not wanted.
#[derive(Debug)]
pub struct Text<W> {
    out: W,
    width: usize,
    strict: bool,
    clauses: Clauses,
    pending: Vec<CaseResult>,
    skips: BTreeMap<String, usize>,
    notices: Vec<Notice>,
    /// What was measured of the subject, in words.
    timing: Vec<String>,
    shown: usize,
    results: usize,
    tally: Tally,
    /// Between the events `run_started` and `run_finished`.
    under_way: bool,
    /// Whether the last thing written was a case in full, which a blank line must follow.
    gap: bool,
}

impl<W: Write> Text<W> {
    /// A report to a writer, for lines of so many columns.
    pub fn new(out: W, width: usize) -> Self {
        Self {
            out,
            width,
            strict: false,
            clauses: Clauses::new(),
            pending: Vec::new(),
            skips: BTreeMap::new(),
            notices: Vec::new(),
            timing: Vec::new(),
            shown: 0,
            results: 0,
            tally: Tally::default(),
            under_way: false,
            gap: false,
        }
    }

    fn run_started(&mut self, run: &RunStarted) -> io::Result<()> {
        self.strict = run.strict;
        self.under_way = true;
        self.clauses = run.clauses.iter().map(|clause| (clause.id.clone(), clause.clone())).collect();
        writeln!(self.out, "iaspec {}, vectors {} ({})", run.iaspec, run.digest, run.vectors)
    }

    fn subject_started(&mut self, started: &SubjectStarted) -> io::Result<()> {
        let SubjectStarted { subject, role, cases, .. } = started;
        writeln!(self.out, "{subject}: role {role}, {cases} {}", plural(*cases, "case", "cases"))
    }

    fn dialect_found(&mut self, found: &DialectFound) -> io::Result<()> {
        let knobs: Vec<String> = found.knobs.iter().map(record::knob).collect();
        writeln!(self.out, "{}: dialect: {}", found.subject, knobs.join(", "))
    }

    fn case_finished(&mut self, result: &CaseResult) {
        self.results += 1;
        self.tally.count(result);
        match result.outcome {
            Outcome::Pass if result.expected.is_none() && result.conversation.is_empty() => {}
            Outcome::Skip => {
                *self.skips.entry(result.reason.clone().unwrap_or_default()).or_default() += 1;
            }
            _ => self.pending.push(result.clone()),
        }
    }

    fn subject_finished(&mut self) -> io::Result<()> {
        let mut pending = std::mem::take(&mut self.pending);
        pending.sort_by_key(|result| (result.index, result.repetition));
        // A subject that cannot be run says so once, not once for each case.
        let (errors, others): (Vec<_>, Vec<_>) = pending
            .into_iter()
            .partition(|result| result.outcome == Outcome::Error && result.waiver() == Waiver::None);
        self.errors(&errors)?;
        let in_full = most_telling(&others, SHOWN_IN_FULL.saturating_sub(self.shown));
        for (place, result) in others.iter().enumerate() {
            self.told(result, in_full.contains(&place))?;
        }
        self.close_gap()?;
        for notice in std::mem::take(&mut self.notices) {
            let style = match notice.gravity() {
                Gravity::Error => style(Outcome::Error),
                Gravity::Warning => style(Outcome::Warning),
                Gravity::Note => Style::new(),
            };
            let word = notice.gravity().name();
            writeln!(self.out, "{style}{word}{style:#}: {}: {}", notice.subject, notice.message)?;
        }
        for line in std::mem::take(&mut self.timing) {
            writeln!(self.out, "timing: {line}")?;
        }
        for (reason, count) in std::mem::take(&mut self.skips) {
            writeln!(self.out, "skipped {count}: {reason}")?;
        }
        Ok(())
    }

    /// A result that is told by itself, in full or by a line.
    fn told(&mut self, result: &CaseResult, in_full: bool) -> io::Result<()> {
        let case = &result.case;
        match (result.waiver(), &result.expected) {
            (Waiver::Holds, Some(expected)) => {
                self.close_gap()?;
                writeln!(self.out, "expected {}: {case} ({})", result.outcome.name(), expected.grounds())
            }
            (Waiver::Passed, _) => {
                self.close_gap()?;
                let (style, remark) = (style(Outcome::Fail), result.remark().unwrap_or_default());
                writeln!(self.out, "{style}unexpected pass{style:#}: {case}; {remark}")
            }
            _ if in_full || result.outcome == Outcome::Pass => {
                // That a pass has a conversation somebody asked for; only failures come uncalled in hundreds.
                self.shown += usize::from(result.outcome != Outcome::Pass);
                self.gap = true;
                let layout = self.layout();
                failure::write(&mut self.out, result, &self.clauses, layout)
            }
            _ => {
                self.close_gap()?;
                writeln!(self.out, "{}", failure::line(result))
            }
        }
    }

    fn layout(&self) -> Layout {
        Layout { width: self.width, styled: true }
    }

    fn close_gap(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.gap) { writeln!(self.out) } else { Ok(()) }
    }

    fn errors(&mut self, errors: &[CaseResult]) -> io::Result<()> {
        let mut groups: Vec<(&CaseResult, usize)> = Vec::new();
        for result in errors {
            match groups.iter_mut().find(|(first, _)| first.reason == result.reason) {
                Some((_, count)) => *count += 1,
                None => groups.push((result, 1)),
            }
        }
        let layout = self.layout();
        for (first, count) in groups {
            let style = style(Outcome::Error);
            let reason = first.reason.as_deref().unwrap_or("could not be run");
            writeln!(self.out, "{style}error{style:#}: {}: {reason}", first.subject)?;
            writeln!(self.out, "  {count} {} could not be run", plural(count, "case", "cases"))?;
            failure::log(&mut self.out, first, "the subject logged", layout)?;
        }
        Ok(())
    }

    fn run_finished(&mut self, run: &RunFinished) -> io::Result<()> {
        self.under_way = false;
        if let Some(signal) = &run.interrupted {
            writeln!(self.out, "interrupted by {signal}")?;
        }
        if run.not_run > 0 {
            writeln!(self.out, "not run: {}", run.not_run)?;
        }
        if let Some(too_few) = &run.too_few {
            let style = style(Outcome::Fail);
            writeln!(self.out, "{style}too few cases{style:#}: {too_few}")?;
        }
        if let Some(floor) = &run.floor {
            let style = style(Outcome::Fail);
            for missing in &floor.missing {
                writeln!(self.out, "{style}below the floor{style:#}: {}", missing.line())?;
            }
            for line in floor.lines() {
                writeln!(self.out, "floor: {line}")?;
            }
        }
        self.counts(run.tally)
    }

    /// The counts, those that every run has in the last line.
    fn counts(&mut self, tally: Tally) -> io::Result<()> {
        let counts = [
            ("errors", tally.errors),
            ("contract failures", tally.contract),
            ("differences", tally.differences),
            ("warnings", tally.warnings),
            ("expected failures", tally.expected_failures),
            ("unexpected passes", tally.unexpected_passes),
            ("failures other than expected", tally.other_failures),
        ];
        for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            writeln!(self.out, "{name}: {count}")?;
        }
        let failed = tally.failures(self.strict);
        writeln!(self.out, "run: {} passed, {failed} failed, {} skipped", tally.passed, tally.skipped)?;
        self.out.flush()
    }
}

impl<W: Write> Reporter for Text<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::RunStarted(run) => self.run_started(run),
            Event::SubjectStarted(started) => self.subject_started(started),
            Event::DialectFound(found) => self.dialect_found(found),
            Event::CaseFinished(result) => {
                self.case_finished(result);
                Ok(())
            }
            Event::Notice(notice) => {
                self.notices.push(notice.clone());
                Ok(())
            }
            Event::Timing(timing) => {
                self.timing = timing.lines();
                Ok(())
            }
            Event::SubjectFinished(_) => self.subject_finished(),
            Event::RunFinished(run) => self.run_finished(run),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.under_way) {
            return Ok(());
        }
        self.subject_finished()?;
        writeln!(self.out, "{}", record::cut_off(self.results))?;
        self.counts(self.tally)
    }
}

/// The places of those that are shown in full: failures before differences before warnings.
fn most_telling(results: &[CaseResult], most: usize) -> BTreeSet<usize> {
    let told = |result: &CaseResult| result.outcome != Outcome::Pass && result.waiver() != Waiver::Holds;
    let mut places: Vec<usize> = (0..results.len()).filter(|place| told(&results[*place])).collect();
    let weight = |outcome| match outcome {
        Outcome::Difference => 1,
        Outcome::Warning => 2,
        _ => 0,
    };
    places.sort_by_key(|place| weight(results[*place].outcome));
    places.into_iter().take(most).collect()
}

fn plural(count: usize, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}
