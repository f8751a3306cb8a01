//! The bytes of a side that the harness plays.

use serde_json::{Map, Value as Json, json};

use super::data::{Data, Frame, FrameFields, Item};
use super::entry::Party;
use super::value::{Known, Missing, Symbol, Unplayable};
use crate::format::{Field, Format, Formats, Shape, TypeRef};
use crate::yaml::{Span, Spot};

/// The names of agent types, by number.
const AGENT_TYPES: [&str; 4] = ["meta", "otter", "buildmaster", "hedgehog"];

/// How messages of one direction stand in plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing<'a> {
    /// The type of the formats.
    pub type_name: &'a str,
    /// Whether it is that of clients, whose meta messages are requests.
    pub is_request: bool,
    /// Whether a message tells whom it is for.
    pub has_target: bool,
    /// How many bytes stand before the data of a message.
    pub header: usize,
}

/// How many bytes of a message stand before its data: numbers, each of a fixed size.
fn header_size(format: &Format, frame: &str) -> usize {
    let Some(Shape::Fields(fields)) = format.shape(frame) else { return 0 };
    let size = |field: &Field| match &field.kind.value {
        TypeRef::Named(name) => match format.shape(name) {
            Some(Shape::Integer(integer)) => Some(integer.bytes),
            _ => None,
        },
        _ => None,
    };
    fields.iter().map_while(size).sum()
}

impl<'a> Framing<'a> {
    /// The framing in which a party sends when a protocol version is spoken; later versions are framed like the newest
    /// known. Below the oldest known version the number is a session ID, which tells that the oldest is spoken.
    pub fn new(formats: &'a Formats, party: Party, version: i32) -> Option<Self> {
        let oldest = formats.iter().next()?;
        let format =
            formats.iter().filter(|format| format.protocol.value <= version).last().unwrap_or(oldest);
        let conversation = &format.conversation;
        let is_request = party == Party::Client;
        let frame = if is_request { &conversation.client_frame } else { &conversation.agent_frame };
        let has_target = is_request && format.protocol.value == oldest.protocol.value;
        let header = header_size(format, &frame.value);
        Some(Self { type_name: &frame.value, is_request, has_target, header })
    }

    /// Both framings of a party, for a conversation whose version is not known.
    pub fn all(formats: &'a Formats, party: Party) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for format in formats.iter() {
            all.extend(
                Self::new(formats, party, format.protocol.value).filter(|framing| !all.contains(framing)),
            );
        }
        all
    }
}

/// What is filled in where an acknowledgement does not say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckDefaults {
    /// The mode of encryption.
    pub encryption: i8,
    /// The first vector, with mode 2.
    pub iv: Option<[u8; 16]>,
    /// The server's version: one or four numbers.
    pub server_version: Vec<i32>,
}

/// Why bytes cannot be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unbuildable {
    /// The place of what is in the way.
    pub span: Span,
    /// What is in the way.
    pub why: Obstacle,
}

impl Unbuildable {
    /// A value at a place is not of its type.
    pub fn unencodable(span: Span, reason: String) -> Self {
        Self { span, why: Obstacle::Unencodable(reason) }
    }
}

/// What is in the way of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// A symbol has no value.
    Missing(Missing),
    /// A value is not of its type.
    Unencodable(String),
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Obstacle::Missing(Missing::PlayedValue) => f.write_str("it has no value when played"),
            Obstacle::Missing(Missing::Setting(name)) => write!(f, "the run has no setting {name:?}"),
            Obstacle::Missing(Missing::Binding(name)) => write!(f, "nothing was bound to `{name}`"),
            Obstacle::Missing(Missing::Repetition(why)) => write!(f, "it cannot be repeated: {why}"),
            Obstacle::Unencodable(reason) => write!(f, "it cannot be encoded: {reason}"),
        }
    }
}

impl From<Unplayable> for Unbuildable {
    fn from(Unplayable { span, missing }: Unplayable) -> Self {
        Self { span, why: Obstacle::Missing(missing) }
    }
}

/// Builds bytes from what a transcript says.
#[derive(Clone, Copy)]
pub struct Player<'a> {
    /// The formats.
    pub formats: &'a Formats,
    /// What the run knows.
    pub known: &'a dyn Known,
    /// What goes into acknowledgements.
    pub ack: &'a AckDefaults,
}

