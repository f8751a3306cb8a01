//! What there is about each clause: cases that cite it, faults that break it, and which of those are caught by them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;

use iaspec_harness::clauses::Tier;
use iaspec_harness::vectors::{CodecCase, Corpus, Side};
use iaspec_harness::verdict::Outcome;
use serde::Serialize;

use super::catalogue::{Catalogue, Claim};
use super::matrix::Line;
use crate::commands::all_cases;
use crate::exit::Failure;

/// What there is about all clauses, in the order of the protocol.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Coverage {
    clauses: Vec<Covered>,
    /// Claims of manifests that nothing belies, as messages.
    #[serde(skip)]
    unaudited: Vec<String>,
}

/// What there is about one clause.
#[derive(Debug, Serialize)]
struct Covered {
    clause: String,
    title: String,
    /// The deciding one first.
    tiers: Vec<Tier>,
    /// How many cases cite it.
    cases: usize,
    /// How many faults break it.
    faults: usize,
    /// How many of these are caught, at the weight of the clause, by a case that cites it; unknown without a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    kills: Option<Kills>,
    /// The sides from which cases are about it.
    sides: BTreeSet<Side>,
    /// Why nothing can test it.
    #[serde(skip_serializing_if = "Option::is_none")]
    untestable: Option<String>,
}

/// How many faults of a clause are caught: by any case, and from each side.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Kills {
    all: usize,
    good: usize,
    wrong: usize,
}

impl Kills {
    fn of(clause: &str, weight: Outcome, lines: &[Line]) -> Self {
        let count = |side| lines.iter().filter(|line| line.is_caught_by(clause, weight, side)).count();
        Self { all: count(None), good: count(Some(Side::Good)), wrong: count(Some(Side::Wrong)) }
    }

    fn from(&self, side: Side) -> usize {
        match side {
            Side::Good => self.good,
            Side::Wrong => self.wrong,
        }
    }
}

impl Covered {
    /// What is missing, if anything is.
    fn gap(&self) -> Option<&'static str> {
        match (self.cases, self.faults, self.kills) {
            _ if self.untestable.is_some() => None,
            (0, _, _) => Some("no case cites it"),
            (_, 0, _) => Some("no fault breaks it"),
            (_, _, Some(Kills { all: 0, .. })) => {
                Some("no fault of it is caught at its weight by a case that cites it")
            }
            _ => None,
        }
    }

    /// A side from which cases are about a documented or regression clause, and from which no fault is caught at its
    /// weight. It is reported, and no gap.
    fn missed_side(&self) -> Option<Side> {
        let binding = matches!(self.tiers.first(), Some(Tier::D | Tier::R));
        let kills = self.kills.filter(|kills| binding && kills.all > 0)?;
        self.sides.iter().copied().find(|side| kills.from(*side) == 0)
    }

    fn tiers(&self) -> String {
        self.tiers.iter().map(Tier::to_string).collect::<Vec<_>>().join(",")
    }

    /// Its counts, for a table.
    fn counts(&self) -> [String; 5] {
        if self.untestable.is_some() {
            return ["untestable".to_owned(), String::new(), String::new(), String::new(), String::new()];
        }
        let kills = self.kills.map_or(String::new(), |kills| kills.all.to_string());
        let from = |side| match self.kills {
            Some(_) if !self.sides.contains(&side) => "-".to_owned(),
            Some(kills) => kills.from(side).to_string(),
            None => String::new(),
        };
        [self.cases.to_string(), self.faults.to_string(), kills, from(Side::Good), from(Side::Wrong)]
    }
}

impl Coverage {
    /// Counts cases and faults; and kills, where the faults were run.
    pub(crate) fn new(corpus: &Corpus, catalogue: &Catalogue, ran: Option<&[Line]>) -> Self {
        let cases = all_cases(corpus);
        let clauses = corpus.clauses.iter().map(|clause| {
            let id = &clause.id.value;
            let weight = Outcome::of_failure(corpus.clauses.tier(id));
            Covered {
                clause: id.clone(),
                title: clause.title.clone(),
                tiers: clause.tiers().collect(),
                cases: cases.iter().filter(|case| case.clauses.contains(id)).count(),
                faults: catalogue.faults.iter().filter(|fault| fault.breaks(id)).count(),
                kills: ran.map(|lines| Kills::of(id, weight, lines)),
                sides: sides(corpus, id),
                untestable: clause.untestable.clone(),
            }
        });
        Self { clauses: clauses.collect(), unaudited: unaudited(catalogue, ran) }
    }

