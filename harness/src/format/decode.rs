//! Bytes → typed value and annotated fields, by a format.

use crate::hex_text::{self, amount};
use std::collections::HashMap;
use std::ops::Range;

use serde_json::{Map, Value as Json, json};

use super::model::{ArrayOf, Field, Format, Integer, List, Raw, Sealed, Shape, Text, TypeRef};
use super::{AES_BLOCK, Formats, Secrets};

/// In which bytes a field stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// In those that cross the network.
    Wire,
    /// In the plaintext of an encrypted part.
    Plain,
}

/// One field of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldSpan {
    /// Its name, such as `assemblies[0].name`; a length or count in front of it has a name of its own
    /// (`assemblies[0].name length`).
    pub path: String,
    /// In which bytes it stands.
    pub layer: Layer,
    /// Where.
    pub range: Range<usize>,
    /// Its value for a reader, cut to a line.
    pub text: String,
}

/// What some bytes say.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The value, in the JSON of the codec contract.
    pub value: Json,
    /// How many bytes it took.
    pub used: usize,
    /// Its fields, in order.
    pub fields: Vec<FieldSpan>,
    /// The plaintext of an encrypted part.
    pub plain: Option<Vec<u8>>,
}

/// Why bytes are not of a type (DAT-5, AES-6), and what could be read before that.
#[derive(Clone, Debug, PartialEq)]
pub struct Undecodable {
    /// What is wrong.
    pub wrong: Wrong,
    /// The innermost field that is wrong.
    pub path: String,
    /// Why.
    pub reason: String,
    /// The fields read before.
    pub fields: Vec<FieldSpan>,
}

/// The two ways in which bytes can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A field is malformed.
    Malformed {
        /// Its first byte.
        at: usize,
        /// Whether a later offset is as good an answer: a count or length that cannot fit may be
        /// noticed only where the bytes end.
        or_later: bool,
    },
    /// An encrypted part does not decrypt.
    Crypto,
    /// The question itself cannot be answered: there is no such type, or no key.
    Unknown,
}

impl Formats {
    /// Reads one value of a type from the start of some bytes.
    ///
    /// # Errors
    ///
    /// The innermost field that is wrong, with its offset.
    pub fn decode(
        &self,
        type_name: &str,
        bytes: &[u8],
        secrets: Option<&Secrets>,
    ) -> Result<Decoded, Undecodable> {
        let Some((format, _)) = self.find(type_name) else {
            let reason = format!("no format has a type `{type_name}`");
            return Err(Undecodable {
                wrong: Wrong::Unknown,
                path: String::new(),
                reason,
                fields: Vec::new(),
            });
        };
        let mut decoder =
            Decoder { format, secrets, bytes, at: 0, layer: Layer::Wire, fields: Vec::new(), plain: None };
        match decoder.named(type_name, type_name) {
            Ok(value) => {
                let Decoder { at: used, fields, plain, .. } = decoder;
                Ok(Decoded { value, used, fields, plain })
            }
            Err(Failure { wrong, path, reason }) => {
                Err(Undecodable { wrong, path, reason, fields: decoder.fields })
            }
        }
    }
}

/// An error on its way out; the fields read before are added at the top.
struct Failure {
    wrong: Wrong,
    path: String,
    reason: String,
}

impl Failure {
    fn malformed(at: usize, path: &str, reason: impl Into<String>) -> Self {
        let wrong = Wrong::Malformed { at, or_later: false };
        Self { wrong, path: path.to_owned(), reason: reason.into() }
    }

    fn too_long(at: usize, path: &str, reason: impl Into<String>) -> Self {
        let wrong = Wrong::Malformed { at, or_later: true };
        Self { wrong, path: path.to_owned(), reason: reason.into() }
    }

    fn crypto(path: &str, reason: impl Into<String>) -> Self {
        Self { wrong: Wrong::Crypto, path: path.to_owned(), reason: reason.into() }
    }
}

struct Decoder<'a> {
    format: &'a Format,
    secrets: Option<&'a Secrets>,
    bytes: &'a [u8],
    at: usize,
    layer: Layer,
    fields: Vec<FieldSpan>,
    plain: Option<Vec<u8>>,
}

/// The integers read so far in a list of fields: what lengths and conditions refer to.
type Seen<'a> = HashMap<&'a str, (i128, usize)>;

