//! `iaspec list`: the cases of the corpus.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;

use iaspec_harness::engine::Selection;
use iaspec_harness::vectors::Corpus;
use indexmap::IndexMap;

use super::{Listed, all_cases, corpus, selection, unknown_cases};
use crate::arguments::{CountBy, List};
use crate::exit::Failure;

pub(crate) fn list(arguments: &List) -> Result<ExitCode, Failure> {
    let corpus = corpus(&arguments.vectors)?;
    let selection = selection(&arguments.which)?;
    all_mean_something(&corpus, &selection)?;
    let cases: Vec<_> = all_cases(&corpus)
        .into_iter()
        .filter(|case| selection.takes(case.name, case.was, case.clauses, &corpus.clauses))
        .collect();
    if cases.is_empty() {
        return Err(Failure::usage("no case fits the filters, clauses and tiers given"));
    }
    if let Some(by) = arguments.by {
        count(&corpus, &cases, by)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = anstream::stdout().lock();
    for case in &cases {
        writeln!(out, "{}  {}  {}  {}", case.name, case.tier, case.clauses.join(","), case.title)?;
    }
    writeln!(out, "{}", amount(cases.len()))?;
    Ok(ExitCode::SUCCESS)
}

/// Every filter means a case, and every clause is one.
fn all_mean_something(corpus: &Corpus, selection: &Selection) -> Result<(), Failure> {
    let mut mistakes = unknown_cases(corpus, &selection.filters);
    mistakes.extend(selection.clauses.iter().filter_map(|clause| corpus.clauses.no_such(clause)));
    if mistakes.is_empty() { Ok(()) } else { Err(Failure::usages(mistakes)) }
}

fn amount(cases: usize) -> String {
    format!("{cases} {}", if cases == 1 { "case" } else { "cases" })
}

/// How many of the cases cite each clause, or one of each group, in the order of the protocol.
fn count(corpus: &Corpus, cases: &[Listed<'_>], by: CountBy) -> Result<(), Failure> {
    let mut counts: IndexMap<&str, usize> = IndexMap::new();
    for clause in corpus.clauses.iter() {
        counts.insert(key(&clause.id, by), 0);
    }
    for case in cases {
        let keys: BTreeSet<&str> = case.clauses.iter().map(|clause| key(clause, by)).collect();
        for key in keys {
            *counts.entry(key).or_default() += 1;
        }
    }
    let mut out = anstream::stdout().lock();
    for (key, count) in counts.iter().filter(|(_, count)| **count > 0) {
        match corpus.clauses.get(key) {
            Some(clause) => writeln!(out, "{key:<7} {count:>6}  {}", clause.title)?,
            None => writeln!(out, "{key:<7} {count:>6}")?,
        }
    }
    writeln!(out, "{}; one that cites several counts for each of them", amount(cases.len()))?;
    Ok(())
}

/// What a case that cites a clause counts for.
fn key(clause: &str, by: CountBy) -> &str {
    match by {
        CountBy::Clause => clause,
        CountBy::Group => clause.split('-').next().unwrap_or(clause),
    }
}
