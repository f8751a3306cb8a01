//! Codec cases: a typed value, its bytes, and which way they are tested.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::former::FormerName;
use crate::clauses::{Clauses, Tier};
use crate::finding::Finding;
use crate::format::{AES_BLOCK, Formats, Padding, Raw, Secrets, Shape, TypeRef};
use crate::hex_text;
use crate::yaml::{Source, Span, Spot};

/// The most bytes that a repeated value may have.
const LONGEST_REPEAT: usize = hex_text::LARGEST;

/// One entry of `codec:` as written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "codec case")]
pub struct CodecEntry {
    /// The name within the file: lower-case words with `-` between.
    pub id: Spot<Identifier>,
    /// The clauses that the case tests, the one that it is about first. Of a field that differs, the gravest clause that
    /// `formats/` cites for it and that stands here is broken; of everything else, the first.
    pub clauses: Vec<Spot<String>>,
    /// The type of the codec contract.
    #[serde(rename = "type")]
    pub type_name: Spot<String>,
    /// The typed value; `{repeat: "x", count: 128}` for a long string or bytes, `"~N"` for N bytes that vary.
    #[serde(default, deserialize_with = "given")]
    pub value: Option<Spot<Json>>,
    /// The bytes as a quoted hexadecimal string; blanks are ignored, `XX*N` repeats a byte, `(XX YY)*N`
    /// several, and `~N` stands for N bytes that vary.
    pub bytes: Option<Spot<HexText>>,
    /// The bytes are malformed, and where that must be noticed.
    pub malformed: Option<MalformedAt>,
    /// The error kind that must come.
    pub fails: Option<Spot<FailureKind>>,
    /// Tested one way only.
    pub only: Option<Direction>,
    /// How many bytes are left over after decoding.
    #[serde(default)]
    pub rest: usize,
    /// The AES key, hexadecimal.
    pub key: Option<Spot<String>>,
    /// The initialization vector of this message, hexadecimal.
    pub iv: Option<Spot<String>>,
    /// The padding: pkcs7 or zeros.
    pub padding: Option<Spot<String>>,
    /// The name that the case had before.
    pub was: Option<Spot<FormerName>>,
}

/// A `null` that is written is a value, too.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Spot<Json>>, D::Error> {
    Spot::deserialize(deserializer).map(Some)
}

/// Where malformed bytes must be noticed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MalformedAt {
    /// Offset of the first byte of the innermost field that is wrong (DAT-5).
    pub at: Spot<usize>,
}

/// The error kinds that `fails` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// A frame that does not decrypt.
    Crypto,
    /// A value that cannot be encoded.
    Usage,
    /// An unknown type.
    Unsupported,
}

impl FailureKind {
    /// Its name in the line protocol.
    pub fn name(self) -> &'static str {
        match self {
            FailureKind::Crypto => "crypto",
            FailureKind::Usage => "usage",
            FailureKind::Unsupported => "unsupported",
        }
    }
}

/// The way in which a case is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From value to bytes.
    Encode,
    /// From bytes to value.
    Decode,
}

impl Direction {
    /// Its name in the line protocol.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Encode => "encode",
            Direction::Decode => "decode",
        }
    }
}

/// A name within a file: lower-case letters and digits, with single `-` between.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
pub struct Identifier(#[schemars(regex(pattern = r"^[a-z0-9]+(-[a-z0-9]+)*$"))] pub String);

impl Identifier {
    /// Whether a text is such a name.
    pub(super) fn is_one(text: &str) -> bool {
        let word = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        text.split('-').all(word)
    }
}

impl<'de> Deserialize<'de> for Identifier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if Self::is_one(&text) {
            Ok(Self(text))
        } else {
            Err(D::Error::custom(format_args!(
                "`{text}` is no id: lower-case letters and digits, with single `-` between"
            )))
        }
    }
}

/// Bytes in the hexadecimal notation of vectors, see [`crate::hex_text`].
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
pub struct HexText(
    #[schemars(with = "String", regex(pattern = r"^([0-9a-fA-F\s()]|[*~][0-9]+)*$"))] pub Vec<u8>,
);

