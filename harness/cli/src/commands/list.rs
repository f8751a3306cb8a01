//! `iaspec list`: the cases of the corpus.

use std::io::Write;
use std::process::ExitCode;

use super::{all_cases, corpus, selection};
use crate::arguments::List;
use crate::exit::Failure;

pub(crate) fn list(arguments: &List) -> Result<ExitCode, Failure> {
    let corpus = corpus(&arguments.vectors)?;
    let selection = selection(&arguments.which)?;
    let cases: Vec<_> = all_cases(&corpus)
        .into_iter()
        .filter(|case| selection.takes(case.name, case.was, case.clauses, case.tier))
        .collect();
    if cases.is_empty() {
        return Err(Failure::usage("no case fits the filters, clauses and tiers given"));
    }
    let mut out = anstream::stdout().lock();
    for case in &cases {
        writeln!(out, "{}  {}  {}  {}", case.name, case.tier, case.clauses.join(","), case.title)?;
    }
    let noun = if cases.len() == 1 { "case" } else { "cases" };
    writeln!(out, "{} {noun}", cases.len())?;
    Ok(ExitCode::SUCCESS)
}
