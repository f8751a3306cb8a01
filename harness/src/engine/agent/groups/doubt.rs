//! Failures that may not be the subject's: those of cases that ran while the machine held somebody up, or while the subject
//! stood still as a whole. They run again, alone, when everything else is done.

use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::sharing::Turn;
use super::{Alone, MOST_ATTEMPTS, Report, Run, waits};
use crate::engine::agent::conversation::Trouble;
use crate::engine::agent::health::{Ailment, Health};
use crate::engine::agent::settings::Asked;
use crate::engine::lateness::Strain;
use crate::event::Gravity;

/// How often a subject that cases share is asked whether it is still there.
const BEAT: Duration = Duration::from_millis(500);

/// A subject that takes longer than this to answer stands still.
const STILL: Duration = Duration::from_millis(1500);

/// So many cases run again at most in a run against a subject that is known to be wrong.
const MOST_DOUBTS_OF_WRONG_ONES: usize = 4;

/// What may be the reason of a failure in place of the subject's own mistake.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause {
    /// The machine held up the harness or a subject.
    Strain(Strain),
    /// The subject stood still, whatever was asked of it. Both times count from the start of the run.
    Pause { from: Duration, to: Duration },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Strain(strain) => strain.fmt(f),
            Cause::Pause { from, to } => {
                let (from, to) = (from.as_secs_f64(), to.as_secs_f64());
                write!(f, "the subject was silent from {from:.1} s to {to:.1} s of the run")
            }
        }
    }
}

/// A case that failed, maybe not by its subject's fault.
pub(super) struct Doubtful {
    turn: Turn,
    asked: Asked,
    /// What went wrong.
    at_first: String,
    cause: Cause,
}

/// What is known of subjects that stood still.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    /// From when to when, where the machine was not the reason.
    seen: Vec<(Instant, Instant)>,
    /// Since when each subject has not answered.
    open: Vec<Instant>,
    /// Since when the subject that was given up last had not answered.
    given_up: Option<Instant>,
    /// How many cases failed meanwhile.
    cases: usize,
}

