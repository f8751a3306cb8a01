//! Bytes and messages of a conversation: literal, built from typed items, or broken on purpose.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use super::scalars::Hex;
use super::value::{Symbol, Value, nothing_beside};
use crate::terms::TimeSpan;
use crate::yaml::{Span, Spot};

/// Bytes: a hexadecimal text, or a list of items one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Data(pub Vec<Spot<Item>>);

/// A stretch of bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Literal bytes.
    Hex(Hex),
    /// `{TYPE: VALUE}`: a value of a type of the formats, such as `{int32: 7}` or `{ack: {value: 2000}}`. What an
    /// acknowledgement does not name is filled in from the run: encryption, vector and server version.
    Typed {
        /// The type.
        type_name: Spot<String>,
        /// The value.
        value: Spot<Value>,
    },
    /// A symbol in the place of bytes: `any`, `bind` and `ref` for all bytes that are left, and `one_of`. Their values
    /// are hexadecimal text.
    Symbol(Symbol),
}

impl Data {
    /// The literal bytes, where it is nothing but literal.
    pub fn literal(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        for item in &self.0 {
            match &item.value {
                Item::Hex(hex) => bytes.append(&mut hex.bytes()),
                Item::Typed { .. } | Item::Symbol(_) => return None,
            }
        }
        Some(bytes)
    }

    /// Calls a function for each symbol in it.
    pub fn symbols<'a>(&'a self, found: &mut dyn FnMut(Span, &'a Symbol)) {
        self.0.iter().for_each(|item| item.value.symbols(item.span, found));
    }
}

/// One message in plaintext. The run's encryption wraps it.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// The whole frame, its length included.
    Hex(Hex),
    /// Its fields.
    Fields(Box<FrameFields>),
}

/// The fields of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameFields {
    /// Client to agent in v1 only: meta, otter, buildmaster, hedgehog or a number; meta unless given.
    pub target: Option<Spot<Value>>,
    /// The command.
    pub command: Spot<Value>,
    /// The data; none unless given.
    pub data: Option<Spot<Data>>,
    /// The length that the frame says it has; the right one unless given.
    pub length: Option<Spot<i32>>,
    /// How many such messages there are, one behind the other; one unless given. `number` tells them apart.
    pub times: Option<Spot<u32>>,
}

impl Frame {
    /// How many messages it stands for.
    pub fn times(&self) -> u32 {
        match self {
            Frame::Hex(_) => 1,
            Frame::Fields(fields) => fields.times.as_ref().map_or(1, |times| times.value),
        }
    }

    /// Calls a function for each symbol in it.
    pub fn symbols<'a>(&'a self, found: &mut dyn FnMut(Span, &'a Symbol)) {
        if let Frame::Fields(fields) = self {
            fields.symbols(found);
        }
    }
}

impl FrameFields {
    /// Calls a function for each symbol in them.
    pub fn symbols<'a>(&'a self, found: &mut dyn FnMut(Span, &'a Symbol)) {
        self.target.iter().for_each(|target| target.symbols(found));
        self.command.symbols(found);
        self.data.iter().for_each(|data| data.symbols(found));
    }
}

/// Raw bytes below AES and TLS: a hexadecimal text, or a list of items one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Wire(pub Vec<Spot<WireItem>>);

/// A stretch of raw bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum WireItem {
    /// Literal bytes.
    Hex(Hex),
    /// An encrypted frame with one thing wrong.
    Tamper(Box<Tamper>),
    /// Something other than a proper TLS handshake.
    Tls(TlsFault),
}

/// An AES frame with one thing wrong: exactly one member stands beside `frame`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "{frame: MESSAGE, and one of flip, truncate, set_length, key, pad}")]
pub struct Tamper {
    /// The message.
    pub frame: Spot<Frame>,
    /// One bit of the encrypted frame is inverted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flip: Option<Spot<Flip>>,
    /// The encrypted part is cut to so many bytes, and its length says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncate: Option<Spot<u32>>,
    /// The length says this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_length: Option<Spot<i32>>,
    /// It is encrypted with this key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Spot<Hex>>,
    /// These bytes stand where the padding belongs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad: Option<Spot<Hex>>,
}

