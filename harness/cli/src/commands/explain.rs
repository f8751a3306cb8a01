//! `iaspec explain`: the clauses, and the cases that cite them.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use iaspec_harness::clauses::{Clause, Clauses, Remark};
use iaspec_harness::vectors::Corpus;

use super::faults::coverage::Coverage;
use super::faults::{catalogue, matrix};
use super::{all_cases, bad_vectors, corpus};
use crate::arguments::Explain;
use crate::exit::Failure;

/// The columns that texts are wrapped to.
const WIDTH: usize = 100;

pub(crate) fn explain(arguments: &Explain) -> Result<ExitCode, Failure> {
    let corpus = corpus(&arguments.vectors)?;
    if arguments.coverage {
        return coverage(&corpus, arguments.matrix.as_deref());
    }
    match &arguments.clause {
        Some(id) => one(&corpus, id)?,
        None => all(&corpus)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What there is about each clause; fails where something is missing.
fn coverage(corpus: &Corpus, matrix: Option<&Path>) -> Result<ExitCode, Failure> {
    let catalogue = catalogue::read(corpus).map_err(|findings| bad_vectors(&findings))?;
    let ran = matrix.map(matrix::read).transpose()?;
    let coverage = Coverage::new(corpus, &catalogue, ran.as_deref());
    coverage.print()?;
    Ok(ExitCode::from(u8::from(coverage.gaps() > 0)))
}

fn one(corpus: &Corpus, id: &str) -> Result<(), Failure> {
    let wanted = id.to_uppercase();
    if let Some(clause) = corpus.clauses.get(&wanted) {
        return clause_in_full(corpus, clause);
    }
    let remarks = corpus.clauses.hazards.iter().chain(&corpus.clauses.errata);
    if let Some(remark) = remarks.into_iter().find(|remark| *remark.id == wanted) {
        let mut out = anstream::stdout().lock();
        writeln!(out, "{}  {}", *remark.id, remark.title)?;
        writeln!(out, "{}", wrapped(&remark.text))?;
        return Ok(());
    }
    let near =
        corpus.clauses.nearest(&wanted).map_or(String::new(), |near| format!("; did you mean {near}?"));
    Err(Failure::usage(format!("there is no clause `{id}`{near} (`iaspec explain` lists all)")))
}

fn clause_in_full(corpus: &Corpus, clause: &Clause) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    let tiers: Vec<_> = clause.tiers().map(|tier| format!("{tier} ({})", tier.name())).collect();
    writeln!(out, "{}  {}", *clause.id, clause.title)?;
    writeln!(out, "tier: {}", tiers.join(", "))?;
    if !clause.sources.is_empty() {
        writeln!(out, "sources: {}", sources(&corpus.clauses, clause))?;
    }
    writeln!(out, "\n{}", wrapped(&clause.text))?;
    if let Some(reason) = &clause.untestable {
        writeln!(out, "\nuntestable: {reason}")?;
    }
    let citing: Vec<_> =
        all_cases(corpus).into_iter().filter(|case| case.clauses.contains(&clause.id)).collect();
    writeln!(out, "\ncases: {}", citing.len())?;
    for case in citing {
        writeln!(out, "  {}", case.name)?;
    }
    Ok(())
}

/// `RN 41` as "Release notes … (41)".
fn sources(clauses: &Clauses, clause: &Clause) -> String {
    let title = |cited: &str| {
        let (key, place) = cited.split_once(' ').unwrap_or((cited, ""));
        let title = clauses.sources.get(key).map_or(key, |source| source.title.as_str());
        if place.is_empty() { title.to_owned() } else { format!("{title} ({place})") }
    };
    clause.sources.iter().map(|cited| title(cited)).collect::<Vec<_>>().join("; ")
}

fn all(corpus: &Corpus) -> Result<(), Failure> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let cases = all_cases(corpus);
    for clause in cases.iter().flat_map(|case| case.clauses) {
        *counts.entry(clause).or_default() += 1;
    }
    let mut out = anstream::stdout().lock();
    for clause in corpus.clauses.iter() {
        let count = counts.get(clause.id.as_str()).copied().unwrap_or(0);
        let count = if clause.untestable.is_some() { "untestable".to_owned() } else { count.to_string() };
        let tiers: Vec<_> = clause.tiers().map(|tier| tier.to_string()).collect();
        writeln!(out, "{:<7} {:<3} {count:>10}  {}", *clause.id, tiers.join(","), clause.title)?;
    }
    let names = |remarks: &[Remark]| {
        remarks.iter().map(|remark| remark.id.value.clone()).collect::<Vec<_>>().join(", ")
    };
    writeln!(out, "hazards: {}", names(&corpus.clauses.hazards))?;
    writeln!(out, "errata: {}", names(&corpus.clauses.errata))?;
    writeln!(out, "{} clauses, {} cases", corpus.clauses.iter().count(), cases.len())?;
    Ok(())
}

fn wrapped(text: &str) -> String {
    textwrap::fill(text, WIDTH)
}
