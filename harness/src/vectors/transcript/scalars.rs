//! The small texts of a transcript: names, spans of time, sizes, hexadecimal bytes.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};

use crate::hex_text;

/// The most bytes of one literal that are exported without repetitions.
const LARGEST_WRITTEN_OUT: usize = 64 << 10;

/// A name that a transcript gives: to a connection or host, to a step, to a bound value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Name(#[schemars(regex(pattern = r"^[a-z][a-z0-9]*([_-][a-z0-9]+)*$"))] pub String);

impl Name {
    /// Whether a text can be a name.
    pub fn is_valid(text: &str) -> bool {
        let word = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        text.starts_with(|c: char| c.is_ascii_lowercase()) && text.split(['-', '_']).all(word)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if Self::is_valid(&text) {
            return Ok(Self(text));
        }
        Err(D::Error::custom(format_args!(
            "`{text}` is no name: a lower-case letter, then lower-case letters and digits, with single `-` or `_` between"
        )))
    }
}

/// A number of bytes, written as a whole number and `KiB` or `MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let number: Option<u64> = text[..split].parse().ok();
        let unit = match text[split..].trim_start() {
            "KiB" => Some(1 << 10),
            "MiB" => Some(1 << 20),
            _ => None,
        };
        number
            .zip(unit)
            .and_then(|(number, unit): (u64, u64)| number.checked_mul(unit))
            .map(Self)
            .ok_or_else(|| D::Error::custom(format_args!("`{text}` is no size: write 64 KiB or 100 MiB")))
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (number, unit) =
            if self.0.is_multiple_of(1 << 20) { (self.0 >> 20, "MiB") } else { (self.0 >> 10, "KiB") };
        serializer.collect_str(&format_args!("{number} {unit}"))
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]+ *(KiB|MiB)$",
            "description": "A number of bytes: 64 KiB, 100 MiB."
        })
    }
}

/// `true`; for a member that has nothing else to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Yes;

impl<'de> Deserialize<'de> for Yes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if bool::deserialize(deserializer)? {
            Ok(Self)
        } else {
            Err(D::Error::custom("write `true`, or leave the member out"))
        }
    }
}

impl Serialize for Yes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(true)
    }
}

impl JsonSchema for Yes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Yes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"const": true})
    }
}

/// Bytes in the notation of [`crate::hex_text`], kept as text: a repetition may stand for far more bytes
/// than a file has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hex {
    text: String,
    length: usize,
}

impl Hex {
    /// Reads the notation.
    ///
    /// # Errors
    ///
    /// A sentence for people, as of [`hex_text::parse`].
    pub fn parse(text: &str) -> Result<Self, String> {
        let stretches =
            hex_text::stretches(text).map_err(|error| match error.message.starts_with("more than") {
                true => error.message,
                false => format!("{error} (character {} of the text)", text[..error.at].chars().count() + 1),
            })?;
        let length = stretches.iter().map(hex_text::Stretch::len).sum();
        Ok(Self { text: text.to_owned(), length })
    }

    /// Some bytes in the notation.
    pub fn of(bytes: &[u8]) -> Self {
        Self { text: hex_text::encode(bytes), length: bytes.len() }
    }

    /// How many bytes it stands for.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it stands for none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bytes, long repetitions not written out.
    pub fn stretches(&self) -> Vec<hex_text::Stretch> {
        hex_text::stretches(&self.text).unwrap_or_default()
    }

    /// The bytes.
    pub fn bytes(&self) -> Vec<u8> {
        // `parse` has seen to it that this text can be read.
        hex_text::parse(&self.text).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Quoted;
        impl serde::de::Visitor<'_> for Quoted {
            type Value = Hex;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("hexadecimal bytes as a quoted string")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Hex, E> {
                Hex::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Quoted)
    }
}

/// Written out without blanks and repetitions; only where that takes more than 64 KiB of bytes, repetitions stay, each
/// with a blank behind it, so that the digits of what follows are no part of its number.
impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.length <= LARGEST_WRITTEN_OUT {
            return serializer.serialize_str(&hex_text::encode(&self.bytes()));
        }
        let mut compact = String::with_capacity(self.text.len());
        for word in self.text.split_whitespace() {
            compact.push_str(word);
            if word.contains(['*', '~']) {
                compact.push(' ');
            }
        }
        serializer.serialize_str(&compact.trim_end().to_ascii_lowercase())
    }
}

impl JsonSchema for Hex {
    fn schema_name() -> Cow<'static, str> {
        "HexBytes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^([0-9a-fA-F\\s()]|[*~][0-9]+)*$",
            "description": "Bytes in hexadecimal; blanks are ignored, XX*N repeats a byte N times, (XX YY)*N some bytes, and \
                ~N stands for N bytes that vary."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_measured_without_being_written_out() {
        let hex = Hex::parse("03 61*3 00*00010").unwrap();
        assert_eq!(hex.len(), 14);
        assert_eq!(hex.bytes().len(), 14);
        assert_eq!(Hex::parse("00*67108864").unwrap().len(), 64 << 20);
        assert_eq!(Hex::parse("00*99999999").unwrap_err(), "more than 83886080 bytes");
        assert_eq!(
            Hex::parse("61*12 6x").unwrap_err(),
            "`x` is not a hexadecimal digit (character 8 of the text)"
        );
        assert!(Hex::parse("00*0").unwrap_err().starts_with("a byte cannot be repeated 0 times"));
        assert!(Hex::parse("00*99999999999999999999999").unwrap_err().contains("number of repetitions"));
        assert!(Hex::parse("*3").unwrap_err().starts_with("`*` must follow a whole byte"));
    }

    #[test]
    fn long_hex_is_written_as_it_can_be_read_again() {
        let hex = Hex::parse("01 0A*70000 02 03 04*3 0500").unwrap();
        let written = serde_json::to_string(&hex).unwrap();
        assert_eq!(written, "\"010a*70000 020304*3 0500\"");
        let again: Hex = serde_json::from_str(&written).unwrap();
        assert!(again.bytes() == hex.bytes(), "what is written stands for the same bytes");
    }

    #[test]
    fn sizes_are_read_and_written_alike() {
        let size: Size = serde_json::from_str("\"100 MiB\"").unwrap();
        assert_eq!((size.0, serde_json::to_string(&size).unwrap().as_str()), (100 << 20, "\"100 MiB\""));
        assert!(serde_json::from_str::<Size>("\"99999999999999 MiB\"").is_err());
    }

    #[test]
    fn names_are_words() {
        for good in ["a", "hello", "c-1", "root_path2"] {
            assert!(Name::is_valid(good), "{good}");
        }
        for bad in ["", "A", "1a", "a--b", "a-", "é", "a b"] {
            assert!(!Name::is_valid(bad), "{bad}");
        }
    }
}
