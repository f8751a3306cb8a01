//! Conversations seen from outside.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::codec::Identifier;
use crate::clauses::{Clauses, Tier};
use crate::yaml::{Source, Spot};

/// One entry of `transcripts:` as written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TranscriptEntry {
    /// The name within the file.
    pub id: Spot<Identifier>,
    /// What the case shows, in one line.
    pub title: Spot<String>,
    /// The clauses that the case tests.
    pub clauses: Vec<Spot<String>>,
}

/// One conversation.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// `folder/file/id`.
    pub name: String,
    /// The clauses it cites.
    pub clauses: Vec<String>,
    /// What a failure weighs.
    pub tier: Tier,
    /// The file it stands in.
    pub source: Arc<Source>,
    /// What the file says.
    pub entry: TranscriptEntry,
}

impl Transcript {
    pub(super) fn new(file: &str, source: &Arc<Source>, entry: TranscriptEntry, clauses: &Clauses) -> Self {
        let cited: Vec<String> = entry.clauses.iter().map(|clause| clause.value.clone()).collect();
        Self {
            name: format!("{file}/{}", entry.id.value.0),
            tier: clauses.weakest(cited.iter().map(String::as_str)),
            clauses: cited,
            source: Arc::clone(source),
            entry,
        }
    }
}
