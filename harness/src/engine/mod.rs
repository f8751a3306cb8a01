//! The engine: runs the cases of a plan against a subject and tells what happened as events.
//!
//! It prints nothing and judges nothing: what a subject did goes to [`crate::verdict`], what came of it
//! goes out as [`crate::event::Event`]s.

pub(crate) mod agent;
mod breakdown;
mod codec;
mod control;
mod expect;
mod lateness;
mod lines;
mod plan;
mod reply;

pub use breakdown::Breakdown;
pub use plan::{Case, Plan, PlannedCase, Selection, SelectionError};

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::watch;

use crate::event::{CaseResult, Event, Gravity, Notice, Tally};
use crate::subject::{Manifest, Role};
use crate::timing::Timing;
use crate::vectors::Corpus;
use crate::verdict::Outcome;

/// How a run is done.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The most cases under way at once.
    pub jobs: usize,
    /// How often each case runs.
    pub repeat: u32,
    /// What the order is drawn from in which cases start; without it, conversations that wait long start first, and the
    /// others in the order of the corpus.
    pub seed: Option<u64>,
    /// Whether the first failure ends the run.
    pub fail_fast: bool,
    /// Whether differences and warnings count as failures.
    pub strict: bool,
    /// How long a subject that owes an answer may be silent.
    pub answer_within: Duration,
    /// The most that a case waits for what it says should come; without it, as long as the case says. For runs against
    /// subjects that are known to be wrong, where nearly every wait is in vain.
    pub longest_wait: Option<Duration>,
    /// Of which cases the conversation is told.
    pub conversations: Conversations,
    /// The words before `--filter` in the command that runs one case alone.
    pub rerun: String,
}

impl RunOptions {
    /// Puts what stands in the order of the corpus into the order in which it shall start.
    fn arrange<T>(&self, items: &mut [T]) {
        if let Some(seed) = self.seed {
            fastrand::Rng::with_seed(seed).shuffle(items);
        }
    }
}

/// Of which cases a run tells what happened on their connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conversations {
    /// Of those that did not pass: the last exchanges, and the first bytes of each.
    #[default]
    Failed,
    /// Of all: more exchanges, more bytes of each, and checksums of longer ones.
    All,
}

/// Tells the engine that somebody wants the run to end.
#[derive(Clone, Debug)]
pub struct Interrupt(watch::Receiver<bool>);

/// The other end of an [`Interrupt`].
#[derive(Debug)]
pub struct Interrupter(watch::Sender<bool>);

/// A connected pair.
pub fn interruption() -> (Interrupter, Interrupt) {
    let (sender, receiver) = watch::channel(false);
    (Interrupter(sender), Interrupt(receiver))
}

impl Interrupter {
    /// Asks for the run to end.
    pub fn interrupt(&self) {
        self.0.send_replace(true);
    }
}

impl Interrupt {
    /// Whether the run shall end.
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the run shall end: for ever, where it never shall.
    pub async fn wait(&mut self) {
        if self.0.wait_for(|set| *set).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// What came of a subject's cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubjectRun {
    /// The counts.
    pub tally: Tally,
    /// Results of cases that ran to an end, and were not skipped.
    pub ran: usize,
    /// Results that never came, because the run ended before.
    pub not_run: usize,
}

/// Runs a plan against its subject.
pub async fn run_subject(
    corpus: &Corpus,
    manifest: &Manifest,
    plan: &Plan<'_>,
    options: &RunOptions,
    interrupt: &mut Interrupt,
    emit: &mut dyn FnMut(Event),
) -> SubjectRun {
    let mut results = Results {
        options,
        emit,
        tally: Tally::default(),
        came: 0,
        ran: 0,
        skipped: BTreeMap::new(),
        stop: false,
        tested: BTreeSet::new(),
    };
    match manifest.role {
        Role::Codec => codec::run(corpus, manifest, plan, interrupt, &mut results).await,
        Role::Agent | Role::Client | Role::Host => {
            agent::run(corpus, manifest, plan, interrupt, &mut results).await;
        }
    }
    if let Some(message) = results.nothing_ran(manifest) {
        results.notice(manifest, Gravity::Error, message);
    }
    for message in expect::untested(manifest, plan, &results.tested) {
        results.notice(manifest, Gravity::Note, message);
    }
    let expected = plan.cases.len() * options.repeat as usize;
    let not_run = expected.saturating_sub(results.came);
    SubjectRun { tally: results.tally, ran: results.ran, not_run }
}

/// Where results and notices go: out as events, and into the counts.
struct Results<'a> {
    options: &'a RunOptions,
    emit: &'a mut dyn FnMut(Event),
    tally: Tally,
    came: usize,
    ran: usize,
    /// How many cases were skipped for each reason.
    skipped: BTreeMap<String, usize>,
    /// Set by the first failure when the run shall end with it.
    stop: bool,
    /// The places of the entries under `expect` of which a case ran.
    tested: BTreeSet<String>,
}

impl Results<'_> {
    fn add(&mut self, mut result: CaseResult) {
        if !matches!(result.outcome, Outcome::Pass | Outcome::Skip) {
            result.rerun = Some(format!("{} --filter '{}'", self.options.rerun, result.case));
        }
        if result.outcome != Outcome::Skip {
            self.tested.extend(result.expected.as_ref().and_then(|expected| expected.entry.clone()));
        }
        self.tally.count(&result);
        self.came += 1;
        match result.outcome {
            Outcome::Skip => *self.skipped.entry(result.reason.clone().unwrap_or_default()).or_default() += 1,
            Outcome::Error => {}
            _ => self.ran += 1,
        }
        let failed = self.tally.errors > 0 || self.tally.failures(self.options.strict) > 0;
        self.stop |= self.options.fail_fast && failed;
        (self.emit)(Event::CaseFinished(Box::new(result)));
    }

    /// Why a subject whose cases were all skipped proves nothing; `None` where a case ran, or was to run.
    fn nothing_ran(&self, manifest: &Manifest) -> Option<String> {
        let skipped: usize = self.skipped.values().sum();
        if skipped == 0 || skipped < self.came {
            return None;
        }
        let (reason, count) = self.skipped.iter().max_by_key(|(_, count)| **count)?;
        let supports = &manifest.supports;
        let lacks = match manifest.role {
            Role::Agent | Role::Client if supports.versions.is_empty() => {
                "; the manifest lists nothing under supports.versions"
            }
            Role::Agent | Role::Client if supports.encryption.is_empty() => {
                "; the manifest lists nothing under supports.encryption"
            }
            Role::Host if supports.features.is_empty() => {
                "; the manifest lists nothing under supports.features"
            }
            _ => "",
        };
        Some(format!("none of {skipped} cases ran{lacks}; {count} of them: {reason}"))
    }

    fn timing(&mut self, timing: Timing) {
        if !timing.is_empty() {
            (self.emit)(Event::Timing(timing));
        }
    }

    fn notice(&mut self, manifest: &Manifest, gravity: Gravity, message: impl Into<String>) {
        self.tally.warnings += usize::from(gravity == Gravity::Warning);
        self.tally.errors += usize::from(gravity == Gravity::Error);
        let subject = manifest.name.clone();
        let (warning, error) = (gravity == Gravity::Warning, gravity == Gravity::Error);
        (self.emit)(Event::Notice(Notice { subject, warning, error, message: message.into() }));
    }
}