impl<'a> Decoder<'a> {
    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn take(&mut self, count: usize, path: &str) -> Result<&'a [u8], Failure> {
        let Some(taken) = self.bytes[self.at..].get(..count) else {
            let reason = format!("cut short: {} expected, {} left", amount(count), self.left());
            return Err(Failure::malformed(self.at, path, reason));
        };
        self.at += count;
        Ok(taken)
    }

    fn note(&mut self, path: impl Into<String>, start: usize, text: impl Into<String>) {
        let range = start..self.at;
        self.fields.push(FieldSpan { path: path.into(), layer: self.layer, range, text: text.into() });
    }

    fn named(&mut self, type_name: &str, path: &str) -> Result<Json, Failure> {
        match self.format.shape(type_name) {
            Some(Shape::Integer(integer)) => {
                let start = self.at;
                let value = self.integer(integer, path)?;
                self.note(path, start, value.to_string());
                Ok(integer.show(value))
            }
            Some(Shape::Text(text)) => self.text(text, path),
            Some(Shape::Guid) => {
                let start = self.at;
                let taken = self.take(16, path)?;
                let guid =
                    uuid::Uuid::from_slice_le(taken).map_or_else(|_| String::new(), |guid| guid.to_string());
                self.note(path, start, guid.clone());
                Ok(Json::String(guid))
            }
            Some(Shape::Array(array)) => self.array(array, path),
            Some(Shape::Fields(fields)) => {
                let prefix = if path == type_name { String::new() } else { format!("{path}.") };
                let mut value = Map::new();
                self.fields(fields, &prefix, &mut value)?;
                Ok(Json::Object(value))
            }
            Some(Shape::SameAs(_)) | None => {
                let reason = format!("no format has a type `{type_name}`");
                Err(Failure { wrong: Wrong::Unknown, path: path.to_owned(), reason })
            }
        }
    }

    fn integer(&mut self, integer: &Integer, path: &str) -> Result<i128, Failure> {
        let start = self.at;
        let taken = self.take(integer.bytes, path)?;
        let value = integer.read(taken);
        let low = integer.from.is_some_and(|from| value < from.into());
        let high = integer.to.is_some_and(|to| value > to.into());
        if low || high {
            let (from, to) = (integer.from.unwrap_or(i64::MIN), integer.to.unwrap_or(i64::MAX));
            return Err(Failure::malformed(start, path, format!("{value} is outside {from} to {to}")));
        }
        Ok(value)
    }

    /// DAT-2: the length in groups of 7 bits, low group first, then so many bytes of UTF-8.
    fn text(&mut self, text: &Text, path: &str) -> Result<Json, Failure> {
        let start = self.at;
        let length = self.prefix(text, path)?;
        self.note(format!("{path} length"), start, length.to_string());
        let content_at = self.at;
        let left = self.left();
        let Some(content) = usize::try_from(length).ok().and_then(|n| self.bytes[content_at..].get(..n))
        else {
            return Err(Failure::malformed(
                start,
                path,
                format!("a length of {length} with {} left", amount(left)),
            ));
        };
        let value = std::str::from_utf8(content).map_err(|error| {
            Failure::malformed(start, path, format!("not UTF-8 from its byte {} on", error.valid_up_to()))
        })?;
        self.at += content.len();
        self.note(path, content_at, format!("{:?}", clip(value)));
        if text.json {
            return serde_json::from_str(value)
                .map_err(|error| Failure::malformed(content_at, path, format!("not JSON: {error}")));
        }
        Ok(Json::String(value.to_owned()))
    }

    fn prefix(&mut self, text: &Text, path: &str) -> Result<u64, Failure> {
        let start = self.at;
        let mut length = 0_u64;
        for group in 0..text.prefix_bytes {
            let Some(&byte) = self.bytes.get(self.at) else {
                return Err(Failure::malformed(start, path, "the length prefix is cut short"));
            };
            self.at += 1;
            length |= u64::from(byte & 0x7f) << (7 * group);
            if length >> text.prefix_bits != 0 {
                return Err(Failure::malformed(
                    start,
                    path,
                    format!("a length over {} bits", text.prefix_bits),
                ));
            }
            if byte & 0x80 == 0 {
                return Ok(length);
            }
        }
        Err(Failure::malformed(start, path, format!("a length prefix over {} bytes", text.prefix_bytes)))
    }

    fn array(&mut self, array: &ArrayOf, path: &str) -> Result<Json, Failure> {
        let start = self.at;
        let Some(integer) = self.format.integer(&array.count) else {
            return Err(Failure {
                wrong: Wrong::Unknown,
                path: path.to_owned(),
                reason: "no such count".to_owned(),
            });
        };
        let count = self.integer(integer, path)?;
        let Ok(count) = usize::try_from(count) else {
            return Err(Failure::malformed(start, path, format!("a count of {count}")));
        };
        let smallest = self.format.smallest(&array.of).max(1);
        if count.checked_mul(smallest).is_none_or(|needed| needed > self.left()) {
            let reason = format!(
                "a count of {count}, each at least {}, with {} left",
                amount(smallest),
                amount(self.left())
            );
            return Err(Failure::too_long(start, path, reason));
        }
        self.note(format!("{path} count"), start, count.to_string());
        if array.hex {
            return self.raw(count, path);
        }
        let items = (0..count).map(|index| self.named(&array.of, &format!("{path}[{index}]")));
        Ok(Json::Array(items.collect::<Result<_, _>>()?))
    }

    fn raw(&mut self, count: usize, path: &str) -> Result<Json, Failure> {
        let start = self.at;
        let taken = self.take(count, path)?;
        if !taken.is_empty() {
            self.note(path, start, amount(taken.len()));
        }
        Ok(Json::String(hex_text::encode(taken)))
    }

    fn fields(
        &mut self,
        fields: &'a [Field],
        prefix: &str,
        value: &mut Map<String, Json>,
    ) -> Result<(), Failure> {
        let mut seen = Seen::new();
        for field in fields {
            self.field(field, fields, prefix, &mut seen, value)?;
        }
        Ok(())
    }

    fn field(
        &mut self,
        field: &'a Field,
        all: &[Field],
        prefix: &str,
        seen: &mut Seen<'a>,
        value: &mut Map<String, Json>,
    ) -> Result<(), Failure> {
        let path = format!("{prefix}{}", field.name.value);
        if field
            .when
            .as_ref()
            .is_some_and(|when| seen.get(when.field.as_str()).map(|s| s.0) != Some(when.is.into()))
        {
            value.insert(field.name.value.clone(), Json::Null);
            return Ok(());
        }
        let start = self.at;
        let found = match &field.kind.value {
            TypeRef::Named(name) => match self.format.integer(name) {
                Some(integer) => self.number(field, all, integer, &path, seen)?,
                None => self.named(name, &path)?,
            },
            TypeRef::Raw(raw) => self.raw_field(raw, &path, prefix, seen)?,
            TypeRef::List(list) => self.list(list, &path)?,
            TypeRef::Array(array) => self.array(array, &path)?,
            TypeRef::Sealed(sealed) => return self.sealed(sealed, prefix, seen, value),
        };
        if field.constant.as_ref().is_some_and(|constant| found != Json::String(constant.clone())) {
            let expected = field.constant.as_deref().unwrap_or_default();
            return Err(Failure::malformed(start, &path, format!("{found} instead of {expected}")));
        }
        if field.measures.is_none() && field.constant.is_none() {
            value.insert(field.name.value.clone(), found);
        }
        Ok(())
    }

    fn number(
        &mut self,
        field: &'a Field,
        all: &[Field],
        integer: &Integer,
        path: &str,
        seen: &mut Seen<'a>,
    ) -> Result<Json, Failure> {
        let start = self.at;
        let value = self.integer(integer, path)?;
        let small = i64::try_from(value).ok();
        if let Some(only) = &field.only
            && !small.is_some_and(|value| only.contains_key(&value))
        {
            return Err(Failure::malformed(
                start,
                path,
                format!("{value} is not one of {}", list_names(only)),
            ));
        }
        // A negative length of raw bytes is noticed here; that of an encrypted part does not decrypt (AES-6).
        let measures_raw = field.measures.as_ref().is_some_and(|measured| {
            all.iter().any(|f| f.name.value == measured.value && matches!(f.kind.value, TypeRef::Raw(_)))
        });
        if measures_raw && value < 0 {
            return Err(Failure::malformed(start, path, format!("a length of {value}")));
        }
        let names = field.only.as_ref().unwrap_or(&field.names);
        let text = match small.and_then(|value| names.get(&value)) {
            Some(name) => format!("{value} ({name})"),
            None => value.to_string(),
        };
        self.note(path, start, text);
        seen.insert(&field.name.value, (value, start));
        Ok(integer.show(value))
    }

    fn raw_field(&mut self, raw: &Raw, path: &str, prefix: &str, seen: &Seen<'_>) -> Result<Json, Failure> {
        match raw {
            Raw::Bytes(count) => self.raw(*count, path),
            Raw::Rest => self.raw(self.left(), path),
            Raw::MeasuredBy(name) => {
                let (length, at) = seen.get(name.as_str()).copied().unwrap_or((0, self.at));
                match usize::try_from(length) {
                    Ok(length) if length <= self.left() => self.raw(length, path),
                    _ => {
                        let reason = format!("a length of {length} with {} left", amount(self.left()));
                        Err(Failure::too_long(at, &format!("{prefix}{}", name.value), reason))
                    }
                }
            }
        }
    }

    fn list(&mut self, list: &List, path: &str) -> Result<Json, Failure> {
        let width = self.format.smallest(&list.of).max(1);
        let items = self.left() / width;
        if !self.left().is_multiple_of(width) || !list.items.contains(&items) {
            let allowed: Vec<_> = list.items.iter().map(|items| (items * width).to_string()).collect();
            let reason = format!("{} left, expected {}", amount(self.left()), allowed.join(" or "));
            return Err(Failure::malformed(self.at, path, reason));
        }
        let items = (0..items).map(|index| self.named(&list.of, &format!("{path}[{index}]")));
        Ok(Json::Array(items.collect::<Result<_, _>>()?))
    }

    /// AES-1, AES-6: the encrypted part opens to whole fields, or it does not decrypt, whatever the reason.
    fn sealed(
        &mut self,
        sealed: &'a Sealed,
        prefix: &str,
        seen: &Seen<'a>,
        value: &mut Map<String, Json>,
    ) -> Result<(), Failure> {
        let name = &sealed.measured_by.value;
        let path = format!("{prefix}{name}");
        let (length, at) = seen.get(name.as_str()).copied().unwrap_or((0, self.at));
        let whole = usize::try_from(length).ok().filter(|n| *n > 0 && n.is_multiple_of(AES_BLOCK));
        let Some(length) = whole else {
            return Err(Failure::crypto(
                &path,
                format!("a length of {length} is not a positive multiple of 16"),
            ));
        };
        if length > self.left() {
            let reason = format!("a length of {length} with {} left", amount(self.left()));
            return Err(Failure::too_long(at, &path, reason));
        }
        let Some(secrets) = self.secrets else {
            return Err(Failure {
                wrong: Wrong::Unknown,
                path,
                reason: "there is no key to open it".to_owned(),
            });
        };
        let taken = self.take(length, &path)?;
        let (plain, padding) = secrets.open(taken).map_err(|reason| Failure::crypto("encrypted", reason))?;
        let mut inner = Decoder {
            format: self.format,
            secrets: None,
            bytes: &plain,
            at: 0,
            layer: Layer::Plain,
            fields: Vec::new(),
            plain: None,
        };
        let outcome = inner.fields(&sealed.fields, prefix, value);
        let padding_at = inner.at;
        self.fields.append(&mut inner.fields);
        if let Err(Failure { path, reason, .. }) = outcome {
            return Err(Failure::crypto(
                &path,
                format!("the plaintext of {}: {reason}", amount(plain.len())),
            ));
        }
        if !padding.is_empty() {
            let range = padding_at..padding_at + padding.len();
            let text = amount(padding.len());
            self.fields.push(FieldSpan { path: "padding".to_owned(), layer: Layer::Plain, range, text });
        }
        self.plain = Some([plain, padding].concat());
        Ok(())
    }
}

impl Integer {
    fn read(&self, bytes: &[u8]) -> i128 {
        let unsigned = bytes.iter().rev().fold(0_i128, |value, byte| value << 8 | i128::from(*byte));
        let bits = 8 * self.bytes;
        if self.signed && unsigned >> (bits - 1) == 1 { unsigned - (1 << bits) } else { unsigned }
    }

    fn show(&self, value: i128) -> Json {
        if self.text {
            Json::String(value.to_string())
        } else {
            json!(i64::try_from(value).unwrap_or(i64::MAX))
        }
    }
}

fn list_names(names: &std::collections::BTreeMap<i64, String>) -> String {
    names.iter().map(|(number, name)| format!("{number} ({name})")).collect::<Vec<_>>().join(", ")
}

/// The first 28 characters of a text: two of them stand side by side on a line.
fn clip(text: &str) -> String {
    match text.char_indices().nth(28) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
