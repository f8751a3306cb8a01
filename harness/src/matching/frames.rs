//! Whole messages: their header, their command, their data.

use serde_json::{Map, Value as Json};

use super::{Bindings, Matching, Mismatch, Off, complete, difference_summary, only_type};
use crate::format::{AES_BLOCK, ByteDifference, MetaMessage};
use crate::hex_text::{self, amount};
use crate::vectors::transcript::data::{Frame, FrameFields, Item};
use crate::vectors::transcript::play::{Framing, Unbuildable, agent_type};
use crate::vectors::transcript::value::Value;
use crate::yaml::Spot;

/// What the start of a stream of messages holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Less than a whole message; one needs at least so many bytes, as far as can be told.
    Incomplete(usize),
    /// A message of so many bytes.
    Whole(usize),
    /// A length that no message has.
    BadLength(i32),
}

/// The most data bytes that a message may have without being taken for nonsense: more than any case can expect, so
/// that a subject cannot make the harness wait for, or hold, what no case wants.
const LARGEST_DATA: usize = hex_text::LARGEST;

impl Framing<'_> {
    /// Where the first message of a stream ends.
    pub fn cut(self, stream: &[u8]) -> Cut {
        let Some(length) = stream.first_chunk::<4>().map(|bytes| i32::from_le_bytes(*bytes)) else {
            return Cut::Incomplete(self.header);
        };
        match usize::try_from(length) {
            Ok(data) if data <= LARGEST_DATA => {
                let whole = self.header + data;
                if stream.len() < whole { Cut::Incomplete(whole) } else { Cut::Whole(whole) }
            }
            _ => Cut::BadLength(length),
        }
    }
}

/// Appends the zeros that an AES plaintext of a message gets, which become a part of its data (AES-3).
fn pad_with_zeros(message: &mut Vec<u8>, framing: Framing<'_>) {
    // The plaintext has the next vector in place of the length.
    let plaintext = AES_BLOCK + message.len().saturating_sub(4);
    message.resize(message.len() + plaintext.next_multiple_of(AES_BLOCK) - plaintext, 0);
    let data = i32::try_from(message.len().saturating_sub(framing.header)).unwrap_or(i32::MAX);
    if let Some(length) = message.first_chunk_mut::<4>() {
        *length = data.to_le_bytes();
    }
}

/// What a length must be that [`Framing::cut`] takes, for reports.
pub fn good_length() -> String {
    format!("0 to {LARGEST_DATA}")
}

