//! Typed value → bytes, by a format.

use crate::hex_text::{self, amount};
use std::fmt;

use serde_json::{Map, Value as Json};

use super::model::{ArrayOf, Field, Format, Integer, List, Raw, Sealed, Shape, TypeRef};
use super::{Formats, Secrets};

/// Why a value cannot be encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unencodable {
    /// The field.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Unencodable {
    fn new(path: &str, reason: impl Into<String>) -> Self {
        Self { path: path.to_owned(), reason: reason.into() }
    }
}

impl fmt::Display for Unencodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.reason)
        } else {
            write!(f, "`{}`: {}", self.path, self.reason)
        }
    }
}

impl Formats {
    /// Builds the bytes of a value. A member named like a computed length or a constant overrides it,
    /// which is how wrong messages are made.
    ///
    /// # Errors
    ///
    /// The field that is missing, of the wrong kind or out of range.
    pub fn encode(
        &self,
        type_name: &str,
        value: &Json,
        secrets: Option<&Secrets>,
    ) -> Result<Vec<u8>, Unencodable> {
        let Some((format, _)) = self.find(type_name) else {
            return Err(Unencodable::new("", format!("no format has a type `{type_name}`")));
        };
        let mut encoder = Encoder { format, secrets, bytes: Vec::new() };
        encoder.named(type_name, value, type_name)?;
        Ok(encoder.bytes)
    }
}

struct Encoder<'a> {
    format: &'a Format,
    secrets: Option<&'a Secrets>,
    bytes: Vec<u8>,
}

impl<'a> Encoder<'a> {
    fn named(&mut self, type_name: &str, value: &Json, path: &str) -> Result<(), Unencodable> {
        let format = self.format;
        match format.shape(type_name) {
            Some(Shape::Integer(integer)) => {
                let number = integer.number(value, path)?;
                self.integer(integer, number);
                Ok(())
            }
            Some(Shape::Text(text)) if text.json => {
                let text = value.to_string();
                self.prefix(text.len());
                self.bytes.extend_from_slice(text.as_bytes());
                Ok(())
            }
            Some(Shape::Text(_)) => {
                let text = value.as_str().ok_or_else(|| wrong_kind(path, "text", value))?;
                self.prefix(text.len());
                self.bytes.extend_from_slice(text.as_bytes());
                Ok(())
            }
            Some(Shape::Guid) => self.guid(value, path),
            Some(Shape::Array(array)) => self.array(array, value, path),
            Some(Shape::Fields(fields)) => {
                let members = value.as_object().ok_or_else(|| wrong_kind(path, "an object", value))?;
                let prefix = if path == type_name { String::new() } else { format!("{path}.") };
                self.fields(fields, members, &prefix)
            }
            Some(Shape::SameAs(_)) | None => {
                Err(Unencodable::new(path, format!("no format has a type `{type_name}`")))
            }
        }
    }

    fn integer(&mut self, integer: &Integer, number: i128) {
        self.bytes.extend_from_slice(&number.to_le_bytes()[..integer.bytes.min(16)]);
    }

    fn prefix(&mut self, length: usize) {
        let mut rest = length;
        while rest >= 0x80 {
            // The low 7 bits, with the mark that more follow.
            self.bytes.push(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest.to_le_bytes()[0]);
    }

    fn guid(&mut self, value: &Json, path: &str) -> Result<(), Unencodable> {
        let text = value.as_str().ok_or_else(|| wrong_kind(path, "a GUID as text", value))?;
        // 36 characters leave only the form with dashes; the parser knows others too.
        let guid = uuid::Uuid::try_parse(text)
            .ok()
            .filter(|_| text.len() == 36)
            .ok_or_else(|| Unencodable::new(path, format!("`{text}` is not a GUID with dashes")))?;
        self.bytes.extend_from_slice(&guid.to_bytes_le());
        Ok(())
    }

    fn array(&mut self, array: &ArrayOf, value: &Json, path: &str) -> Result<(), Unencodable> {
        let Some(count) = self.format.integer(&array.count) else {
            return Err(Unencodable::new(path, "its count is no integer"));
        };
        if array.hex {
            let bytes = raw(value, path)?;
            self.integer(count, bytes.len() as i128);
            self.bytes.extend_from_slice(&bytes);
            return Ok(());
        }
        let items = value.as_array().ok_or_else(|| wrong_kind(path, "a list", value))?;
        self.integer(count, items.len() as i128);
        for (index, item) in items.iter().enumerate() {
            self.named(&array.of, item, &format!("{path}[{index}]"))?;
        }
        Ok(())
    }

    fn fields(
        &mut self,
        fields: &[Field],
        members: &Map<String, Json>,
        prefix: &str,
    ) -> Result<(), Unencodable> {
        let mut measures = Vec::new();
        for field in fields {
            let path = format!("{prefix}{}", field.name.value);
            let given = members.get(&field.name.value);
            if !self.is_present(field, members, given, &path)? {
                continue;
            }
            let start = self.bytes.len();
            match (&field.measures, given, &field.constant) {
                (Some(measured), None, _) => {
                    let integer = self.named_integer(field, &path)?;
                    self.integer(integer, 0);
                    measures.push((measured.value.as_str(), integer, start));
                }
                (_, None, Some(constant)) => {
                    self.field(field, &Json::String(constant.clone()), members, &path)?
                }
                (_, Some(value), _) => self.field(field, value, members, &path)?,
                (None, None, None) if matches!(field.kind.value, TypeRef::Sealed(_)) => {
                    self.field(field, &Json::Null, members, &path)?;
                }
                (None, None, None) => return Err(Unencodable::new(&path, "is missing")),
            }
            for (measured, integer, at) in &measures {
                if *measured == field.name.value {
                    let length = ((self.bytes.len() - start) as i128).to_le_bytes();
                    self.bytes[*at..*at + integer.bytes].copy_from_slice(&length[..integer.bytes]);
                }
            }
        }
        Ok(())
    }

    /// Whether a conditional field is due, and given exactly then.
    fn is_present(
        &self,
        field: &Field,
        members: &Map<String, Json>,
        given: Option<&Json>,
        path: &str,
    ) -> Result<bool, Unencodable> {
        let Some(when) = &field.when else { return Ok(true) };
        let due = members.get(&when.field.value).and_then(Json::as_i64) == Some(when.is);
        let is_given = given.is_some_and(|value| !value.is_null());
        match (due, is_given) {
            (true, false) => {
                Err(Unencodable::new(path, format!("is missing, as `{}` is {}", *when.field, when.is)))
            }
            (false, true) => Err(Unencodable::new(
                path,
                format!("stands there only when `{}` is {}", *when.field, when.is),
            )),
            (due, _) => Ok(due),
        }
    }

    fn named_integer(&self, field: &Field, path: &str) -> Result<&'a Integer, Unencodable> {
        match &field.kind.value {
            TypeRef::Named(name) => self.format.integer(name),
            _ => None,
        }
        .ok_or_else(|| Unencodable::new(path, "a length must be an integer"))
    }

