//! Between JSON and the protocol: which JSON stands for an int64, a GUID, an array of bytes, a file.
//!
//! JSON is taken apart lazily, one level at a time, for two reasons: the `id` of a request stays readable when
//! another member is wrong, and a string of megabytes is borrowed from its line. A derived deserializer would
//! moreover take a JSON array for an object.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use super::usage::Usage;
use crate::protocol::{
    AgentType, Command, InitializationVector, Key, Padding, ProtocolVersion, SessionId, Ticks, UpdateFile,
};

/// A value that JSON can stand for.
pub(crate) trait FromJson<'a>: Sized {
    /// Reads the value, borrowing from the line where it can.
    ///
    /// # Errors
    ///
    /// [`Usage`] if the JSON is of another kind or out of range.
    fn from_json(json: &'a RawValue) -> Result<Self, Usage>;
}

/// A value that is told as JSON.
pub(crate) trait ToJson {
    /// The JSON, as something that serializes to it.
    fn to_json(&self) -> impl Serialize;
}

/// Deserializes JSON of a kind that serde knows.
pub(crate) fn parse<'a, T: Deserialize<'a>>(json: &'a RawValue) -> Result<T, Usage> {
    serde_json::from_str(json.get()).map_err(|error| Usage::new(error.to_string()))
}

/// The members of a JSON object, in any order; of a repeated one the last counts.
pub(crate) struct Members<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Members<'a> {
    /// Takes the object on a request line apart.
    ///
    /// # Errors
    ///
    /// [`Usage`] if the line is anything but one JSON object.
    pub(crate) fn of_line(line: &'a str) -> Result<Self, Usage> {
        serde_json::from_str(line)
            .map(Self)
            .map_err(|error| Usage::new(format!("the line is not a JSON object: {error}")))
    }

    /// The member as it stands.
    ///
    /// # Errors
    ///
    /// [`Usage`] if there is none.
    pub(crate) fn raw(&self, name: &str) -> Result<&'a RawValue, Usage> {
        self.0.get(name).copied().ok_or_else(|| Usage::new(format!("member {name:?} is missing")))
    }

    /// The member, read as a `T`.
    ///
    /// # Errors
    ///
    /// [`Usage`] if there is none, or it is no `T`.
    pub(crate) fn member<T: FromJson<'a>>(&self, name: &str) -> Result<T, Usage> {
        T::from_json(self.raw(name)?).map_err(|usage| usage.within(name))
    }

    /// The member, or nothing if it is missing or null.
    ///
    /// # Errors
    ///
    /// [`Usage`] if it is there and no `T`.
    pub(crate) fn optional<T: FromJson<'a>>(&self, name: &str) -> Result<Option<T>, Usage> {
        if self.0.contains_key(name) { self.member(name) } else { Ok(None) }
    }
}

impl<'a> FromJson<'a> for Members<'a> {
    fn from_json(json: &'a RawValue) -> Result<Self, Usage> {
        parse(json).map(Self)
    }
}

impl<'a, T: FromJson<'a>> FromJson<'a> for Option<T> {
    fn from_json(json: &'a RawValue) -> Result<Self, Usage> {
        if json.get() == "null" { Ok(None) } else { T::from_json(json).map(Some) }
    }
}

impl<'a, T: FromJson<'a>> FromJson<'a> for Vec<T> {
    fn from_json(json: &'a RawValue) -> Result<Self, Usage> {
        let items: Vec<&'a RawValue> = parse(json)?;
        let item = |(index, item)| T::from_json(item).map_err(|usage| usage.within(&format!("[{index}]")));
        items.into_iter().enumerate().map(item).collect()
    }
}

macro_rules! number {
    ($($type:ty)+) => {$(
        impl FromJson<'_> for $type {
            fn from_json(json: &RawValue) -> Result<Self, Usage> {
                parse(json)
            }
        }

        impl ToJson for $type {
            fn to_json(&self) -> impl Serialize {
                *self
            }
        }
    )+};
}

number!(i8 u8 u16 i32);

impl FromJson<'_> for bool {
    fn from_json(json: &RawValue) -> Result<Self, Usage> {
        parse(json)
    }
}

macro_rules! domain_number {
    ($($type:ident)+) => {$(
        impl FromJson<'_> for $type {
            fn from_json(json: &RawValue) -> Result<Self, Usage> {
                parse(json).map($type)
            }
        }
    )+};
}

domain_number!(AgentType Command ProtocolVersion SessionId);

