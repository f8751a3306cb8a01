//! Which cases share a subject, in which order they start, and what each costs in connections.

use std::collections::{BTreeMap, VecDeque};

use super::super::conversation::Background;
use super::super::settings::Asked;
use super::super::support::{needs_own_client, needs_own_subject};
use super::waits;
use crate::engine::Results;
use crate::engine::plan::{Plan, PlannedCase};
use crate::subject::Role;
use crate::vectors::TranscriptCase;
use crate::vectors::transcript::step::{Kind, walk};
use crate::verdict::Outcome;

/// One execution of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) at: usize,
    pub(super) repetition: u32,
}

/// What runs on one subject.
pub(super) enum Work {
    /// Cases that share it.
    Shared(Asked, VecDeque<Turn>),
    /// One case.
    Own(Asked, Turn),
}

/// Puts cases together that can share a subject, and tells those that are skipped.
pub(super) fn share_out(
    plan: &Plan<'_>,
    cases: &[&TranscriptCase],
    asked: &[Asked],
    background: &Background<'_>,
    results: &mut Results<'_>,
) -> VecDeque<Work> {
    let mut shared: BTreeMap<Asked, VecDeque<Turn>> = BTreeMap::new();
    let mut own = Vec::new();
    for turn in turns(plan, cases, background, results) {
        // A client is started without settings: those of a case are for the agent that the harness plays.
        let (asked, alone) = match background.manifest.role {
            Role::Client => (Asked::default(), needs_own_client(cases[turn.at])),
            Role::Host => (asked[turn.at].clone(), true),
            _ => (asked[turn.at].clone(), needs_own_subject(cases[turn.at])),
        };
        if alone {
            own.push(Work::Own(asked, turn));
        } else {
            shared.entry(asked).or_default().push_back(turn);
        }
    }
    shared.into_iter().map(|(asked, turns)| Work::Shared(asked, turns)).chain(own).collect()
}

/// The executions to be done, in the order in which they start; those that are skipped are told.
fn turns(
    plan: &Plan<'_>,
    cases: &[&TranscriptCase],
    background: &Background<'_>,
    results: &mut Results<'_>,
) -> Vec<Turn> {
    let manifest = background.manifest;
    let mut turns = Vec::new();
    for repetition in 1..=results.options.repeat {
        for (at, (planned, case)) in plan.cases.iter().zip(cases).enumerate() {
            // What an agent speaks may have been found out only now.
            let differs = || match manifest.role {
                Role::Client | Role::Host => None,
                _ => background.dialect().differs_from(&case.entry.needs),
            };
            match &planned.skip.clone().or_else(differs) {
                Some(reason) => {
                    results.add(planned.result(manifest, repetition, Outcome::Skip, Some(reason.clone())));
                }
                None => turns.push(Turn { at, repetition }),
            }
        }
    }
    // Who waits long shall not wait last.
    turns.sort_by_cached_key(|turn| std::cmp::Reverse(waits::of(cases[turn.at])));
    results.options.arrange(&mut turns);
    turns
}

/// How many connections a case has open at most, in all the dialects that it runs in at once.
pub(super) fn weight(case: &TranscriptCase, planned: &PlannedCase<'_>, background: &Background<'_>) -> u32 {
    let dialects = background.dialects_for(case, planned.mode).len();
    connections(case).saturating_mul(u32::try_from(dialects).unwrap_or(u32::MAX))
}

/// How many connections a case has open at most, in one dialect.
fn connections(case: &TranscriptCase) -> u32 {
    let mut count = 0_u32;
    let mut names = std::collections::BTreeSet::new();
    walk(case.steps(), &mut |step| match step.kind() {
        Some(Kind::Each(each)) => count = count.saturating_add(each.count.value),
        Some(Kind::Actor(_, name)) => {
            names.insert(name.value.0.as_str());
        }
        _ => {}
    });
    count.saturating_add(u32::try_from(names.len()).unwrap_or(u32::MAX)).max(1)
}