impl Player<'_> {
    /// The bytes of some items.
    ///
    /// # Errors
    ///
    /// The first item that has none.
    pub fn data(&self, data: &Data) -> Result<Vec<u8>, Unbuildable> {
        let mut bytes = Vec::new();
        for item in &data.0 {
            bytes.append(&mut self.item(&item.value, item.span)?);
        }
        Ok(bytes)
    }

    /// The bytes of one item that stands at a place.
    ///
    /// # Errors
    ///
    /// A symbol without a value, or a value that is not of its type.
    pub fn item(&self, item: &Item, span: Span) -> Result<Vec<u8>, Unbuildable> {
        match item {
            Item::Hex(hex) => Ok(hex.bytes()),
            Item::Symbol(symbol) => bytes_of(symbol, span, self.known),
            Item::Typed { type_name, value } => {
                let mut played = value.played(self.known)?;
                self.fill_acknowledgement(type_name, &mut played);
                self.formats.encode(type_name, &played, None).map_err(|error| Unbuildable {
                    span: value.span,
                    why: Obstacle::Unencodable(error.to_string()),
                })
            }
        }
    }

    /// Fills in what an acknowledgement does not say; leaves other types alone.
    pub fn fill_acknowledgement(&self, type_name: &str, value: &mut Json) {
        let is_ack = self.formats.is_acknowledgement(type_name);
        let (true, Some(members)) = (is_ack, value.as_object_mut()) else { return };
        if !members.contains_key("encryption") {
            members.insert("encryption".to_owned(), self.ack.encryption.into());
        }
        // Only mode 2 has a vector; where a case takes any, this one stands for it.
        let has_vector = members.get("encryption").and_then(Json::as_i64) == Some(2);
        if has_vector && !members.get("iv").is_some_and(Json::is_string) {
            let iv = self.ack.iv.unwrap_or_default();
            members.insert("iv".to_owned(), crate::hex_text::encode(&iv).into());
        }
        if !members.contains_key("server_version") {
            members.insert("server_version".to_owned(), json!(self.ack.server_version));
        }
    }

    /// The plaintext of one message.
    ///
    /// # Errors
    ///
    /// As of [`Player::item`].
    pub fn frame(&self, frame: &Spot<Frame>, framing: Framing<'_>) -> Result<Vec<u8>, Unbuildable> {
        match &frame.value {
            Frame::Hex(hex) => Ok(hex.bytes()),
            Frame::Fields(fields) => self.frame_fields(fields, frame.span, framing),
        }
    }

    /// The plaintext of a message given by its fields.
    ///
    /// # Errors
    ///
    /// As of [`Player::item`].
    pub fn frame_fields(
        &self,
        fields: &FrameFields,
        span: Span,
        framing: Framing<'_>,
    ) -> Result<Vec<u8>, Unbuildable> {
        let mut members = Map::new();
        if framing.has_target {
            let target = fields.target.as_ref().map(|target| target.played(self.known)).transpose()?;
            members.insert("target".to_owned(), agent_type(target.unwrap_or(Json::from(0))));
        }
        members.insert("command".to_owned(), fields.command.played(self.known)?);
        let data = fields.data.as_ref().map(|data| self.data(data)).transpose()?.unwrap_or_default();
        members.insert("data".to_owned(), crate::hex_text::encode(&data).into());
        if let Some(length) = &fields.length {
            members.insert("length".to_owned(), length.value.into());
        }
        let built = self.formats.encode(framing.type_name, &Json::Object(members), None);
        built.map_err(|error| Unbuildable { span, why: Obstacle::Unencodable(error.to_string()) })
    }
}

/// The bytes of a symbol in the place of bytes: its value is hexadecimal text.
fn bytes_of(symbol: &Symbol, span: Span, known: &dyn Known) -> Result<Vec<u8>, Unbuildable> {
    let value = symbol.played(span, known)?;
    let bytes = value.as_str().and_then(|text| crate::hex_text::parse(text).ok());
    bytes.ok_or_else(|| Unbuildable {
        span,
        why: Obstacle::Unencodable(format!("hexadecimal text expected in the place of bytes, found {value}")),
    })
}

/// An agent type by its name or number, as a number.
pub fn agent_type(value: Json) -> Json {
    let number = value.as_str().and_then(|name| AGENT_TYPES.iter().position(|known| *known == name));
    number.map_or(value, Json::from)
}
