//! One JSON document of all cases, for ports that would rather not read YAML.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;

use super::codec::{CodecCase, CodecCheck, DecodeExpectation, Direction, EncodeExpectation, FailureKind};
use super::transcript::ExportedTranscript;
use super::{Corpus, schema};
use crate::clauses::Tier;
use crate::hex_text;

/// All cases of a corpus, literals resolved: hexadecimal without blanks or repetitions, values written out.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "iaspec vectors, export format 1")]
pub struct Export {
    /// The version of this document's form.
    pub export: u32,
    /// The version of iaspec that wrote it.
    pub iaspec: String,
    /// A checksum of the files it was made from.
    pub digest: String,
    /// The clauses that cases cite.
    pub clauses: Vec<ExportedClause>,
    /// The codec cases.
    pub codec: Vec<ExportedCodecCase>,
    /// The conversations.
    pub transcripts: Vec<ExportedTranscript>,
}

/// A clause of the protocol.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ExportedClause {
    /// Its name.
    pub id: String,
    /// Two to six words.
    pub title: String,
    /// How it is known, which decides what a failure means.
    pub tier: Tier,
    /// What it demands.
    pub text: String,
}

/// A codec case.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ExportedCodecCase {
    /// `folder/file/id`.
    pub name: String,
    /// The name it had before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// The clauses it tests.
    pub clauses: Vec<String>,
    /// What a failure weighs.
    pub tier: Tier,
    /// The type of the codec contract.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The members that go beside `type` in the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The initialization vector, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iv: Option<String>,
    /// The padding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub padding: Option<String>,
    /// What is asked and what must come, one or both ways.
    pub checks: Vec<ExportedCheck>,
}

/// One request to a codec and its expected answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ExportedCheck {
    /// `encode` or `decode`.
    pub op: &'static str,
    /// The value to encode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    /// The bytes to decode, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
    /// What must come.
    pub expected: ExportedExpectation,
}

/// What must come of a request.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportedExpectation {
    /// These bytes, hexadecimal.
    Hex(String),
    /// This value, and so many bytes left over. Data decrypted with padding `zeros` may have up to 15 zero
    /// bytes appended.
    Decoded {
        /// The value.
        value: Json,
        /// Number of bytes left over.
        rest: usize,
    },
    /// Error kind `malformed`.
    Malformed {
        /// The offset.
        at: usize,
        /// Whether any later offset is as good.
        or_later: bool,
        /// Whether error kind `crypto` is as good.
        or_crypto: bool,
    },
    /// An error of this kind.
    Fails(FailureKind),
}

impl Export {
    /// The document of a corpus.
    pub fn new(corpus: &Corpus) -> Self {
        let clauses = corpus.clauses.iter().map(|clause| ExportedClause {
            id: clause.id.value.clone(),
            title: clause.title.clone(),
            tier: clause.tier,
            text: clause.text.clone(),
        });
        Self {
            export: 1,
            iaspec: env!("CARGO_PKG_VERSION").to_owned(),
            digest: corpus.digest.clone(),
            clauses: clauses.collect(),
            codec: corpus.codec.iter().map(codec).collect(),
            transcripts: ExportedTranscript::all(&corpus.transcripts),
        }
    }
}

fn codec(case: &CodecCase) -> ExportedCodecCase {
    ExportedCodecCase {
        name: case.name.clone(),
        was: case.was.clone(),
        clauses: case.clauses.clone(),
        tier: case.tier,
        type_name: case.type_name.clone(),
        key: case.settings.key.clone(),
        iv: case.settings.iv.clone(),
        padding: case.settings.padding.clone(),
        checks: case.checks.iter().map(check).collect(),
    }
}

fn check(check: &CodecCheck) -> ExportedCheck {
    match check {
        CodecCheck::Encode { value, expected } => ExportedCheck {
            op: Direction::Encode.name(),
            value: Some(value.clone()),
            hex: None,
            expected: match expected {
                EncodeExpectation::Bytes(bytes) => ExportedExpectation::Hex(hex_text::encode(bytes)),
                EncodeExpectation::Failure(kind) => ExportedExpectation::Fails(*kind),
            },
        },
        CodecCheck::Decode { bytes, expected } => ExportedCheck {
            op: Direction::Decode.name(),
            value: None,
            hex: Some(hex_text::encode(bytes)),
            expected: match expected {
                DecodeExpectation::Value { value, rest } => {
                    ExportedExpectation::Decoded { value: value.clone(), rest: *rest }
                }
                DecodeExpectation::Malformed { at, or_later, or_crypto } => {
                    ExportedExpectation::Malformed { at: *at, or_later: *or_later, or_crypto: *or_crypto }
                }
                DecodeExpectation::Failure(kind) => ExportedExpectation::Fails(*kind),
            },
        },
    }
}

/// The schema of the document as JSON text.
pub fn document_schema() -> String {
    schema::pretty(&schemars::schema_for!(Export))
}
