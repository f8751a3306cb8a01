//! The commands, a module each.

pub(crate) mod agent;
pub(crate) mod client;
pub(crate) mod codec;
pub(crate) mod completions;
pub(crate) mod explain;
pub(crate) mod faults;
mod floor;
pub(crate) mod host;
mod in_turn;
pub(crate) mod list;
mod new_file;
pub(crate) mod probe;
pub(crate) mod report;
mod reporters;
pub(crate) mod run;
pub(crate) mod show;
pub(crate) mod vectors;

use iaspec_harness::clauses::Tier;
use iaspec_harness::engine::Selection;
use iaspec_harness::finding::Finding;
use iaspec_harness::select::{Pattern, no_match};
use iaspec_harness::vectors::{Corpus, CorpusFiles, check};

use crate::arguments::{VectorsFrom, Which};
use crate::exit::Failure;

/// The files of the corpus that the command line names.
fn files(from: &VectorsFrom) -> Result<CorpusFiles, Failure> {
    match &from.vectors {
        Some(directory) => CorpusFiles::directory(directory).map_err(Failure::usage),
        None => Ok(CorpusFiles::embedded()),
    }
}

/// The corpus, if `vectors check` finds nothing wrong with it. The tests have checked the one that is built in.
fn corpus(from: &VectorsFrom) -> Result<Corpus, Failure> {
    let files = files(from)?;
    let (corpus, findings) = match &from.vectors {
        Some(_) => check::check(&files),
        None => Corpus::load(&files),
    };
    if findings.is_empty() { Ok(corpus) } else { Err(bad_vectors(&findings)) }
}

fn bad_vectors(findings: &[Finding]) -> Failure {
    let mut messages: Vec<String> = findings.iter().map(|finding| finding.render(true)).collect();
    let count = findings.len();
    messages.push(format!("{count} {} in the vectors", if count == 1 { "mistake" } else { "mistakes" }));
    Failure::usages(messages)
}

fn selection(which: &Which) -> Result<Selection, Failure> {
    let filters = which.filter.iter().map(|text| Pattern::new(text)).collect::<Result<_, _>>();
    let filters = filters.map_err(Failure::usage)?;
    Ok(Selection {
        filters,
        clauses: which.clause.clone(),
        tiers: which.tier.clone(),
        ..Selection::default()
    })
}

/// Why patterns mean no case, each with what may have been meant.
fn unknown_cases(corpus: &Corpus, patterns: &[Pattern]) -> Vec<String> {
    let cases = all_cases(corpus);
    let names: Vec<(&str, Option<&str>)> = cases.iter().map(|case| (case.name, case.was)).collect();
    let unknown = patterns.iter().filter_map(|pattern| no_match(pattern, &names));
    unknown.map(|why| format!("{why} (`iaspec list` lists all)")).collect()
}

/// A case of any kind, for lists.
struct Listed<'a> {
    name: &'a str,
    was: Option<&'a str>,
    clauses: &'a [String],
    tier: Tier,
    title: String,
}

fn all_cases(corpus: &Corpus) -> Vec<Listed<'_>> {
    let codec = corpus.codec.iter().map(|case| Listed {
        name: &case.name,
        was: case.was.as_deref(),
        clauses: &case.clauses,
        tier: case.tier,
        title: case.title(),
    });
    let transcripts = corpus.transcripts.iter().flat_map(|transcript| &transcript.cases).map(|case| Listed {
        name: &case.name,
        was: case.was.as_deref(),
        clauses: &case.clauses,
        tier: case.tier,
        title: case.title.clone(),
    });
    codec.chain(transcripts).collect()
}