impl<'de> Deserialize<'de> for HexText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Quoted;
        impl serde::de::Visitor<'_> for Quoted {
            type Value = HexText;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("hexadecimal bytes as a quoted string")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<HexText, E> {
                hex_text::parse(text).map(HexText).map_err(|error| {
                    E::custom(format_args!("{error} (character {} of the text)", error.at + 1))
                })
            }
        }
        deserializer.deserialize_any(Quoted)
    }
}

/// One codec case, ready to be run.
#[derive(Clone, Debug)]
pub struct CodecCase {
    /// `folder/file/id`.
    pub name: String,
    /// The name it had before.
    pub was: Option<String>,
    /// The clauses it cites.
    pub clauses: Vec<String>,
    /// What a failure weighs where nothing cites another clause than the first.
    pub tier: Tier,
    /// The type of the codec contract.
    pub type_name: String,
    /// What is asked of the subject and what must come, one or both ways.
    pub checks: Vec<CodecCheck>,
    /// Key, vector and padding as written, for the request.
    pub settings: AesSettings,
    /// The same, where they are valid.
    pub secrets: Option<Secrets>,
    /// The file it stands in.
    pub source: Arc<Source>,
    /// What the file says.
    pub entry: CodecEntry,
}

impl CodecCase {
    /// What the case shows, in a few words: its id, which reads as a title, and its type.
    pub fn title(&self) -> String {
        format!("{} ({})", self.entry.id.value.0.replace('-', " "), self.type_name)
    }
}

/// The AES members of a request, as written in the vector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AesSettings {
    /// Hexadecimal.
    pub key: Option<String>,
    /// Hexadecimal.
    pub iv: Option<String>,
    /// `pkcs7` or `zeros`, or what is none.
    pub padding: Option<String>,
}

/// One request and what must come of it.
#[derive(Clone, Debug, PartialEq)]
pub enum CodecCheck {
    /// The subject is asked to encode a value.
    Encode {
        /// The value, in the JSON of the contract.
        value: Json,
        /// What must come.
        expected: EncodeExpectation,
    },
    /// The subject is asked to decode bytes.
    Decode {
        /// All bytes, those left over included.
        bytes: Vec<u8>,
        /// What must come.
        expected: DecodeExpectation,
    },
}

/// What an `encode` request must give.
#[derive(Clone, Debug, PartialEq)]
pub enum EncodeExpectation {
    /// These bytes.
    Bytes(Vec<u8>),
    /// An error of this kind.
    Failure(FailureKind),
}

/// What a `decode` request must give.
#[derive(Clone, Debug, PartialEq)]
pub enum DecodeExpectation {
    /// This value, and so many bytes left over.
    Value {
        /// In the JSON of the contract.
        value: Json,
        /// Number of bytes left over.
        rest: usize,
    },
    /// The error kind `malformed`.
    Malformed {
        /// The offset.
        at: usize,
        /// Whether any later one is as good: see [`crate::format::Wrong`].
        or_later: bool,
        /// Whether the error kind `crypto` is as good: of an encrypted part that is cut short one may say
        /// either, that its length is wrong or that it does not decrypt.
        or_crypto: bool,
    },
    /// An error of this kind.
    Failure(FailureKind),
}

impl CodecEntry {
    /// Builds the case that the entry describes.
    ///
    /// # Errors
    ///
    /// A finding when its members do not make up a case.
    pub(super) fn into_case(
        self,
        file: &str,
        source: &Arc<Source>,
        clauses: &Clauses,
        formats: &Formats,
    ) -> Result<CodecCase, Finding> {
        let settings = AesSettings {
            key: self.key.as_ref().map(|key| key.value.clone()),
            iv: self.iv.as_ref().map(|iv| iv.value.clone()),
            padding: self.padding.as_ref().map(|padding| padding.value.clone()),
        };
        let secrets = settings.secrets();
        let checks = self
            .checks(formats, secrets.as_ref())
            .map_err(|(span, message)| Finding::new(source, span, message))?;
        let cited: Vec<String> = self.clauses.iter().map(|clause| clause.value.clone()).collect();
        Ok(CodecCase {
            name: format!("{file}/{}", self.id.value.0),
            was: self.was.as_ref().map(|was| was.complete(file)),
            tier: clauses.main_tier(&cited),
            clauses: cited,
            type_name: self.type_name.value.clone(),
            checks,
            settings,
            secrets,
            source: Arc::clone(source),
            entry: self,
        })
    }

