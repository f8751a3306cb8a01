//! The case that has to answer for a subject on which nothing else is under way.

use super::sharing::Turn;
use super::{Report, Run};
use crate::engine::agent::health::Ailment;

/// The last case that passed on a subject, which is told when the next one has passed, or when there is none any more: until
/// then it has to answer for what the subject does with no case under way.
pub(super) struct Held<'h, 'a, 'r, 'b> {
    run: &'h Run<'a, 'r, 'b>,
    last: Option<(Turn, Report)>,
}

impl<'h, 'a, 'r, 'b> Held<'h, 'a, 'r, 'b> {
    pub(super) fn new(run: &'h Run<'a, 'r, 'b>) -> Self {
        Self { run, last: None }
    }

    /// A case is over. One that failed is told at once.
    pub(super) fn conclude(&mut self, turn: Turn, report: Report) {
        if report.course.trouble.is_some() || report.ailment.is_some() {
            return self.run.conclude(turn, report);
        }
        if let Some((turn, report)) = self.last.replace((turn, report)) {
            self.run.conclude(turn, report);
        }
    }

    /// The subject broke down with no case under way.
    pub(super) fn blame(&mut self, ailment: &Ailment) {
        match self.last.take() {
            Some((turn, report)) => {
                let reason = format!(
                    "the case went as expected, but when it was over and no other was under way, {ailment}"
                );
                self.run.broke(turn, &reason, report);
            }
            None => self.run.notice(format!("with no case under way, {ailment}")),
        }
    }
}

impl Drop for Held<'_, '_, '_, '_> {
    // Also where the run is interrupted: what was measured is not lost.
    fn drop(&mut self) {
        if let Some((turn, report)) = self.last.take() {
            self.run.conclude(turn, report);
        }
    }
}