    fn field(
        &mut self,
        field: &Field,
        value: &Json,
        members: &Map<String, Json>,
        path: &str,
    ) -> Result<(), Unencodable> {
        if let (Some(only), Some(number)) = (&field.only, value.as_i64())
            && !only.contains_key(&number)
        {
            return Err(Unencodable::new(path, format!("{number} is not a known value")));
        }
        match &field.kind.value {
            TypeRef::Named(name) => self.named(name, value, path),
            TypeRef::Raw(size) => {
                let bytes = raw(value, path)?;
                if let Raw::Bytes(count) = size
                    && bytes.len() != *count
                {
                    return Err(Unencodable::new(
                        path,
                        format!("{} instead of {count}", amount(bytes.len())),
                    ));
                }
                self.bytes.extend_from_slice(&bytes);
                Ok(())
            }
            TypeRef::List(list) => self.list(list, value, path),
            TypeRef::Array(array) => self.array(array, value, path),
            TypeRef::Sealed(sealed) => self.sealed(sealed, members, path),
        }
    }

    fn list(&mut self, list: &List, value: &Json, path: &str) -> Result<(), Unencodable> {
        let items = value.as_array().ok_or_else(|| wrong_kind(path, "a list", value))?;
        if !list.items.contains(&items.len()) {
            return Err(Unencodable::new(
                path,
                format!("{} items; there may be {:?}", items.len(), list.items),
            ));
        }
        for (index, item) in items.iter().enumerate() {
            self.named(&list.of, item, &format!("{path}[{index}]"))?;
        }
        Ok(())
    }

    fn sealed(
        &mut self,
        sealed: &Sealed,
        members: &Map<String, Json>,
        path: &str,
    ) -> Result<(), Unencodable> {
        let secrets =
            self.secrets.ok_or_else(|| Unencodable::new(path, "there is no key to seal it with"))?;
        let mut inner = Encoder { format: self.format, secrets: None, bytes: Vec::new() };
        inner.fields(&sealed.fields, members, "")?;
        let ciphertext = secrets.seal(&inner.bytes).map_err(|reason| Unencodable::new(path, reason))?;
        self.bytes.extend_from_slice(&ciphertext);
        Ok(())
    }
}

impl Integer {
    /// The number a JSON value stands for, in range.
    fn number(&self, value: &Json, path: &str) -> Result<i128, Unencodable> {
        let number = match (self.text, value) {
            (true, Json::String(text)) => decimal(text)
                .ok_or_else(|| Unencodable::new(path, format!("`{text}` is not a decimal number")))?,
            (false, Json::Number(number)) => {
                number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from)).ok_or_else(
                    || Unencodable::new(path, format!("{number} is not a whole number in range")),
                )?
            }
            (true, other) => return Err(wrong_kind(path, "a decimal number as text", other)),
            (false, other) => return Err(wrong_kind(path, "a number", other)),
        };
        let bits = 8 * self.bytes;
        let (low, high) = if self.signed {
            (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1)
        } else {
            (0, (1_i128 << bits) - 1)
        };
        let low = self.from.map_or(low, |from| low.max(from.into()));
        let high = self.to.map_or(high, |to| high.min(to.into()));
        if number < low || number > high {
            return Err(Unencodable::new(path, format!("{number} is outside {low} to {high}")));
        }
        Ok(number)
    }
}

/// Decimal digits with an optional minus, nothing else.
fn decimal(text: &str) -> Option<i128> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn raw(value: &Json, path: &str) -> Result<Vec<u8>, Unencodable> {
    let text = value.as_str().ok_or_else(|| wrong_kind(path, "hexadecimal text", value))?;
    hex_text::decode(text).map_err(|error| Unencodable::new(path, format!("not hexadecimal: {error}")))
}

fn wrong_kind(path: &str, expected: &str, value: &Json) -> Unencodable {
    let found = match value {
        Json::Null => "null".to_owned(),
        Json::Bool(value) => value.to_string(),
        Json::Number(number) => format!("the number {number}"),
        Json::String(_) => "text".to_owned(),
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "an object".to_owned(),
    };
    Unencodable::new(path, format!("{expected} expected, found {found}"))
}