/// A number of 64 bits as a decimal string, since many readers of JSON keep only 53 of them.
pub(crate) struct Decimal(pub(crate) i64);

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl FromJson<'_> for i64 {
    fn from_json(json: &RawValue) -> Result<Self, Usage> {
        let text = text_from_json(json)?;
        // Rust reads a plus sign too, JSON numbers have none.
        match text.parse() {
            Ok(number) if !text.starts_with('+') => Ok(number),
            _ => Err(Usage::new(format!("{text:?} is not a decimal int64"))),
        }
    }
}

impl ToJson for i64 {
    fn to_json(&self) -> impl Serialize {
        Decimal(*self)
    }
}

impl FromJson<'_> for Ticks {
    fn from_json(json: &RawValue) -> Result<Self, Usage> {
        Ticks::new(i64::from_json(json)?).map_err(|error| Usage::new(error.to_string()))
    }
}

impl ToJson for Ticks {
    fn to_json(&self) -> impl Serialize {
        Decimal(self.get())
    }
}

impl FromJson<'_> for Uuid {
    fn from_json(json: &RawValue) -> Result<Self, Usage> {
        let text = text_from_json(json)?;
        let guid: Result<Hyphenated, _> = text.parse();
        guid.map(Hyphenated::into_uuid)
            .map_err(|error| Usage::new(format!("{text:?} is not a GUID: {error}")))
    }
}

impl ToJson for Uuid {
    fn to_json(&self) -> impl Serialize {
        self.hyphenated().to_string()
    }
}

/// A string that is borrowed unless it has escapes; serde's own `Cow` is always a copy.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads a string.
pub(crate) fn text_from_json(json: &RawValue) -> Result<Cow<'_, str>, Usage> {
    parse(json).map(|Text(text)| text)
}

impl<'a> FromJson<'a> for Cow<'a, str> {
    fn from_json(json: &'a RawValue) -> Result<Self, Usage> {
        text_from_json(json)
    }
}

impl ToJson for Cow<'_, str> {
    fn to_json(&self) -> impl Serialize {
        &**self
    }
}

/// Bytes as lower-case hexadecimal.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Into a slice: `hex::encode` goes character by character, which shows with megabytes.
        let mut digits = vec![0; 2 * self.0.len()];
        hex::encode_to_slice(self.0, &mut digits).map_err(S::Error::custom)?;
        serializer.serialize_str(std::str::from_utf8(&digits).map_err(S::Error::custom)?)
    }
}

/// Reads hexadecimal, two digits of either case a byte.
pub(crate) fn bytes_from_hex(json: &RawValue) -> Result<Vec<u8>, Usage> {
    let digits = text_from_json(json)?;
    let mut bytes = vec![0; digits.len() / 2];
    hex::decode_to_slice(digits.as_bytes(), &mut bytes)
        .map_err(|error| Usage::new(format!("not hexadecimal: {error}")))?;
    Ok(bytes)
}

impl FromJson<'_> for Cow<'_, [u8]> {
    fn from_json(json: &RawValue) -> Result<Self, Usage> {
        bytes_from_hex(json).map(Cow::Owned)
    }
}

impl ToJson for Cow<'_, [u8]> {
    fn to_json(&self) -> impl Serialize {
        Hex(self)
    }
}

impl FromJson<'_> for InitializationVector {
    fn from_json(json: &RawValue) -> Result<Self, Usage> {
        let bytes = bytes_from_hex(json)?;
        let vector = bytes.as_slice().try_into().map(Self);
        vector.map_err(|_| Usage::new(format!("an initialization vector has 16 bytes, not {}", bytes.len())))
    }
}

impl FromJson<'_> for Key {
    fn from_json(json: &RawValue) -> Result<Self, Usage> {
        Key::try_from(bytes_from_hex(json)?.as_slice()).map_err(|error| Usage::new(error.to_string()))
    }
}

impl FromJson<'_> for Padding {
    fn from_json(json: &RawValue) -> Result<Self, Usage> {
        match text_from_json(json)?.as_ref() {
            "pkcs7" => Ok(Self::Pkcs7),
            "zeros" => Ok(Self::Zeros),
            unknown => Err(Usage::new(format!("unknown padding {unknown:?}"))),
        }
    }
}

impl<'a> FromJson<'a> for UpdateFile<'a> {
    fn from_json(json: &'a RawValue) -> Result<Self, Usage> {
        let members = Members::from_json(json)?;
        Ok(Self {
            name: members.member("name")?,
            modified: members.member("modified_ticks")?,
            contents: members.member("contents")?,
        })
    }
}
