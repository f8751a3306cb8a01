//! The JSON Schema of vector files, for editors and for ports that read them.

use schemars::JsonSchema;
use serde::Deserialize;

use super::codec::CodecEntry;
use super::transcript::TranscriptEntry;

/// The members of a vector file, for messages.
pub(super) const MEMBERS: &str = "`format`, `codec`, `transcripts`";

/// A vector file: `format: 1`, and cases of one or both kinds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "iaspec vector file, format 1")]
pub struct VectorFile {
    /// The version of this format.
    #[schemars(range(min = 1, max = 1))]
    pub format: u32,
    /// Codec cases.
    #[serde(default)]
    pub codec: Vec<CodecEntry>,
    /// Conversations.
    #[serde(default)]
    pub transcripts: Vec<TranscriptEntry>,
}

/// The schema of vector files as JSON text, as it stands in `vectors/schema.json`.
pub fn vector_file() -> String {
    let mut schema = schemars::schema_for!(VectorFile);
    super::transcript::schema::allow_rows(&mut schema);
    pretty(&schema)
}

pub(super) fn pretty(schema: &schemars::Schema) -> String {
    let mut text = serde_json::to_string_pretty(schema).unwrap_or_default();
    text.push('\n');
    text
}
