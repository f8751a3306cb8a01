//! Transcripts as JSON, for ports that would rather not read YAML.

use schemars::JsonSchema;
use serde::Serialize;

use super::entry::{Isolation, Needs, Party};
use super::step::Step;
use super::{Transcript, TranscriptCase};
use crate::clauses::Tier;
use crate::yaml::Spot;

/// A conversation: one entry of `transcripts:` with one of its rows filled in.
///
/// Its steps have the members that they have in a vector file. Literal bytes are hexadecimal without blanks and
/// repetitions (repetitions stay in a literal of more than 64 KiB), `bytes` and `data` that are one literal are a text,
/// spans of time are whole seconds or milliseconds, an op is always written with its parameters; symbols stand as
/// they are.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ExportedTranscript {
    /// `folder/file/id`, with `:row` where there are rows.
    pub name: String,
    /// The name it had before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// What it shows, in one line.
    pub title: String,
    /// The clauses it tests.
    pub clauses: Vec<String>,
    /// What the failure of a step without a clause of its own weighs.
    pub tier: Tier,
    /// Whom it tests: every other party is played.
    pub roles: Vec<Party>,
    /// What a subject must have for it to be run.
    pub needs: Needs,
    /// Whether it gets a subject of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// Whether it takes half a minute or more, and runs with `--slow` only.
    pub slow: bool,
    /// What happens, in order.
    pub steps: Vec<Spot<Step>>,
}

impl ExportedTranscript {
    /// A case as it is exported.
    pub fn new(case: &TranscriptCase) -> Self {
        Self {
            name: case.name.clone(),
            was: case.was.clone(),
            title: case.title.clone(),
            clauses: case.clauses.clone(),
            tier: case.tier,
            roles: case.roles.clone(),
            needs: case.entry.needs.clone(),
            isolation: case.entry.isolation,
            slow: case.entry.slow.is_some(),
            steps: case.steps().to_vec(),
        }
    }

    /// All cases of some transcripts.
    pub fn all(transcripts: &[Transcript]) -> Vec<Self> {
        transcripts.iter().flat_map(|transcript| &transcript.cases).map(Self::new).collect()
    }
}