    fn checks(
        &self,
        formats: &Formats,
        secrets: Option<&Secrets>,
    ) -> Result<Vec<CodecCheck>, (Span, String)> {
        let mut checks = Vec::new();
        if self.malformed.is_some() && (self.fails.is_some() || self.value.is_some()) {
            return Err((self.id.span, "`malformed` stands with `bytes` alone".to_owned()));
        }
        if self.rest > 0 && (self.value.is_none() || self.fails.is_some()) {
            return Err((self.id.span, "`rest` goes with `value` and `bytes`: what decodes".to_owned()));
        }
        if self.only != Some(Direction::Decode)
            && let Some(value) = &self.value
        {
            checks.push(self.encode_check(value, formats)?);
        }
        if self.only != Some(Direction::Encode)
            && let Some(bytes) = &self.bytes
        {
            checks.push(self.decode_check(&bytes.value.0, bytes.span, formats, secrets)?);
        }
        if checks.is_empty() {
            let missing = match self.only {
                Some(Direction::Encode) => "there is no `value` to encode",
                Some(Direction::Decode) => "there are no `bytes` to decode",
                None => "the case has neither `value` nor `bytes`",
            };
            return Err((self.id.span, format!("nothing to test: {missing}")));
        }
        Ok(checks)
    }

    fn encode_check(&self, value: &Spot<Json>, formats: &Formats) -> Result<CodecCheck, (Span, String)> {
        let expanded =
            expand(&value.value, &self.type_name, formats).map_err(|message| (value.span, message))?;
        let expected = match (&self.fails, &self.bytes) {
            (Some(kind), _) => EncodeExpectation::Failure(kind.value),
            (None, Some(bytes)) => {
                let bytes = &bytes.value.0;
                let kept =
                    bytes.len().checked_sub(self.rest).ok_or_else(|| self.rest_too_long(bytes.len()))?;
                EncodeExpectation::Bytes(bytes[..kept].to_vec())
            }
            (None, None) => {
                return Err((self.id.span, "`value` needs `bytes` or `fails` beside it".to_owned()));
            }
        };
        Ok(CodecCheck::Encode { value: expanded, expected })
    }

    fn decode_check(
        &self,
        bytes: &[u8],
        span: Span,
        formats: &Formats,
        secrets: Option<&Secrets>,
    ) -> Result<CodecCheck, (Span, String)> {
        let expected = match (&self.malformed, &self.fails, &self.value) {
            (Some(malformed), _, _) => {
                // Whether a later offset will do is a matter of why the bytes are wrong, which the format knows.
                let wrong = formats.decode(&self.type_name, bytes, secrets).err().map(|error| error.wrong);
                let or_later = matches!(wrong, Some(crate::format::Wrong::Malformed { or_later: true, .. }));
                let or_crypto = or_later && secrets.is_some();
                DecodeExpectation::Malformed { at: malformed.at.value, or_later, or_crypto }
            }
            // One may say either of an encrypted part that no block fills and that runs past the end.
            (None, Some(kind), _)
                if kind.value == FailureKind::Crypto && formats.runs_past_the_end(&self.type_name, bytes) =>
            {
                DecodeExpectation::Malformed { at: 0, or_later: false, or_crypto: true }
            }
            (None, Some(kind), _) => DecodeExpectation::Failure(kind.value),
            (None, None, Some(value)) => {
                if self.rest > bytes.len() {
                    return Err(self.rest_too_long(bytes.len()));
                }
                let value = expand(&value.value, &self.type_name, formats)
                    .map_err(|message| (value.span, message))?;
                DecodeExpectation::Value { value, rest: self.rest }
            }
            (None, None, None) => {
                return Err((span, "`bytes` need `value`, `malformed` or `fails` beside them".to_owned()));
            }
        };
        Ok(CodecCheck::Decode { bytes: bytes.to_vec(), expected })
    }

