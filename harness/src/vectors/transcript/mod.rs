//! Transcripts: conversations seen from outside, one file for every side of them.
//!
//! A [`Transcript`] is one entry of `transcripts:`; each of its [`TranscriptCase`]s is the entry with one of its
//! rows filled in, and has a name, roles and steps of its own. A harness that tests a [`Party`] asks each
//! [`Step`] for its [`Part`]: whether it plays the step, checks it, or has nothing to do
//! with it; what stands in a played side's bytes where the transcript has a symbol is told by
//! [`Spot<Value>::played`](value::Value) and [`play`].
//!
//! [`entry`], [`step`], [`op`], [`start`], [`data`], [`value`] and [`world`] are the format, in the order in which a reader
//! meets it; their comments go into the JSON Schema. `check` finds what a writer got wrong, [`export`] writes
//! transcripts as JSON.

mod check;
pub mod data;
pub mod entry;
pub mod export;
pub mod op;
pub mod play;
mod rows;
pub mod scalars;
pub mod schema;
pub mod start;
pub mod step;
pub mod value;
pub mod world;

use std::sync::Arc;

pub(super) use check::{transcript as mistakes, unknown_clauses};
pub use entry::{Needs, Party, TranscriptEntry};
pub use export::ExportedTranscript;
pub use step::{Part, Step};

use super::codec::Identifier;
use super::former::FormerName;
use crate::clauses::{Clauses, Tier};
use crate::finding::{Finding, sorted};
use crate::yaml::{Node, Source, Span, Spot, Value, from_node};

/// One entry of `transcripts:`.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// `folder/file/id`.
    pub name: String,
    /// The name within the file.
    pub id: Spot<Identifier>,
    /// Its cases: one for each row, or one.
    pub cases: Vec<TranscriptCase>,
    /// The file it stands in.
    pub source: Arc<Source>,
}

/// One conversation, ready to be run.
#[derive(Clone, Debug)]
pub struct TranscriptCase {
    /// `folder/file/id`, with `:row` where there are rows.
    pub name: String,
    /// The row.
    pub row: Option<String>,
    /// The name it had before.
    pub was: Option<String>,
    /// Where that is written.
    pub(super) was_at: Option<Span>,
    /// What it shows, in one line.
    pub title: String,
    /// The clauses it cites.
    pub clauses: Vec<String>,
    /// What a failure weighs where nothing cites another clause than the first.
    pub tier: Tier,
    /// Whom it tests.
    pub roles: Vec<Party>,
    /// The file it stands in.
    pub source: Arc<Source>,
    /// What the file says, the row filled in.
    pub entry: TranscriptEntry,
}

impl TranscriptCase {
    /// Whether the transcript says that it was a row.
    fn was_a_row(&self) -> bool {
        self.entry.was.as_ref().is_some_and(|was| was.row.is_some())
    }

    /// The steps.
    pub fn steps(&self) -> &[Spot<Step>] {
        &self.entry.steps
    }

    /// Every step with what a harness that tests a party does about it, those inside others behind them.
    pub fn parts(&self, tested: Party) -> Vec<(&Spot<Step>, Part)> {
        let mut parts = Vec::new();
        step::walk(self.steps(), &mut |step| parts.push((step, step.part(tested))));
        parts
    }
}

