//! Message formats as data, and the one interpreter that builds, annotates and compares bytes by them.
//!
//! A [`Format`] is one protocol version, read from `vectors/formats/VERSION.yaml`. Nothing here knows a
//! message by name: [`Formats::decode`], [`Formats::encode`], [`Formats::value_difference`] and
//! [`Formats::byte_difference`] follow the file's description, so the harness has a view of the protocol
//! of its own, apart from the literal bytes of the vectors and from the reference implementation.
//!
//! ```
//! use iaspec_harness::format::Formats;
//! use iaspec_harness::vectors::CorpusFiles;
//!
//! let formats = Formats::read(&CorpusFiles::embedded()).unwrap();
//! let decoded = formats.decode("get_root_path", &[0x01, 0xff], None).unwrap();
//! assert_eq!(decoded.value, serde_json::json!({"agent_type": 1}));
//! assert_eq!(decoded.used, 1);
//! ```

mod aes;
mod citing;
mod compare;
mod decode;
mod difference;
mod encode;
mod model;

pub use aes::{AES_BLOCK, Padding, Secrets};
pub use compare::ValueDifference;
pub use decode::{Decoded, FieldSpan, Layer, Undecodable, Wrong};
pub(crate) use difference::Layout;
pub use difference::{ByteDifference, Row};
pub use encode::Unencodable;
pub use model::{
    ArrayOf, Conversation, Field, Format, Integer, MetaMessage, Raw, Sealed, Shape, Text, Type, TypeRef,
};

use std::collections::BTreeMap;

use crate::finding::Finding;
use crate::vectors::CorpusFiles;

/// All protocol versions that the corpus describes.
#[derive(Clone, Debug, Default)]
pub struct Formats {
    by_version: BTreeMap<i32, Format>,
}

impl Formats {
    /// Reads every file under `formats/`.
    ///
    /// # Errors
    ///
    /// Findings for files that are not such a description, for types that do not exist and for two files
    /// of one version.
    pub fn read(files: &CorpusFiles) -> Result<Self, Vec<Finding>> {
        let mut by_version = BTreeMap::new();
        let mut findings = Vec::new();
        for source in files.under("formats/") {
            match model::read(source) {
                Ok(format) => {
                    let version = format.protocol.clone();
                    if by_version.insert(version.value, format).is_some() {
                        let message = format!("protocol {} is described twice", version.value);
                        findings.push(Finding::new(source, version.span, message));
                    }
                }
                Err(mut found) => findings.append(&mut found),
            }
        }
        if findings.is_empty() { Ok(Self { by_version }) } else { Err(findings) }
    }

    /// The format of one protocol version.
    pub fn version(&self, protocol: i32) -> Option<&Format> {
        self.by_version.get(&protocol)
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Format> {
        self.by_version.values()
    }

    /// The oldest version described; 0 where there is none.
    pub fn oldest_version(&self) -> i32 {
        self.by_version.keys().next().copied().unwrap_or(0)
    }

    /// Whether a type is that of acknowledgements, in some version.
    pub fn is_acknowledgement(&self, type_name: &str) -> bool {
        self.iter().any(|format| format.conversation.acknowledgement.value == type_name)
    }

    /// Whether a type is text that stands for something in JSON.
    pub fn is_json(&self, type_name: &str) -> bool {
        let found = self.find(type_name);
        found.is_some_and(|(_, found)| matches!(&found.shape, Shape::Text(text) if text.json))
    }

    /// The newest format that has a type, and the type.
    pub fn find(&self, type_name: &str) -> Option<(&Format, &Type)> {
        self.by_version.values().rev().find_map(|format| Some((format, format.types.get(type_name)?)))
    }

    /// Whether bytes of a type begin with a length of an encrypted part that there are too few bytes for.
    pub(crate) fn runs_past_the_end(&self, type_name: &str, bytes: &[u8]) -> bool {
        let Some((format, _)) = self.find(type_name) else { return false };
        let Some(Shape::Fields(fields)) = format.shape(type_name) else { return false };
        let [length, sealed, ..] = fields.as_slice() else { return false };
        let measures = length.measures.as_ref().is_some_and(|name| name.value == sealed.name.value);
        let integer = match &length.kind.value {
            TypeRef::Named(name) if measures && matches!(sealed.kind.value, TypeRef::Sealed(_)) => {
                format.integer(name)
            }
            _ => None,
        };
        let Some((head, rest)) = integer.and_then(|integer| bytes.split_at_checked(integer.bytes)) else {
            return false;
        };
        let number = head.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let is_negative = head.last().is_some_and(|byte| byte & 0x80 != 0);
        !is_negative && number > rest.len() as u64
    }

    /// The names of all types, in the order of the files, each once.
    pub fn type_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for name in self.by_version.values().flat_map(|format| format.types.keys()) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }
}
