//! The search for faults: each one's cases against the reference that has it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use iaspec_harness::engine::{self, Case, Conversations, Interrupt, Plan, RunOptions, Selection};
use iaspec_harness::event::{CaseResult, Event};
use iaspec_harness::subject::{Manifest, Role};
use iaspec_harness::terms::Encryption;
use iaspec_harness::vectors::Corpus;
use iaspec_harness::verdict::Outcome;

use super::Faults;
use super::catalogue::{Catalogue, Empty, Fault};
use super::coverage::Coverage;
use super::matrix::{EmptyLine, Kill, Line, Matrix};
use crate::exit::Failure;
use crate::signals;

/// How often a fault is looked for that is not found clearly: the first time beside others, then alone.
const MOST_ATTEMPTS: u8 = 3;

/// Cases of one subject under way at once.
const JOBS: usize = 32;

/// How long a case waits at most: what comes at all comes at once, and most of what does not come never will.
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// How long an implementation that is none may be silent: there are many cases, and it would be silent in all.
const EMPTY_ANSWERS_WITHIN: Duration = Duration::from_millis(300);

/// What is looked for, and where.
pub(super) struct Search<'a> {
    corpus: &'a Corpus,
    catalogue: &'a Catalogue,
    arguments: &'a Faults,
    faults: Vec<(&'a Fault, Manifest, Plan<'a>)>,
    empty: Vec<(&'a Empty, Manifest, Plan<'a>)>,
}

impl<'a> Search<'a> {
    /// Chooses the cases for each.
    ///
    /// # Errors
    ///
    /// A fault that no case is chosen for.
    pub(super) fn new(
        corpus: &'a Corpus,
        catalogue: &'a Catalogue,
        manifests: &[Manifest],
        arguments: &'a Faults,
    ) -> Result<Self, Failure> {
        let plan = |name: &str, manifest: &Manifest, selection: Selection| {
            let plan = Plan::new(corpus, manifest, &selection);
            plan.map_err(|error| Failure::usage(format!("{name}: {}", error.0)))
        };
        let (mut faults, mut empty) = (Vec::new(), Vec::new());
        for fault in &catalogue.faults {
            let manifest = with_fault(manifests, fault.role, &fault.name.value)?;
            let (filters, modes) = match arguments.full {
                true => (Vec::new(), Vec::new()),
                false => (fault.patterns(), fault.modes.clone()),
            };
            let selection = Selection { filters, modes, slow: fault.slow, ..Selection::default() };
            let plan = plan(&fault.name.value, &manifest, selection)?;
            faults.push((fault, manifest, plan));
        }
        for none in &catalogue.empty {
            let manifest = with_fault(manifests, none.role, &none.name.value)?;
            let (filters, modes) = match arguments.full {
                true => (Vec::new(), Vec::new()),
                false => (none.patterns(), vec![Encryption::None]),
            };
            let selection = Selection { filters, modes, ..Selection::default() };
            let plan = plan(&none.name.value, &manifest, selection)?;
            empty.push((none, manifest, plan));
        }
        Ok(Self { corpus, catalogue, arguments, faults, empty })
    }

    /// Looks for all of them, and tells what was found as it comes.
    pub(super) async fn run(&self) -> Result<Matrix, Failure> {
        let (interrupter, interrupt) = engine::interruption();
        let caught = signals::listen(interrupter)
            .map_err(|error| Failure::environment(format!("signals cannot be listened for: {error}")))?;
        let mut matrix = Matrix::new(self.catalogue);
        let doubtful = self.beside_each_other(&interrupt, &caught, &mut matrix).await?;
        // What went wrong beside others is looked for again with nothing else under way.
        for (at, line) in doubtful {
            let mut line = line;
            for attempt in 2..=MOST_ATTEMPTS {
                if caught.get().is_some() || line.is_clean() {
                    break;
                }
                line = self.attempt(at, interrupt.clone()).await.again(attempt);
            }
            matrix.add(line)?;
        }
        let empty = (0..self.empty.len()).map(|at| self.try_empty(at, interrupt.clone()));
        let mut empty = stream::iter(empty).buffered(usize::from(self.arguments.jobs));
        while let Some(line) = empty.next().await {
            if caught.get().is_some() {
                break;
            }
            matrix.add_empty(line)?;
        }
        let is_whole = self.arguments.names.is_empty() && self.arguments.role.is_empty();
        if is_whole && caught.get().is_none() {
            let coverage = Coverage::new(self.corpus, self.catalogue, Some(matrix.lines()));
            matrix.cover(coverage)?;
        }
        matrix.end(caught.get().copied())?;
        Ok(matrix)
    }