impl Transcript {
    /// Reads an entry, and says what is wrong with it as far as reading shows. Without an id there is no transcript.
    pub(super) fn read(
        file: &str,
        source: &Arc<Source>,
        node: &Node,
        clauses: &Clauses,
    ) -> (Option<Self>, Vec<Finding>) {
        if !matches!(node.value, Value::Map(_)) {
            let message = "a transcript is a mapping with `id`, `title`, `clauses` and `steps`";
            return (None, vec![Finding::new(source, node.visible_span(), message)]);
        }
        let (filled, mut findings) = rows::fill(source, node);
        let mut cases: Vec<TranscriptCase> = Vec::new();
        for rows::Filled { row, was, node } in filled {
            match read_entry(source, &node) {
                Ok(entry) => cases.push(TranscriptCase::new(file, source, (row, was), entry, clauses)),
                Err(found) => findings.extend(found),
            }
        }
        let of_a_row = |case: &TranscriptCase| case.row.is_some() && case.was_a_row();
        if let Some(was) = cases.iter().find(|case| of_a_row(case)).and_then(|case| case.entry.was.as_ref()) {
            let message = "with `rows`, this names all of them: what one row was, it says itself";
            findings.push(Finding::new(source, was.span, message));
        }
        let id = cases.first().map(|case| case.entry.id.clone());
        let transcript = id.map(|id| Self {
            name: format!("{file}/{}", id.value.0),
            id,
            cases,
            source: Arc::clone(source),
        });
        (transcript, sorted(findings))
    }
}

impl TranscriptCase {
    fn new(
        file: &str,
        source: &Arc<Source>,
        (row, row_was): (Option<String>, Option<Spot<FormerName>>),
        entry: TranscriptEntry,
        clauses: &Clauses,
    ) -> Self {
        let table = format!("{file}/{}", entry.id.value.0);
        let of_row = |table: &str| row.as_ref().map_or(table.to_owned(), |row| format!("{table}:{row}"));
        let table_was = entry.was.as_ref().map(|was| was.map(|was| was.complete(file)));
        let former_table = table_was.as_ref().map_or(&table, |was| &was.value);
        let was = match &row_was {
            Some(was) => Some(was.map(|was| was.of_row(file, former_table))),
            None => table_was.as_ref().map(|was| was.map(|was| of_row(was))),
        };
        let cited = cited(&entry);
        let roles = match &entry.roles {
            Some(roles) => roles.iter().map(|role| role.value).collect(),
            None => check::roles::possible(&entry.steps),
        };
        Self {
            name: of_row(&table),
            was_at: was.as_ref().map(|was| was.span),
            was: was.map(|was| was.value),
            title: entry.title.value.clone(),
            tier: clauses.main_tier(&cited),
            clauses: cited,
            roles,
            source: Arc::clone(source),
            row,
            entry,
        }
    }
}

/// The clauses that a transcript cites as a whole, the one that it is about first, and then those of its steps.
fn cited(entry: &TranscriptEntry) -> Vec<String> {
    let mut cited: Vec<String> = entry.clauses.iter().map(|clause| clause.value.clone()).collect();
    step::walk(&entry.steps, &mut |step| {
        if let Some(clause) = step.clause.as_ref().filter(|clause| !cited.contains(&clause.value)) {
            cited.push(clause.value.clone());
        }
    });
    cited
}

/// Reads head and steps apart, so that every step that is wrong is told.
fn read_entry(source: &Arc<Source>, node: &Node) -> Result<TranscriptEntry, Vec<Finding>> {
    let mut findings = Vec::new();
    let mut steps = Vec::new();
    let mut head = node.clone();
    if let Value::Map(members) = &mut head.value
        && let Some((_, list)) = members.iter_mut().find(|(key, _)| key.text() == Some("steps"))
    {
        let span = list.visible_span();
        if let Value::List(items) = &mut list.value {
            if items.is_empty() {
                findings.push(Finding::new(source, span, "a transcript has at least one step"));
            }
            for item in std::mem::take(items) {
                match from_node::<Spot<Step>>(&item) {
                    Ok(step) => steps.push(step),
                    Err(error) => findings.push(Finding::typed(source, &error)),
                }
            }
        }
    }
    match from_node::<TranscriptEntry>(&head) {
        Ok(mut entry) if findings.is_empty() => {
            entry.steps = steps;
            Ok(entry)
        }
        Ok(_) => Err(findings),
        Err(error) => {
            findings.push(Finding::typed(source, &error));
            Err(findings)
        }
    }
}

/// A place in a file with what is wrong there.
type Mistake = (Span, String);