/// A bit of an encrypted frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "{byte: NUMBER, bit: 0 to 7}")]
pub struct Flip {
    /// The byte: counted from the start of the frame, its length included, or from its end if negative.
    pub byte: i32,
    /// The bit, 0 to 7; 0 unless given.
    #[serde(default)]
    pub bit: u8,
}

/// What is sent where a TLS handshake is due.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TlsFault {
    /// The first half of the first handshake message, and no more.
    Stall,
    /// Messages in plaintext.
    Plaintext(Vec<Spot<Frame>>),
    /// A fatal alert of this number.
    Alert(u8),
    /// A handshake message of TLS 1.1: a client's offers nothing newer, an agent's chooses it.
    OldVersion,
    /// A handshake in which the agent presents a certificate that clients must not trust.
    Certificate(WrongCertificate),
    /// A proper handshake, in pieces if it says so. Whether it comes about is for the steps after it to judge.
    Handshake(TlsHandshake),
}

/// A proper TLS handshake at a step of its own.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "{bytes: NUMBER, pause: TIME}, or {} for whole messages")]
pub struct TlsHandshake {
    /// Bytes a write; each flight in one write unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Spot<u32>>,
    /// The pause between two writes; none unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<TimeSpan>,
}

impl TlsHandshake {
    /// How many bytes a write has and how long the pause between two is, where it is sent in pieces.
    pub fn pace(&self) -> Option<(usize, Duration)> {
        let bytes = self.bytes.as_ref()?.value;
        let pause = self.pause.map_or(Duration::ZERO, |pause| pause.0);
        Some((usize::try_from(bytes).unwrap_or(usize::MAX), pause))
    }
}

impl WireItem {
    /// The proper TLS handshake that it stands for, if it does.
    pub fn tls_handshake(&self) -> Option<&TlsHandshake> {
        match self {
            Self::Tls(TlsFault::Handshake(handshake)) => Some(handshake),
            _ => None,
        }
    }
}

/// The one thing that is wrong with a certificate; otherwise it is for `localhost` and 127.0.0.1, and signed by the
/// run's authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WrongCertificate {
    /// It was valid long ago.
    Expired,
    /// It will be valid.
    NotYetValid,
    /// It is for another name.
    OtherName,
    /// Another authority signed it.
    OtherAuthority,
    /// It is signed by itself.
    SelfSigned,
}

impl WrongCertificate {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Expired, Self::NotYetValid, Self::OtherName, Self::OtherAuthority, Self::SelfSigned];
}

/// What `fields` says beside hexadecimal bytes: for `bytes` typed items, for `frames` messages by their fields.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldsBeside(pub Vec<Spot<FieldsPart>>);

/// One part of `fields`.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldsPart {
    /// Beside `bytes`.
    Item(Item),
    /// Beside `frames`.
    Frame(Box<FrameFields>),
}

/// The members of [`FrameFields`], for messages.
const FRAME_MEMBERS: &[&str] = &["target", "command", "data", "length", "times"];

