//! What a writer of transcripts gets wrong, found without running anything.
//!
//! - [`form`]: members of a step that do not go together;
//! - [`head`]: clauses, needs and what they must be for the steps;
//! - [`roles`]: whom the steps can test;
//! - [`scope`]: names used before they are given;
//! - [`symbols`]: matchers where nothing is checked, or without a value to play;
//! - [`bytes`]: literal bytes against their fields, their op and the framing.

mod bytes;
mod form;
mod form_parts;
mod head;
mod literal;
pub(super) mod roles;
mod scope;
mod symbols;

use super::{Mistake, Transcript};
use crate::clauses::Clauses;
use crate::finding::{Finding, sorted};
use crate::vectors::Corpus;
use crate::yaml::{Source, Spot};
use std::sync::Arc;

/// The findings about one transcript.
pub(in crate::vectors) fn transcript(transcript: &Transcript, corpus: &Corpus) -> Vec<Finding> {
    let mut findings = Vec::new();
    for case in &transcript.cases {
        let mistakes: Vec<Mistake> = [
            form::mistakes(case.steps()),
            head::mistakes(case),
            roles::mistakes(case),
            scope::mistakes(case),
            symbols::mistakes(case),
            bytes::mistakes(case, &corpus.formats),
        ]
        .concat();
        let source = &case.source;
        findings.extend(mistakes.into_iter().map(|(span, message)| Finding::new(source, span, message)));
        findings.extend(head::clauses(case, &corpus.clauses));
    }
    sorted(findings)
}

/// A finding for each cited clause that does not exist.
pub(in crate::vectors) fn unknown_clauses<'a>(
    source: &Arc<Source>,
    cited: impl IntoIterator<Item = &'a Spot<String>>,
    clauses: &Clauses,
) -> Vec<Finding> {
    let unknown = cited.into_iter().filter(|clause| clauses.get(clause).is_none());
    unknown
        .map(|clause| {
            let finding = Finding::new(source, clause.span, format!("there is no clause {}", clause.value));
            match clauses.nearest(clause) {
                Some(near) => finding.help(format!("did you mean {near}?")),
                None => finding,
            }
        })
        .collect()
}