    /// How many clauses and claims lack something.
    pub(crate) fn gaps(&self) -> usize {
        self.clauses.iter().filter(|covered| covered.gap().is_some()).count() + self.unaudited.len()
    }

    /// Prints a line for each clause.
    pub(crate) fn print(&self) -> Result<(), Failure> {
        let mut out = anstream::stdout().lock();
        let (cases, faults, kills, good, wrong) = ("cases", "faults", "kills", "good", "wrong");
        writeln!(
            out,
            "{:<7} {:<4} {cases:>10} {faults:>6} {kills:>5} {good:>5} {wrong:>5}",
            "clause", "tier"
        )?;
        for covered in &self.clauses {
            let [cases, faults, kills, good, wrong] = covered.counts();
            let (clause, tiers, title) = (&covered.clause, covered.tiers(), &covered.title);
            writeln!(
                out,
                "{clause:<7} {tiers:<4} {cases:>10} {faults:>6} {kills:>5} {good:>5} {wrong:>5}  {title}"
            )?;
        }
        drop(out);
        self.print_gaps()
    }

    /// Prints what is missing, and how many clauses miss nothing.
    pub(crate) fn print_gaps(&self) -> Result<(), Failure> {
        let mut out = anstream::stdout().lock();
        for covered in &self.clauses {
            if let Some(gap) = covered.gap() {
                writeln!(out, "GAP        {}: {gap}", covered.clause)?;
            }
        }
        for gap in &self.unaudited {
            writeln!(out, "GAP        {gap}")?;
        }
        for covered in &self.clauses {
            if let Some(side) = covered.missed_side() {
                let (clause, side) = (&covered.clause, side.name());
                writeln!(out, "one side   {clause}: no fault is caught by a case of its {side} side")?;
            }
        }
        let (testable, untestable): (Vec<_>, Vec<_>) =
            self.clauses.iter().partition(|covered| covered.untestable.is_none());
        let covered = testable.iter().filter(|covered| covered.gap().is_none()).count();
        let (testable, untestable) = (testable.len(), untestable.len());
        writeln!(out, "clauses: {covered} of {testable} covered, {untestable} untestable")?;
        Ok(())
    }

    /// The same as a table in Markdown.
    pub(crate) fn markdown(&self) -> String {
        let head = "| clause | tier | cases | faults | kills | good side | wrong side | |\n|---|---|---|---|---|---|---|---|\n";
        let mut text = format!("\n# Clauses\n\n{head}");
        for covered in &self.clauses {
            let [cases, faults, kills, good, wrong] = covered.counts();
            let remark = covered.gap().or(covered.untestable.as_deref()).unwrap_or_default();
            // Writing to a text cannot fail.
            let _ = writeln!(
                text,
                "| {} {} | {} | {cases} | {faults} | {kills} | {good} | {wrong} | {} |",
                covered.clause,
                covered.title,
                covered.tiers(),
                remark.trim().replace('|', "\\|"),
            );
        }
        text
    }
}

/// The sides from which cases are about a clause, which they cite first.
fn sides(corpus: &Corpus, clause: &String) -> BTreeSet<Side> {
    let is_about = |clauses: &[String]| clauses.first() == Some(clause);
    let codec = corpus.codec.iter().filter(|case| is_about(&case.clauses)).map(CodecCase::side);
    let cases = corpus.transcripts.iter().flat_map(|transcript| &transcript.cases);
    let cases = cases.filter(|case| is_about(&case.clauses));
    let transcripts = cases.flat_map(|case| case.roles.iter().map(|role| case.side(*role)));
    codec.chain(transcripts).collect()
}

/// Claims of a manifest that no fault belies, or none that is caught.
fn unaudited(catalogue: &Catalogue, ran: Option<&[Line]>) -> Vec<String> {
    let mut gaps = Vec::new();
    for claim in Claim::all() {
        let mut liars = catalogue.faults.iter().filter(|fault| fault.belies == Some(claim)).peekable();
        let caught = |name: &str| ran.is_none_or(|lines| lines.iter().any(|line| line.has_caught(name)));
        if liars.peek().is_none() {
            gaps.push(format!("no fault claims {claim} without truth"));
        } else if !liars.any(|fault| caught(&fault.name.value)) {
            gaps.push(format!("nothing catches a subject that claims {claim} without truth"));
        }
    }
    gaps
}