impl Run<'_, '_, '_> {
    /// Reports what came of a case, or has it tried again where that may not be its subject's fault.
    pub(super) fn settle(&self, turn: Turn, asked: &Asked, report: Report) {
        match self.doubt(turn, &report) {
            Some(cause) => self.postpone(turn, asked, &report, cause),
            None => self.conclude(turn, report),
        }
    }

    /// The same of a case that ran alone.
    pub(super) fn settle_alone(&self, turn: Turn, asked: &Asked, alone: Alone) {
        match alone {
            Alone::Concluded(report) => self.settle(turn, asked, report),
            Alone::Ill(ailment, report) => match self.hindered(&ailment, report.began) {
                Some(strain) => {
                    let report = Report { ailment: Some(ailment), ..report };
                    self.postpone(turn, asked, &report, Cause::Strain(strain));
                }
                None => self.conclude_alone(turn, Alone::Ill(ailment, report)),
            },
            alone @ Alone::NotRunning(_) => self.conclude_alone(turn, alone),
        }
    }

    /// What may be the reason of a case's failure but its subject.
    pub(super) fn doubt(&self, turn: Turn, report: &Report) -> Option<Cause> {
        // A subject that is known to be wrong fails many cases, and each would run again for nothing.
        if self.background.longest_wait.is_some() && self.doubts.get() >= MOST_DOUBTS_OF_WRONG_ONES {
            return None;
        }
        let stumble = match (&report.course.trouble, &report.ailment) {
            (Some(Trouble::Stumble(stumble)), _) => stumble,
            (None, Some(ailment)) => return self.hindered(ailment, report.began).map(Cause::Strain),
            _ => return None,
        };
        if stumble.timeless {
            return None;
        }
        let is_about_time = waits::can_be_to_blame(self.cases[turn.at], stumble);
        let strain = self.lateness.since(report.began);
        let strained = strain.filter(|strain| is_about_time || strain.is_too_much_of(report.began.elapsed()));
        let paused = || self.pause_since(report.began).filter(|_| is_about_time);
        strained.map(Cause::Strain).or_else(paused)
    }

    /// How much the machine held up harness or subject since a time, if that may be why the subject was found so.
    pub(super) fn hindered(&self, ailment: &Ailment, since: Instant) -> Option<Strain> {
        let strain = self.lateness.since(since)?;
        (ailment.may_be_lateness() && strain.is_too_much_of(since.elapsed())).then_some(strain)
    }

    pub(super) fn postpone(&self, turn: Turn, asked: &Asked, report: &Report, cause: Cause) {
        self.doubts.set(self.doubts.get() + 1);
        if let Cause::Pause { .. } = cause {
            self.pauses.borrow_mut().cases += 1;
        }
        let at_first = match (&report.course.trouble, &report.ailment) {
            (None, Some(ailment)) => ailment.to_string(),
            _ => summary(report),
        };
        let asked = asked.clone();
        self.doubtful.borrow_mut().push_back(Doubtful { turn, asked, at_first, cause });
    }

    /// The pause of a subject that lasted until a time or longer.
    fn pause_since(&self, began: Instant) -> Option<Cause> {
        let pauses = self.pauses.borrow();
        let now = Instant::now();
        let open = pauses.open.iter().filter(|since| now.saturating_duration_since(**since) > STILL);
        let open = open.map(|since| (*since, now));
        let (from, to) = pauses.seen.iter().copied().chain(open).find(|(_, to)| *to >= began)?;
        Some(self.pause(from, to))
    }

    fn pause(&self, from: Instant, to: Instant) -> Cause {
        let since = |when: Instant| when.saturating_duration_since(self.began);
        Cause::Pause { from: since(from), to: since(to) }
    }

    /// Asks a subject again and again whether it is still there, and notes when it was not: for ever.
    pub(super) async fn beats(&self, health: &Health<'_>) {
        loop {
            sleep(BEAT).await;
            let asked = Instant::now();
            let beat = Beat::begun(&self.pauses, asked);
            let answered = health.beat().await;
            drop(beat);
            self.note_beat(asked);
            if !answered {
                return std::future::pending().await;
            }
        }
    }

    /// Notes that a subject, asked at a time, has just answered.
    fn note_beat(&self, asked: Instant) {
        let mut pauses = self.pauses.borrow_mut();
        pauses.given_up = None;
        let took = asked.elapsed();
        let strained = self.lateness.since(asked).is_some_and(|strain| strain.is_too_much_of(took));
        if took > STILL && !strained {
            pauses.seen.push((asked, asked + took));
        }
    }

    /// Whether a subject that fell silent, and does not do so again in any of the cases that were under way, is excused:
    /// once, or whenever the machine held it up. Gives the reason.
    pub(super) fn excuse(&self, ailment: &Ailment, since: Instant) -> Option<Cause> {
        if let Some(strain) = self.hindered(ailment, since) {
            return Some(Cause::Strain(strain));
        }
        if !ailment.is_silence() {
            return None;
        }
        let mut pauses = self.pauses.borrow_mut();
        if pauses.seen.iter().any(|(_, to)| *to < since) {
            return None;
        }
        // What was seen of it so far belongs to the same pause.
        let now = Instant::now();
        let from = pauses.seen.iter().map(|(from, _)| *from).chain(pauses.given_up).min().unwrap_or(since);
        pauses.seen = vec![(from, now)];
        drop(pauses);
        Some(self.pause(from, now))
    }

    /// Counts cases that get a second result because their subject stood still.
    pub(super) fn excused(&self, cases: usize) {
        self.pauses.borrow_mut().cases += cases;
    }

    /// Runs every doubtful case again, alone.
    pub(super) async fn settle_doubts(&self) {
        loop {
            let next = self.doubtful.borrow_mut().pop_front();
            let Some(doubtful) = next.filter(|_| !self.is_stopped()) else { return };
            self.try_again(doubtful).await;
        }
    }

    async fn try_again(&self, doubtful: Doubtful) {
        let Doubtful { turn, asked, at_first, cause } = doubtful;
        let mut earlier = vec![at_first];
        loop {
            let began = Instant::now();
            let alone = self.once(turn, &asked).await;
            let strain = self.lateness.since(began);
            let unsure = strain.filter(|strain| self.is_unsure(turn, &alone, *strain, began));
            let Some(strain) = unsure else { return self.conclude_again(turn, alone, earlier, cause) };
            earlier.push(match &alone {
                Alone::Concluded(report) => summary(report),
                Alone::Ill(ailment, _) => ailment.to_string(),
                Alone::NotRunning(error) => error.reason.clone(),
            });
            if earlier.len() < MOST_ATTEMPTS {
                continue;
            }
            if !strain.is_too_much_of(began.elapsed()) {
                earlier.pop();
                return self.conclude_again(turn, alone, earlier, cause);
            }
            let (times, last) = (earlier.len(), earlier.last().map_or("", String::as_str));
            let reason = format!(
                "tried {times} times, in vain, because {strain}: this machine is too busy; lastly, {last}"
            );
            return self.error(turn, &reason, None);
        }
    }

    /// Whether the machine may be the reason that a case went wrong again.
    fn is_unsure(&self, turn: Turn, alone: &Alone, strain: Strain, began: Instant) -> bool {
        match alone {
            Alone::Concluded(report) => self.doubt(turn, report).is_some(),
            Alone::Ill(ailment, _) => ailment.may_be_lateness() && strain.is_too_much_of(began.elapsed()),
            Alone::NotRunning(_) => strain.is_too_much_of(began.elapsed()),
        }
    }

    fn conclude_again(&self, turn: Turn, alone: Alone, earlier: Vec<String>, cause: Cause) {
        let again = |report: Report| Report { earlier, cause: Some(cause), ..report };
        self.conclude_alone(
            turn,
            match alone {
                Alone::Concluded(report) => Alone::Concluded(again(report)),
                Alone::Ill(ailment, report) => Alone::Ill(ailment, again(report)),
                alone @ Alone::NotRunning(_) => alone,
            },
        );
    }

    /// Reports that a subject stood still: once, and no case brought it about again, is an error of the subject.
    pub(super) fn tell_pauses(&self) {
        let pauses = self.pauses.take();
        let (Some(&(from, to)), cases @ 1..) = (pauses.seen.first(), pauses.cases) else { return };
        let cases = match cases {
            1 => "1 case that failed meanwhile ran".to_owned(),
            many => format!("{many} cases that failed meanwhile ran"),
        };
        let (gravity, message) = match pauses.seen.len() {
            1 => {
                let pause = self.pause(from, to);
                (Gravity::Error, format!("{pause}, and not again; {cases} a second time, alone"))
            }
            many => {
                let all: Duration =
                    pauses.seen.iter().map(|(from, to)| to.saturating_duration_since(*from)).sum();
                let all = all.as_secs_f64();
                let message = format!(
                    "the subject was silent {many} times, for {all:.1} s in all; {cases} a second time, alone"
                );
                (Gravity::Warning, message)
            }
        };
        self.results.borrow_mut().notice(self.background.manifest, gravity, message);
    }
}

/// A question that is under way. It may never be answered.
struct Beat<'p> {
    pauses: &'p RefCell<Pauses>,
    asked: Instant,
}

impl<'p> Beat<'p> {
    fn begun(pauses: &'p RefCell<Pauses>, asked: Instant) -> Self {
        pauses.borrow_mut().open.push(asked);
        Self { pauses, asked }
    }
}

impl Drop for Beat<'_> {
    fn drop(&mut self) {
        let mut pauses = self.pauses.borrow_mut();
        pauses.open.retain(|since| *since != self.asked);
        pauses.given_up = Some(self.asked);
    }
}

/// What went wrong in a case, in one line.
fn summary(report: &Report) -> String {
    match &report.course.trouble {
        Some(Trouble::Stumble(stumble)) => format!("{}: {}", stumble.problem.step, stumble.problem.summary),
        Some(Trouble::CannotRun(reason)) => reason.clone(),
        None => "it went as expected".to_owned(),
    }
}