impl FrameFields {
    /// Reads the fields, the first key of which is already known.
    fn read<'de, A: MapAccess<'de>>(first: &str, map: &mut A) -> Result<Self, A::Error> {
        let (mut target, mut command, mut data, mut length, mut times) = (None, None, None, None, None);
        let mut key = Some(FrameKey::of(first)?);
        while let Some(current) = key {
            match current {
                FrameKey::Target => target = Some(map.next_value()?),
                FrameKey::Command => command = Some(map.next_value()?),
                FrameKey::Data => data = Some(map.next_value()?),
                FrameKey::Length => length = Some(map.next_value()?),
                FrameKey::Times => times = Some(map.next_value()?),
            }
            key = map.next_key()?;
        }
        let command = command.ok_or_else(|| A::Error::missing_field("command"))?;
        Ok(Self { target, command, data, length, times })
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum FrameKey {
    Target,
    Command,
    Data,
    Length,
    Times,
}

impl FrameKey {
    fn of<E: Error>(name: &str) -> Result<Self, E> {
        Ok(match name {
            "target" => FrameKey::Target,
            "command" => FrameKey::Command,
            "data" => FrameKey::Data,
            "length" => FrameKey::Length,
            "times" => FrameKey::Times,
            other => return Err(E::unknown_field(other, FRAME_MEMBERS)),
        })
    }
}

impl Item {
    /// Calls a function for each symbol in an item that stands at a place.
    pub fn symbols<'a>(&'a self, span: Span, found: &mut dyn FnMut(Span, &'a Symbol)) {
        match self {
            Item::Hex(_) => {}
            Item::Typed { value, .. } => value.symbols(found),
            Item::Symbol(symbol) => symbol.symbols(span, found),
        }
    }

    /// Reads an item that is a mapping, the first key of which is already known.
    fn read<'de, A: MapAccess<'de>>(key: Spot<String>, map: &mut A) -> Result<Self, A::Error> {
        if let Some(symbol) = Symbol::read(&key, map)? {
            return Ok(Item::Symbol(symbol));
        }
        if FRAME_MEMBERS.contains(&key.as_str()) {
            return Err(A::Error::custom(
                "a message stands under `frames`; bytes are built from typed items",
            ));
        }
        let value = map.next_value()?;
        nothing_beside(&key, map)?;
        Ok(Item::Typed { type_name: key, value })
    }
}

/// The first key of a mapping; an empty one is an error.
fn first_key<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Spot<String>, A::Error> {
    map.next_key()?.ok_or_else(|| A::Error::custom("an empty mapping says nothing; write {NAME: VALUE}"))
}

/// Implements reading for a type that is hexadecimal text or a mapping.
macro_rules! text_or_mapping {
    ($type:ty, $expecting:literal, $from_hex:expr, $from_map:expr) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Reader;
                impl<'de> Visitor<'de> for Reader {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }

                    fn visit_str<E: Error>(self, text: &str) -> Result<$type, E> {
                        Hex::parse(text).map($from_hex).map_err(E::custom)
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$type, A::Error> {
                        let key = first_key(&mut map)?;
                        $from_map(key, &mut map)
                    }
                }
                deserializer.deserialize_any(Reader)
            }
        }
    };
}

text_or_mapping!(
    Item,
    "hexadecimal bytes as a quoted string, or an item such as {int32: 7}",
    Item::Hex,
    |key, map| Item::read(key, map)
);

text_or_mapping!(
    Frame,
    "a message: hexadecimal bytes as a quoted string, or {command, data}",
    Frame::Hex,
    |key: Spot<String>, map| FrameFields::read(&key, map).map(|fields| Frame::Fields(Box::new(fields)))
);

text_or_mapping!(
    WireItem,
    "hexadecimal bytes as a quoted string, or one of {tamper: …}, {tls: …}",
    WireItem::Hex,
    |key: Spot<String>, map: &mut A| {
        let item = match key.as_str() {
            "tamper" => WireItem::Tamper(map.next_value()?),
            "tls" => WireItem::Tls(map.next_value()?),
            other => return Err(A::Error::unknown_field(other, &["tamper", "tls"])),
        };
        nothing_beside(&key, map)?;
        Ok(item)
    }
);

text_or_mapping!(
    FieldsPart,
    "typed fields, such as {handshake_v1: {version: 1000, session: 0}} or {command: 3, data: []}",
    |hex| FieldsPart::Item(Item::Hex(hex)),
    |key: Spot<String>, map| {
        if FRAME_MEMBERS.contains(&key.as_str()) {
            FrameFields::read(&key, map).map(|fields| FieldsPart::Frame(Box::new(fields)))
        } else {
            Item::read(key, map).map(FieldsPart::Item)
        }
    }
);

