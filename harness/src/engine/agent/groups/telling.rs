//! What comes of cases and subjects, told as results and notices.

use std::collections::VecDeque;

use super::{Alone, Report, Run, Turn};
use crate::engine::Conversations;
use crate::engine::agent::conversation::{Fired, Trouble};
use crate::event::{CaseResult, Gravity};
use crate::timing::{TimeoutTimes, Timing};
use crate::verdict::Outcome;

impl Run<'_, '_, '_> {
    pub(super) fn conclude_alone(&self, turn: Turn, alone: Alone) {
        match alone {
            Alone::Concluded(report) => self.conclude(turn, report),
            Alone::Ill(ailment, report) => self.broke(turn, &ailment.to_string(), report),
            Alone::NotRunning(error) => self.error(turn, &error.reason, error.log),
        }
    }

    pub(super) fn conclude(&self, turn: Turn, mut report: Report) {
        for Fired { name, set, took } in std::mem::take(&mut report.course.timeouts) {
            self.timeouts.borrow_mut().entry((name, set)).or_default().push(took);
        }
        let attempts = report.earlier.first().zip(report.cause).map(|(first, cause)| {
            let times = match report.earlier.len() {
                1 => "once".to_owned(),
                many => format!("{many} times"),
            };
            format!("tried again {times}, alone, because {cause}; at first, {first}")
        });
        let dialect = report.course.dialect.map(|dialect| format!("in the dialect {dialect}"));
        let circumstances = match (dialect, &attempts) {
            (Some(dialect), Some(attempts)) => Some(format!("{dialect}, {attempts}")),
            (dialect, attempts) => dialect.or_else(|| attempts.clone()),
        };
        let (outcome, reason) = match (&report.course.trouble, report.ailment.take()) {
            (Some(Trouble::CannotRun(reason)), _) => (Some(Outcome::Error), Some(reason.clone())),
            // What it weighs depends on the clause that it breaks.
            (Some(Trouble::Stumble(_)), _) => (None, circumstances),
            (None, Some(ailment)) => {
                let reason =
                    format!("the steps went as expected, but afterwards {ailment}: no proof of anything");
                (Some(Outcome::Fail), Some(reason))
            }
            (None, None) => (Some(Outcome::Pass), attempts),
        };
        self.tell(turn, outcome, reason, report);
    }

    /// A case that broke the subject fails, whatever it tests.
    pub(super) fn broke(&self, turn: Turn, reason: &str, report: Report) {
        self.tell(turn, Some(Outcome::Fail), Some(reason.to_owned()), report);
    }

    /// A case fails of which nothing was seen but what it did to the subject.
    pub(super) fn failed(&self, turn: Turn, reason: &str, log: Option<String>) {
        self.add(turn, Outcome::Fail, reason, log);
    }

    pub(super) fn error(&self, turn: Turn, reason: &str, log: Option<String>) {
        self.add(turn, Outcome::Error, reason, log);
    }

    fn add(&self, turn: Turn, outcome: Outcome, reason: &str, log: Option<String>) {
        let planned = &self.plan.cases[turn.at];
        let reason = Some(reason.to_owned());
        let result = planned.result(self.background.manifest, turn.repetition, outcome, reason);
        self.results.borrow_mut().add(CaseResult { log, ..result });
    }

    /// Reports what a case came to, with all that was seen of it. Without an outcome, the clauses that its problems break
    /// decide.
    fn tell(&self, turn: Turn, outcome: Option<Outcome>, reason: Option<String>, report: Report) {
        let planned = &self.plan.cases[turn.at];
        let problems = match report.course.trouble {
            Some(Trouble::Stumble(stumble)) => vec![stumble.problem],
            _ => Vec::new(),
        };
        let passed = outcome == Some(Outcome::Pass);
        let told = !passed || self.background.conversations == Conversations::All;
        let conversation = if told { report.course.exchanges } else { Vec::new() };
        let (log, micros) = (report.log.filter(|_| !passed), report.micros);
        let result = planned.result(self.background.manifest, turn.repetition, Outcome::Pass, reason);
        let result = result.with_problems(problems, &self.background.corpus.clauses);
        let outcome = outcome.unwrap_or(result.outcome);
        self.results.borrow_mut().add(CaseResult { outcome, conversation, micros, log, ..result });
    }

    /// Ends every execution that is left as an error.
    pub(super) fn give_up(&self, queue: VecDeque<Turn>, reason: &str, log: Option<String>) {
        for turn in queue {
            self.error(turn, reason, log.clone());
        }
    }

    pub(super) fn notice(&self, message: String) {
        let mut notices = self.notices.borrow_mut();
        match notices.iter_mut().find(|(known, _)| *known == message) {
            Some((_, times)) => *times += 1,
            None => notices.push((message, 1)),
        }
    }

    /// Tells what was measured.
    pub(super) fn tell_timing(&self) {
        let fired = self.timeouts.take();
        let timeouts =
            fired.into_iter().filter_map(|((name, set), times)| TimeoutTimes::of(&name, set, times));
        let timing = Timing {
            subject: self.background.manifest.name.clone(),
            handshakes: self.handshakes.take(),
            timeouts: timeouts.collect(),
        };
        self.results.borrow_mut().timing(timing);
    }

    pub(super) fn tell_notices(&self) {
        let mut results = self.results.borrow_mut();
        for (message, times) in self.notices.take() {
            let message = if times > 1 { format!("{message} ({times} times)") } else { message };
            results.notice(self.background.manifest, Gravity::Warning, message);
        }
    }
}
