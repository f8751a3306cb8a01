//! Cases that have a subject of their own, which some start and stop themselves.

use std::cell::RefCell;

use tokio::time::Instant;

use super::sharing::Turn;
use super::{Alone, Done, Report, Run};
use crate::engine::agent::conversation::{self, Counterpart};
use crate::engine::agent::health::{Ailment, Health, greet};
use crate::engine::agent::running::{Agent, NotRunning};
use crate::engine::agent::settings::Asked;
use crate::engine::agent::subject::Subject;
use crate::engine::agent::support::has_step;
use crate::vectors::TranscriptCase;
use crate::vectors::transcript::step::{Kind, walk};

impl Run<'_, '_, '_> {
    /// Runs a case on a subject that no other case uses.
    pub(super) async fn alone(&self, turn: Turn, asked: &Asked) -> Alone {
        let case = self.cases[turn.at];
        let _permits = self.permits(self.weights[turn.at]).await;
        if has_step(case, |kind| matches!(kind, Kind::Subject(_))) {
            return self.in_charge(case, asked).await;
        }
        let subject = match self.start(asked).await {
            Ok(subject) => subject,
            Err(error) => return Alone::NotRunning(error),
        };
        let (health, first) = Health::first(&self.background, &subject, asked).await;
        if let Err(Ailment::Broke(breakdown)) = &first
            && breakdown.is_nonsense()
        {
            let reason = format!("asked a first question, {breakdown}");
            let log = subject.log().await;
            drop(health);
            subject.kill().await;
            return Alone::NotRunning(NotRunning { reason, log });
        }
        let done = self.one(turn, &subject, &health).await;
        drop(health);
        match done {
            Done::Concluded(report) => {
                self.stop(subject).await;
                Alone::Concluded(report)
            }
            Done::Ill(ailment, report) => {
                subject.kill().await;
                Alone::Ill(ailment, report)
            }
        }
    }

    /// Runs a case that starts and stops its subject itself.
    async fn in_charge(&self, case: &TranscriptCase, asked: &Asked) -> Alone {
        let began = Instant::now();
        let mut agent = None;
        if !begins_with_start(case) {
            match Agent::start(self.background.manifest, asked).await {
                Ok(started) => agent = Some(Box::new(started)),
                Err(error) => return Alone::NotRunning(error),
            }
        }
        let counterpart = Counterpart::Own(RefCell::new(agent));
        let dialect = self.background.dialect();
        let (course, agent) = conversation::run(&self.background, case, asked, dialect, counterpart).await;
        let mut report = Report::new(course, began);
        let Some(agent) = agent else { return Alone::Concluded(report) };
        if report.course.trouble.is_some() {
            report.log = agent.log().await;
        }
        // Its settings may be the case's own, so only a handshake that it acknowledged is known to be good.
        if let (Some(_), Some(greeting)) = (agent.process(), report.course.greeting.take()) {
            report.ailment = greet(&agent, &greeting, self.background.patience).await.err();
            if report.ailment.is_some() && report.log.is_none() {
                report.log = agent.log().await;
            }
        }
        self.stop(Subject::Agent(*agent)).await;
        Alone::Concluded(report)
    }
}

/// Whether the first thing that is done to the subject is to start it.
fn begins_with_start(case: &TranscriptCase) -> bool {
    let mut first = None;
    walk(case.steps(), &mut |step| {
        if let Some(subject) = &step.subject {
            first.get_or_insert(subject.start.is_some());
        }
    });
    first == Some(true)
}