/// Implements reading and writing for a list that may be written as its only item.
macro_rules! one_or_list {
    ($type:ident of $item:ty, $expecting:literal, from text: $text:expr, from mapping: $map:expr) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                // The position of a single item is that of the whole.
                struct Reader;
                impl<'de> Visitor<'de> for Reader {
                    type Value = Vec<Spot<$item>>;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }

                    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                        let item = Hex::parse(text).map($text).map_err(E::custom)?;
                        Ok(vec![Spot { span: Span::default(), value: item }])
                    }

                    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                        let mut items = Vec::new();
                        while let Some(item) = access.next_element()? {
                            items.push(item);
                        }
                        Ok(items)
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        let key = first_key(&mut map)?;
                        let read: fn(Spot<String>, &mut A) -> Result<$item, A::Error> = $map;
                        Ok(vec![Spot { span: Span::default(), value: read(key, &mut map)? }])
                    }
                }
                struct Any(Vec<Spot<$item>>);
                impl<'de> Deserialize<'de> for Any {
                    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                        deserializer.deserialize_any(Reader).map(Any)
                    }
                }
                let Spot { span, value: Any(mut items) } = Spot::<Any>::deserialize(deserializer)?;
                if let [only] = items.as_mut_slice()
                    && only.span == Span::default()
                {
                    only.span = span;
                }
                Ok(Self(items))
            }
        }
    };
}

one_or_list!(Data of Item,
    "hexadecimal bytes as a quoted string, or a list of items",
    from text: Item::Hex,
    from mapping: |_, _| Err(A::Error::custom("bytes are a quoted string or a list of items: write [{…}]")));

one_or_list!(Wire of WireItem,
    "hexadecimal bytes as a quoted string, or a list of items",
    from text: WireItem::Hex,
    from mapping: |_, _| Err(A::Error::custom("raw bytes are a quoted string or a list of items: write [{…}]")));

one_or_list!(FieldsBeside of FieldsPart,
"typed fields, or a list of them",
from text: |hex| FieldsPart::Item(Item::Hex(hex)),
from mapping: |key, map| {
    if FRAME_MEMBERS.contains(&key.as_str()) {
        FrameFields::read(&key, map).map(|fields| FieldsPart::Frame(Box::new(fields)))
    } else {
        Item::read(key, map).map(FieldsPart::Item)
    }
});

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [Spot { value: Item::Hex(hex), .. }] => hex.serialize(serializer),
            items => items.serialize(serializer),
        }
    }
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Item::Hex(hex) => hex.serialize(serializer),
            Item::Symbol(symbol) => symbol.serialize(serializer),
            Item::Typed { type_name, value } => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(type_name, value)?;
                map.end()
            }
        }
    }
}

impl Serialize for Frame {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Frame::Hex(hex) => hex.serialize(serializer),
            Frame::Fields(fields) => fields.serialize(serializer),
        }
    }
}

impl Serialize for FrameFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(target) = &self.target {
            map.serialize_entry("target", target)?;
        }
        map.serialize_entry("command", &self.command)?;
        if let Some(data) = &self.data {
            map.serialize_entry("data", data)?;
        }
        if let Some(length) = &self.length {
            map.serialize_entry("length", length)?;
        }
        if let Some(times) = &self.times {
            map.serialize_entry("times", times)?;
        }
        map.end()
    }
}

impl Serialize for Wire {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [Spot { value: WireItem::Hex(hex), .. }] => hex.serialize(serializer),
            items => items.serialize(serializer),
        }
    }
}

impl Serialize for WireItem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = match self {
            WireItem::Hex(hex) => return hex.serialize(serializer),
            WireItem::Tamper(_) | WireItem::Tls(_) => serializer.serialize_map(Some(1))?,
        };
        match self {
            WireItem::Tamper(tamper) => map.serialize_entry("tamper", tamper)?,
            WireItem::Tls(fault) => map.serialize_entry("tls", fault)?,
            WireItem::Hex(_) => {}
        }
        map.end()
    }
}

