//! Terms that manifests and vectors share: spans of time, days, modes of encryption, targets, features.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, NaiveDate, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest span of time that is taken: a day.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A span of time, written as a whole number and `ms`, `s` or `m`; at most a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeSpan(pub Duration);

impl std::str::FromStr for TimeSpan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = text.split_at(split);
        let number: Option<u64> = digits.parse().ok();
        let span = match (number, unit) {
            (Some(number), "ms") => Some(Duration::from_millis(number)),
            (Some(number), "s") => Some(Duration::from_secs(number)),
            (Some(number), "m") => number.checked_mul(60).map(Duration::from_secs),
            _ => None,
        };
        span.filter(|span| *span <= LONGEST)
            .map(Self)
            .ok_or_else(|| format!("`{text}` is no span of time: write 500ms, 10s or 30m, at most a day"))
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        if millis.is_multiple_of(1000) { write!(f, "{}s", millis / 1000) } else { write!(f, "{millis}ms") }
    }
}

impl<'de> Deserialize<'de> for TimeSpan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for TimeSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for TimeSpan {
    fn schema_name() -> Cow<'static, str> {
        "TimeSpan".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]+(ms|s|m)$",
            "description": "A span of time: 500ms, 10s, 30m; at most a day."
        })
    }
}

/// A day of the calendar, written `2027-01-31`.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use iaspec_harness::terms::Day;
/// let day: Day = "2027-01-31".parse().unwrap();
/// assert!(day < "2027-02-01".parse().unwrap());
/// assert_eq!(Day::of(SystemTime::UNIX_EPOCH + Duration::from_secs(86_400)).to_string(), "1970-01-02");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(NaiveDate);

impl Day {
    /// The day of a time, by UTC, so that a run gives the same result wherever it is made.
    pub fn of(time: SystemTime) -> Self {
        Self(DateTime::<Utc>::from(time).date_naive())
    }
}

impl std::str::FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Four digits, two and two: the parser takes more, such as signs and single digits.
        let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| shape == "0000-00-00");
        day.map(Self).ok_or_else(|| format!("`{text}` is no day: write YYYY-MM-DD, such as 2027-01-31"))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Day {
    fn schema_name() -> Cow<'static, str> {
        "Day".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "date",
            "description": "A day of the calendar: 2027-01-31."
        })
    }
}

/// The word by which manifests and vector files write a choice.
pub fn word(choice: &impl Serialize) -> String {
    match serde_json::to_value(choice) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    }
}

/// A mode of encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    /// Mode 0.
    None,
    /// Mode 1: TLS.
    Ssl,
    /// Mode 2: AES.
    Aes,
}

/// An ability beyond the protocol's core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the contract's")]
pub enum Feature {
    SharedMemory,
    OpenSession,
    SessionResume,
    UpdateFiles,
    ConfigFile,
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::SharedMemory, Self::OpenSession, Self::SessionResume, Self::UpdateFiles, Self::ConfigFile];
}

/// Whom a message can be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the contract's")]
pub enum Target {
    Meta,
    Otter,
    Buildmaster,
    Hedgehog,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written_alike() {
        for text in ["500ms", "10s", "0s"] {
            assert_eq!(text.parse::<TimeSpan>().unwrap().to_string(), text);
        }
        assert_eq!("2m".parse::<TimeSpan>().unwrap().to_string(), "120s");
        for bad in ["2h", "1441m", "99999999999999999999m", "", "s", "-1s", "1.5s"] {
            assert!(bad.parse::<TimeSpan>().is_err(), "{bad}");
        }
    }
}
