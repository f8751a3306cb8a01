//! What comes of cases and subjects, told as results and notices.

use std::collections::VecDeque;

use super::{Alone, Report, Run, Turn};
use crate::engine::agent::conversation::Trouble;
use crate::event::CaseResult;
use crate::verdict::Outcome;

impl Run<'_, '_, '_> {
    pub(super) fn conclude_alone(&self, turn: Turn, alone: Alone) {
        match alone {
            Alone::Concluded(report) => self.conclude(turn, report),
            Alone::Ill(ailment, log) => self.broke(turn, &ailment.to_string(), log),
            Alone::NotRunning(error) => self.error(turn, &error.reason, error.log),
        }
    }

    pub(super) fn conclude(&self, turn: Turn, report: Report) {
        let planned = &self.plan.cases[turn.at];
        let tried = |times: u32| format!("tried {times} times, because the harness itself was late");
        let attempts = (report.attempts > 1).then(|| tried(report.attempts));
        let conversation = report.course.exchanges;
        let (outcome, reason, problems) = match (report.course.trouble, report.ailment) {
            (Some(Trouble::CannotRun(reason)), _) => (Outcome::Error, Some(reason), Vec::new()),
            (Some(Trouble::Stumble(stumble)), _) => {
                (Outcome::of_failure(stumble.tier), attempts, vec![stumble.problem])
            }
            (None, Some(ailment)) => {
                let reason =
                    format!("the steps went as expected, but afterwards {ailment}: no proof of anything");
                (Outcome::Fail, Some(reason), Vec::new())
            }
            (None, None) => (Outcome::Pass, None, Vec::new()),
        };
        let result = planned.result(self.background.manifest, turn.repetition, outcome, reason);
        let log = report.log.filter(|_| outcome != Outcome::Pass);
        self.results.borrow_mut().add(CaseResult {
            problems,
            conversation,
            micros: report.micros,
            log,
            ..result
        });
    }

    /// A case that broke the subject fails, whatever it tests.
    pub(super) fn broke(&self, turn: Turn, reason: &str, log: Option<String>) {
        let planned = &self.plan.cases[turn.at];
        let reason = Some(reason.to_owned());
        let result = planned.result(self.background.manifest, turn.repetition, Outcome::Fail, reason);
        self.results.borrow_mut().add(CaseResult { log, ..result });
    }

    pub(super) fn error(&self, turn: Turn, reason: &str, log: Option<String>) {
        let planned = &self.plan.cases[turn.at];
        let reason = Some(reason.to_owned());
        let result = planned.result(self.background.manifest, turn.repetition, Outcome::Error, reason);
        self.results.borrow_mut().add(CaseResult { log, ..result });
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

    pub(super) fn tell_notices(&self) {
        let mut results = self.results.borrow_mut();
        for (message, times) in self.notices.take() {
            let message = if times > 1 { format!("{message} ({times} times)") } else { message };
            results.notice(self.background.manifest, true, message);
        }
    }
}