impl Serialize for FieldsBeside {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|part| &part.value))
    }
}

impl Serialize for FieldsPart {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            FieldsPart::Item(item) => item.serialize(serializer),
            FieldsPart::Frame(frame) => frame.serialize(serializer),
        }
    }
}

/// Implements a schema of the given name and JSON.
macro_rules! schema {
    ($type:ty, $name:literal, |$generator:ident| $json:tt) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                json_schema!($json)
            }
        }
    };
}

schema!(Data, "Data", |generator| {
    "description": "Bytes: a hexadecimal text, or a list of items one after the other.",
    "anyOf": [generator.subschema_for::<Hex>(), {"type": "array", "items": generator.subschema_for::<Item>()}]
});

schema!(Item, "Item", |generator| {
    "description": "A stretch of bytes: hexadecimal text; {TYPE: VALUE} with a type of the formats, such as \
        {int32: 7}, {string: {setting: otter_root}} or {ack: {value: 2000}}, where an acknowledgement's encryption, \
        vector and server version are filled in from the run unless given; or any, bind, ref or one_of, whose values \
        are hexadecimal text (the first three stand for all bytes that are left).",
    "anyOf": [
        generator.subschema_for::<Hex>(),
        generator.subschema_for::<Symbol>(),
        {
            "type": "object", "minProperties": 1, "maxProperties": 1,
            "additionalProperties": generator.subschema_for::<Value>()
        }
    ]
});

schema!(Frame, "Frame", |generator| {
    "description": "One message in plaintext: the whole frame in hexadecimal, its length included, or its fields.",
    "anyOf": [generator.subschema_for::<Hex>(), generator.subschema_for::<FrameFields>()]
});

schema!(FrameFields, "FrameFields", |generator| {
    "type": "object", "required": ["command"], "additionalProperties": false,
    "properties": {
        "target": {
            "description": "Client to agent in v1 only: meta, otter, buildmaster, hedgehog or a number; meta unless given.",
            "anyOf": [generator.subschema_for::<Value>()]
        },
        "command": generator.subschema_for::<Value>(),
        "data": generator.subschema_for::<Data>(),
        "length": {"type": "integer", "description": "The length that the frame says it has; the right one unless given."},
        "times": {
            "type": "integer", "minimum": 1, "maximum": 1_000_000,
            "description": "How many such messages there are, one behind the other; one unless given. `number` tells them apart."
        }
    }
});

schema!(Wire, "Wire", |generator| {
    "description": "Raw bytes below AES and TLS: a hexadecimal text, or a list of items one after the other.",
    "anyOf": [generator.subschema_for::<Hex>(), {"type": "array", "items": generator.subschema_for::<WireItem>()}]
});

schema!(WireItem, "WireItem", |generator| {
    "anyOf": [
        generator.subschema_for::<Hex>(),
        {
            "type": "object", "required": ["tamper"], "additionalProperties": false,
            "properties": {"tamper": generator.subschema_for::<Tamper>()}
        },
        {
            "type": "object", "required": ["tls"], "additionalProperties": false,
            "properties": {"tls": generator.subschema_for::<TlsFault>()}
        }
    ]
});

schema!(FieldsBeside, "FieldsBeside", |generator| {
    "description": "Beside hexadecimal `bytes` typed items, beside hexadecimal `frames` messages by their fields; they \
        must encode to the same bytes.",
    "anyOf": [
        generator.subschema_for::<FieldsPart>(),
        {"type": "array", "items": generator.subschema_for::<FieldsPart>()}
    ]
});

schema!(FieldsPart, "FieldsPart", |generator| {
    "anyOf": [generator.subschema_for::<Item>(), generator.subschema_for::<FrameFields>()]
});