    /// Looks for several at once. Those found by the cases that are about them go into the matrix, in the order of the
    /// catalogue whichever ends first; the others are given back, with their places.
    async fn beside_each_other(
        &self,
        interrupt: &Interrupt,
        caught: &signals::Caught,
        matrix: &mut Matrix,
    ) -> Result<Vec<(usize, Line)>, Failure> {
        // Those that take long begin first, so that none of them is left alone in the end.
        let slow_or_not = |slow| (0..self.faults.len()).filter(move |at| self.faults[*at].0.slow == slow);
        let attempts = slow_or_not(true).chain(slow_or_not(false)).map(|at| {
            let attempt = self.attempt(at, interrupt.clone());
            async move { (at, attempt.await) }
        });
        let mut lines = stream::iter(attempts).buffer_unordered(usize::from(self.arguments.jobs));
        let (mut ended, mut told, mut doubtful) = (BTreeMap::new(), 0, Vec::new());
        while let Some((at, line)) = lines.next().await {
            if caught.get().is_some() {
                break;
            }
            ended.insert(at, line);
            while let Some(line) = ended.remove(&told) {
                if line.is_clean() {
                    matrix.add(line)?;
                } else {
                    doubtful.push((told, line));
                }
                told += 1;
            }
        }
        doubtful.extend(ended);
        Ok(doubtful)
    }

    /// Runs the cases where a fault shows against it.
    async fn attempt(&self, at: usize, mut interrupt: Interrupt) -> Line {
        let (fault, manifest, plan) = &self.faults[at];
        let patience = self.arguments.answer_within;
        let options = options(patience, LONGEST_WAIT.max(patience));
        let began = Instant::now();
        let mut line = Line::new(fault);
        let mut emit = |event| {
            if let Event::CaseFinished(result) = event {
                let planned = plan.cases.iter().find(|planned| planned.name == result.case);
                if let Some(planned) = planned {
                    judge(fault, planned.case, &result, self.corpus, &mut line);
                }
            }
        };
        engine::run_subject(self.corpus, manifest, plan, &options, &mut interrupt, &mut emit).await;
        line.millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        line
    }

    /// Runs every case of its role against an implementation that is none.
    async fn try_empty(&self, at: usize, mut interrupt: Interrupt) -> EmptyLine {
        let (empty, manifest, plan) = &self.empty[at];
        let patience = self.arguments.answer_within.min(EMPTY_ANSWERS_WITHIN);
        let options = options(patience, patience);
        let mut line = EmptyLine::new(empty);
        let mut emit = |event| {
            if let Event::CaseFinished(result) = event {
                match result.outcome {
                    Outcome::Skip => {}
                    Outcome::Pass => line.passed.push(result.case),
                    // Neither: nothing was tried, or nothing seen.
                    Outcome::Error => line.errors += 1,
                    Outcome::Fail | Outcome::Difference | Outcome::Warning => line.failed += 1,
                }
            }
        };
        engine::run_subject(self.corpus, manifest, plan, &options, &mut interrupt, &mut emit).await;
        line
    }
}

/// The reference implementation of a role, told to have a fault.
fn with_fault(manifests: &[Manifest], role: Role, name: &str) -> Result<Manifest, Failure> {
    let found = manifests.iter().find(|manifest| manifest.role == role);
    found
        .map(|manifest| manifest.clone().with_words(&["--fault", name]))
        .ok_or_else(|| Failure::environment(format!("there is no reference {role}")))
}

fn options(answer_within: Duration, longest_wait: Duration) -> RunOptions {
    RunOptions {
        jobs: JOBS,
        repeat: 1,
        seed: None,
        fail_fast: false,
        strict: true,
        answer_within,
        longest_wait: Some(longest_wait),
        conversations: Conversations::Failed,
        rerun: String::new(),
    }
}

/// What a result says about a fault.
fn judge(fault: &Fault, case: Case<'_>, result: &CaseResult, corpus: &Corpus, line: &mut Line) {
    let told = || {
        let problem = result.problems.first().map(|problem| problem.summary.clone());
        Kill {
            case: result.case.clone(),
            clauses: result.clauses.clone(),
            outcome: result.outcome,
            side: case.side(fault.role),
            at_weight: fault.is_killed_by(&result.clauses, result.outcome, &corpus.clauses),
            why: problem.or_else(|| result.reason.clone()).unwrap_or_default(),
        }
    };
    match result.outcome {
        Outcome::Skip => return,
        Outcome::Pass => {}
        Outcome::Error => line.errors.push(told()),
        Outcome::Fail | Outcome::Difference | Outcome::Warning => {
            if fault.is_about(&result.clauses) {
                line.own.push(told());
            } else if fault.excuse(&result.clauses).is_some() {
                line.excused.push(told());
            } else {
                line.collateral.push(told());
            }
        }
    }
    line.cases += 1;
}