impl Matching<'_> {
    /// The bytes of a message, where only these will do; `None` where a matcher leaves them open.
    ///
    /// # Errors
    ///
    /// As of [`Matching::exact`].
    pub fn exact_frame(
        &self,
        frame: &Spot<Frame>,
        framing: Framing<'_>,
    ) -> Result<Option<Vec<u8>>, Unbuildable> {
        let mut open = self.any_command;
        frame.symbols(&mut |_, symbol| open |= symbol.is_matcher());
        if let Frame::Fields(fields) = &frame.value {
            open |= fields.data.iter().flat_map(|data| &data.0).any(|item| self.is_open(&item.value));
        }
        if open {
            return Ok(None);
        }
        let mut bytes = self.player.frame(frame, framing)?;
        if self.zero_padded {
            pad_with_zeros(&mut bytes, framing);
        }
        Ok(Some(bytes))
    }

    /// Compares a message that came whole.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub fn frame(
        &self,
        frame: &Spot<Frame>,
        framing: Framing<'_>,
        actual: &[u8],
    ) -> Result<Bindings, Box<Mismatch>> {
        if let Ok(Some(expected)) = self.exact_frame(frame, framing) {
            if expected == actual {
                return Ok(Bindings::new());
            }
            let inner = match &frame.value {
                Frame::Fields(fields) => fields.data.as_ref().and_then(|data| only_type(data)),
                Frame::Hex(_) => None,
            };
            return Err(self.frame_differs(framing, &expected, actual, inner));
        }
        match &frame.value {
            Frame::Hex(hex) => {
                let expected = hex.bytes();
                // Only the command may be another one.
                let command = framing.header.saturating_sub(4)..framing.header;
                let same = |range: std::ops::Range<usize>| expected.get(range.clone()) == actual.get(range);
                let is_same = expected.len() == actual.len()
                    && same(0..command.start)
                    && same(command.end..expected.len());
                if self.any_command && is_same {
                    return Ok(Bindings::new());
                }
                Err(self.frame_differs(framing, &expected, actual, None))
            }
            Frame::Fields(fields) => self.frame_fields(fields, framing, actual),
        }
    }

    fn frame_fields(
        &self,
        fields: &FrameFields,
        framing: Framing<'_>,
        actual: &[u8],
    ) -> Result<Bindings, Box<Mismatch>> {
        let header = framing.header;
        let decoded = match self.formats().decode(framing.type_name, actual, None) {
            Ok(decoded) if decoded.used == actual.len() => decoded,
            _ => {
                let summary = "field `length` does not fit the message".to_owned();
                let data = actual.get(header..).unwrap_or_default();
                let bytes = self
                    .nearest_frame(fields, framing, &Json::Null, data)
                    .and_then(|expected| self.frame_difference(framing, &expected, actual, None));
                let (expected, actual) = (amount(data.len()), amount(actual.len()));
                return Err(Box::new(Mismatch { summary, expected, actual, clause: None, bytes }));
            }
        };
        let command = decoded.value.get("command").cloned().unwrap_or(Json::Null);
        let data = actual.get(header..).unwrap_or_default();
        let inner = fields.data.as_ref().and_then(|data| only_type(data));
        let mut bindings = Bindings::new();
        let wrong = match self.addressed(fields, framing, &decoded.value, &command, &mut bindings) {
            Err(off) => Some(off.mismatch(None)),
            Ok(()) => match &fields.data {
                Some(expected) => match self.data(expected, data, None) {
                    Ok(mut found) => {
                        bindings.append(&mut found);
                        None
                    }
                    Err(mismatch) => Some(*mismatch),
                },
                None if data.is_empty() => None,
                None => Some(Mismatch {
                    summary: "the message has data".to_owned(),
                    expected: "no data".to_owned(),
                    actual: amount(data.len()),
                    clause: None,
                    bytes: None,
                }),
            },
        };
        let Some(mut mismatch) = wrong else { return Ok(bindings) };
        let expected = self.nearest_frame(fields, framing, &command, data);
        if let Some(expected) = expected
            && let Some(difference) = self.frame_difference(framing, &expected, actual, inner)
        {
            mismatch.bytes = Some(difference);
        }
        Err(Box::new(mismatch))
    }

    /// Compares whom a message is for, and its command.
    fn addressed(
        &self,
        fields: &FrameFields,
        framing: Framing<'_>,
        actual: &Json,
        command: &Json,
        bindings: &mut Bindings,
    ) -> Result<(), Off> {
        if framing.has_target {
            let found = actual.get("target").unwrap_or(&Json::Null);
            let meta = Spot { span: fields.command.span, value: Value::Literal(Json::from(0)) };
            self.value(fields.target.as_ref().unwrap_or(&meta), found, "target", bindings)?;
        }
        match self.value(&fields.command, command, "command", bindings) {
            Err(off) if !self.any_command => Err(off),
            _ => Ok(()),
        }
    }

    /// The expected message, as near to what came as the matchers allow.
    fn nearest_frame(
        &self,
        fields: &FrameFields,
        framing: Framing<'_>,
        command: &Json,
        data: &[u8],
    ) -> Option<Vec<u8>> {
        let mut expected = Vec::new();
        let mut rest = data;
        for item in fields.data.iter().flat_map(|data| &data.0) {
            let mut bytes = match &item.value {
                Item::Typed { type_name, value } => match self.formats().decode(type_name, rest, None) {
                    Ok(decoded) => {
                        rest = &rest[decoded.used..];
                        let mut filled = self.filled(value, &decoded.value);
                        complete(&mut filled, &decoded.value);
                        self.encode(type_name, &filled, value.span).ok()?
                    }
                    Err(_) => self.encode(type_name, &self.sample(value), value.span).ok()?,
                },
                Item::Symbol(_) => rest.to_vec(),
                Item::Hex(hex) => {
                    rest = rest.get(hex.len()..).unwrap_or_default();
                    hex.bytes()
                }
            };
            expected.append(&mut bytes);
        }
        let command = self.filled(&fields.command, command);
        let mut members = Map::new();
        members.insert("command".to_owned(), command);
        members.insert("data".to_owned(), hex_text::encode(&expected).into());
        if framing.has_target {
            let target = fields.target.as_ref().map_or(Json::from(0), |target| self.sample(target));
            members.insert("target".to_owned(), agent_type(target));
        }
        self.formats().encode(framing.type_name, &Json::Object(members), None).ok()
    }

    /// The mismatch of a message with the bytes that it must have.
    pub fn frame_differs(
        &self,
        framing: Framing<'_>,
        expected: &[u8],
        actual: &[u8],
        inner: Option<&str>,
    ) -> Box<Mismatch> {
        // The type of a meta message says more than that of its only item.
        let inner = self.meta_type(framing, expected).or(inner);
        let bytes = self.frame_difference(framing, expected, actual, inner);
        Box::new(Mismatch {
            summary: difference_summary(bytes.as_ref()),
            expected: amount(expected.len()),
            actual: amount(actual.len()),
            clause: None,
            bytes,
        })
    }

    /// The type of the data of a meta message.
    fn meta_type(&self, framing: Framing<'_>, frame: &[u8]) -> Option<&str> {
        let message = self.meta_message(framing, frame)?;
        let type_name = if framing.is_request { Some(&message.request) } else { message.response.as_ref() };
        type_name.map(|type_name| type_name.value.as_str())
    }

    /// The meta message that some bytes are, by the command in them.
    fn meta_message(&self, framing: Framing<'_>, frame: &[u8]) -> Option<&MetaMessage> {
        let command = frame.get(framing.header.checked_sub(4)?..framing.header)?;
        let command = i32::from_le_bytes(command.try_into().ok()?);
        if framing.has_target && frame.get(4) != Some(&0) {
            return None;
        }
        let messages = self.formats().iter().flat_map(|format| &format.meta);
        messages.into_iter().find(|message| message.command == command)
    }

    /// Two messages side by side: where both have data of a type, field by field of that.
    fn frame_difference(
        &self,
        framing: Framing<'_>,
        expected: &[u8],
        actual: &[u8],
        inner: Option<&str>,
    ) -> Option<ByteDifference> {
        let mut difference = self.formats().byte_difference(framing.type_name, expected, actual, None)?;
        if let Some(message) = self.meta_message(framing, expected) {
            difference.whole = message.clauses.iter().map(|clause| clause.value.clone()).collect();
        }
        let header = framing.header;
        let (wanted, found) = (expected.get(header..)?, actual.get(header..).unwrap_or_default());
        let Some(inside) = inner.and_then(|inner| self.formats().byte_difference(inner, wanted, found, None))
        else {
            return Some(difference);
        };
        let Some(place) = difference.rows.iter().position(|row| row.field == "data") else {
            return Some(difference);
        };
        if difference.field == "data" {
            difference.field = inside.field;
            difference.clauses = inside.clauses;
        } else {
            // A message of another length has other data, too.
            difference.clauses.extend(inside.clauses);
        }
        let rows = inside.rows.into_iter().map(|mut row| {
            row.offset += header;
            row
        });
        // Where fields of the data are left out, so are those in front of the data.
        let from = if inside.rows_before > 0 { 0 } else { place };
        difference.rows_before += place - from + inside.rows_before;
        difference.rows.splice(from..=place, rows);
        difference.rows_after += inside.rows_after;
        Some(difference)
    }
}