    fn rest_too_long(&self, bytes: usize) -> (Span, String) {
        (self.id.span, format!("`rest: {}` with only {bytes} bytes", self.rest))
    }
}

impl AesSettings {
    /// What they mean, where they are valid; a missing padding is pkcs7.
    fn secrets(&self) -> Option<Secrets> {
        let key = hex_text::decode(self.key.as_deref()?).ok().filter(|key| matches!(key.len(), 16 | 32))?;
        let iv = <[u8; AES_BLOCK]>::try_from(hex_text::decode(self.iv.as_deref()?).ok()?).ok()?;
        let padding = match self.padding.as_deref() {
            None | Some("pkcs7") => Padding::Pkcs7,
            Some("zeros") => Padding::Zeros,
            Some(_) => return None,
        };
        Some(Secrets { key, iv, padding })
    }
}

/// Writes out `{repeat, count}`, and bytes that vary, wherever the type has a string or bytes.
fn expand(value: &Json, type_name: &str, formats: &Formats) -> Result<Json, String> {
    let Some((format, _)) = formats.find(type_name) else { return Ok(value.clone()) };
    match format.shape(type_name) {
        Some(Shape::Text(_)) => expand_repeat(value, false),
        Some(Shape::Array(array)) if array.hex => expand_repeat(value, true),
        Some(Shape::Array(array)) => expand_items(value, &array.of, formats),
        Some(Shape::Fields(fields)) => {
            let Some(members) = value.as_object() else { return Ok(value.clone()) };
            let mut expanded = Map::new();
            for (name, member) in members {
                let kind = all_fields(fields).into_iter().find(|field| field.name.value == *name);
                let member = match kind.map(|field| &field.kind.value) {
                    Some(TypeRef::Named(inner)) => expand(member, inner, formats)?,
                    Some(TypeRef::Array(array)) => expand_items(member, &array.of, formats)?,
                    Some(TypeRef::Raw(Raw::MeasuredBy(_) | Raw::Rest)) => expand_repeat(member, true)?,
                    _ => member.clone(),
                };
                expanded.insert(name.clone(), member);
            }
            Ok(Json::Object(expanded))
        }
        _ => Ok(value.clone()),
    }
}

fn all_fields(fields: &[crate::format::Field]) -> Vec<&crate::format::Field> {
    fields
        .iter()
        .flat_map(|field| match &field.kind.value {
            TypeRef::Sealed(sealed) => all_fields(&sealed.fields),
            _ => vec![field],
        })
        .collect()
}

fn expand_items(value: &Json, of: &str, formats: &Formats) -> Result<Json, String> {
    let Some(items) = value.as_array() else { return Ok(value.clone()) };
    Ok(Json::Array(items.iter().map(|item| expand(item, of, formats)).collect::<Result<_, _>>()?))
}

fn expand_repeat(value: &Json, is_hex: bool) -> Result<Json, String> {
    if let Some(notation) = value.as_str().filter(|text| is_hex && text.contains('~')) {
        let bytes = hex_text::parse(notation).map_err(|error| error.to_string())?;
        return Ok(Json::String(hex_text::encode(&bytes)));
    }
    let Some(members) = value.as_object() else { return Ok(value.clone()) };
    let text = members.get("repeat").and_then(Json::as_str);
    let count = members.get("count").and_then(Json::as_u64).and_then(|count| usize::try_from(count).ok());
    let (Some(text), Some(count), 2) = (text, count, members.len()) else {
        return Err("expected text, or exactly `repeat` (text) and `count` (a number)".to_owned());
    };
    if is_hex && hex_text::decode(text).is_err() {
        return Err(format!("`repeat: {text}` is not whole hexadecimal bytes"));
    }
    if text.len().saturating_mul(count) > LONGEST_REPEAT {
        return Err(format!("{count} times {} bytes are more than {LONGEST_REPEAT}", text.len()));
    }
    Ok(Json::String(text.repeat(count)))
}
