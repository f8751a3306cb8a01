//! Values inside a transcript: literals, and symbols that stand for what only a run knows.

use std::borrow::Cow;
use std::fmt;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::scalars::Name;
use crate::yaml::{Span, Spot};

/// The most bytes that `repeat` may make.
const LONGEST_REPEAT: usize = crate::hex_text::LARGEST;

/// A value of the codec contract, at any depth of which a symbol may stand.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number, text, `true`, `false` or nothing.
    Literal(Json),
    /// A list.
    List(Vec<Spot<Value>>),
    /// Fields by name.
    Fields(IndexMap<String, Spot<Value>>),
    /// What only a run knows.
    Symbol(Symbol),
}

/// What stands in the place of a value. All but `setting`, `ref`, `repeat` and `number` are matchers: they can stand only where
/// something is checked, and say what stands there when that side is played.
#[derive(Clone, Debug, PartialEq)]
pub enum Symbol {
    /// `any: {play: V}`: whatever comes will do.
    Any {
        /// What it is when played.
        play: Option<Box<Spot<Value>>>,
    },
    /// `one_of: [V, …]`: one of these; played is the first.
    OneOf(Vec<Spot<Value>>),
    /// `setting: NAME`: the value that the subject was started with.
    Setting(Spot<SettingName>),
    /// `range: {from: N, to: M}`: both ends belong to it; played is the lower one.
    Range {
        /// The lower end.
        from: Spot<Bound>,
        /// The upper end.
        to: Spot<Bound>,
    },
    /// `{bind: NAME, play: V}` or `{bind: NAME, is: MATCHER}`: what comes gets a name.
    Bind {
        /// The name.
        name: Spot<Name>,
        /// What it is when played.
        play: Option<Box<Spot<Value>>>,
        /// What must come; its played value is that of the whole.
        is: Option<Box<Spot<Value>>>,
    },
    /// `ref: NAME`: what was bound before.
    Ref(Spot<Name>),
    /// `{repeat: TEXT, count: N}`: long text or hexadecimal bytes.
    Repeat {
        /// What is repeated.
        repeat: Spot<String>,
        /// How often.
        count: Spot<usize>,
    },
    /// `number: N`: the number of a message among those of a frame that stands `times` over, counted from N.
    Number(Spot<i32>),
    /// `lacks: [TEXT, …]`: a text in which none of these occurs, or a list in none of whose texts one does.
    Lacks(Vec<Spot<String>>),
}

/// An end of a range: a number, or a decimal number as text where the type is shown as text (int64, datetime).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The number.
    pub number: i64,
    /// Whether it is written as text.
    pub text: bool,
}

impl Bound {
    fn json(self) -> Json {
        if self.text { Json::String(self.number.to_string()) } else { Json::from(self.number) }
    }
}

/// What `setting` can name: the placeholders of manifests that have a value in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the contract's")]
pub enum SettingName {
    Host,
    Port,
    AesKey,
    HandshakeTimeoutMs,
    SessionTimeoutMs,
    MaxConcurrentHandshakes,
    AllowedAddresses,
    OtterRoot,
    BuildmasterRoot,
    HedgehogRoot,
    UpdateDir,
    RingCapacity,
    ShmDir,
    StateDir,
}

impl SettingName {
    /// Whether its value is a number.
    pub fn is_number(self) -> bool {
        use SettingName as S;
        matches!(
            self,
            S::Port
                | S::HandshakeTimeoutMs
                | S::SessionTimeoutMs
                | S::MaxConcurrentHandshakes
                | S::RingCapacity
        )
    }
}

/// What a run knows while it plays a side.
pub trait Known {
    /// The value of a setting.
    fn setting(&self, name: SettingName) -> Option<Json>;
    /// What was bound to a name.
    fn binding(&self, name: &str) -> Option<Json>;
    /// The number, from 0, of the message among those of a frame that stands several times.
    fn number(&self) -> i32 {
        0
    }
}

/// Why there is nothing to play.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unplayable {
    /// The symbol without a value.
    pub span: Span,
    /// What is missing.
    pub missing: Missing,
}

/// What is missing to play a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The matcher does not say what it is when played.
    PlayedValue,
    /// The run has no such setting.
    Setting(SettingName),
    /// Nothing was bound to the name.
    Binding(String),
    /// It cannot be repeated so often.
    Repetition(String),
}

impl Spot<Value> {
    /// The value that stands here when its side is played.
    ///
    /// # Errors
    ///
    /// The first symbol, in the order written, for which there is none.
    pub fn played(&self, known: &dyn Known) -> Result<Json, Unplayable> {
        match &self.value {
            Value::Literal(literal) => Ok(literal.clone()),
            Value::List(items) => items.iter().map(|item| item.played(known)).collect(),
            Value::Fields(fields) => {
                let members = fields.iter().map(|(name, value)| Ok((name.clone(), value.played(known)?)));
                Ok(Json::Object(members.collect::<Result<Map<_, _>, _>>()?))
            }
            Value::Symbol(symbol) => symbol.played(self.span, known),
        }
    }

    /// Calls a function for each symbol in this value, and for those within symbols.
    pub fn symbols<'a>(&'a self, found: &mut dyn FnMut(Span, &'a Symbol)) {
        match &self.value {
            Value::Literal(_) => {}
            Value::List(items) => items.iter().for_each(|item| item.symbols(found)),
            Value::Fields(fields) => fields.values().for_each(|value| value.symbols(found)),
            Value::Symbol(symbol) => symbol.symbols(self.span, found),
        }
    }
}

impl Symbol {
    /// The value of a symbol that stands at a place, when its side is played.
    ///
    /// # Errors
    ///
    /// The symbol has none.
    pub fn played(&self, span: Span, known: &dyn Known) -> Result<Json, Unplayable> {
        let lacking = |missing| Unplayable { span, missing };
        match self {
            Symbol::Any { play: Some(value) }
            | Symbol::Bind { play: Some(value), .. }
            | Symbol::Bind { is: Some(value), .. } => value.played(known),
            Symbol::Number(from) => Ok(from.value.wrapping_add(known.number()).into()),
            Symbol::Any { play: None } | Symbol::Bind { .. } | Symbol::Lacks(_) => {
                Err(lacking(Missing::PlayedValue))
            }
            Symbol::OneOf(values) => {
                values.first().ok_or_else(|| lacking(Missing::PlayedValue))?.played(known)
            }
            Symbol::Setting(name) => {
                known.setting(name.value).ok_or_else(|| lacking(Missing::Setting(name.value)))
            }
            Symbol::Range { from, .. } => Ok(from.value.json()),
            Symbol::Ref(name) => {
                known.binding(&name.value.0).ok_or_else(|| lacking(Missing::Binding(name.value.0.clone())))
            }
            Symbol::Repeat { repeat, count } => match repeat.len().checked_mul(count.value) {
                Some(length) if length <= LONGEST_REPEAT => Ok(Json::String(repeat.repeat(count.value))),
                _ => Err(lacking(Missing::Repetition(format!("more than {LONGEST_REPEAT} bytes")))),
            },
        }
    }

    /// The word by which it is written.
    pub fn name(&self) -> &'static str {
        match self {
            Symbol::Any { .. } => "any",
            Symbol::OneOf(_) => "one_of",
            Symbol::Setting(_) => "setting",
            Symbol::Range { .. } => "range",
            Symbol::Bind { .. } => "bind",
            Symbol::Ref(_) => "ref",
            Symbol::Repeat { .. } => "repeat",
            Symbol::Number(_) => "number",
            Symbol::Lacks(_) => "lacks",
        }
    }

    /// Whether it can stand only where something is checked.
    pub fn is_matcher(&self) -> bool {
        !matches!(self, Symbol::Setting(_) | Symbol::Ref(_) | Symbol::Repeat { .. } | Symbol::Number(_))
    }

    /// Calls a function for this symbol and for those within it.
    pub fn symbols<'a>(&'a self, span: Span, found: &mut dyn FnMut(Span, &'a Symbol)) {
        found(span, self);
        match self {
            Symbol::Any { play } => play.iter().for_each(|value| value.symbols(found)),
            Symbol::OneOf(values) => values.iter().for_each(|value| value.symbols(found)),
            Symbol::Bind { play, is, .. } => play.iter().chain(is).for_each(|value| value.symbols(found)),
            Symbol::Setting(_)
            | Symbol::Range { .. }
            | Symbol::Ref(_)
            | Symbol::Repeat { .. }
            | Symbol::Number(_)
            | Symbol::Lacks(_) => {}
        }
    }

    /// Reads a symbol whose first key is already known; `None` when that key begins none.
    pub(super) fn read<'de, A: MapAccess<'de>>(key: &str, map: &mut A) -> Result<Option<Self>, A::Error> {
        let symbol = match key {
            "any" => Symbol::Any { play: map.next_value::<AnyMember>()?.play.map(Box::new) },
            "one_of" => Symbol::OneOf(map.next_value::<Several>()?.0),
            "setting" => Symbol::Setting(map.next_value()?),
            "range" => {
                let Ends { from, to } = map.next_value()?;
                Symbol::Range { from, to }
            }
            "ref" => Symbol::Ref(map.next_value()?),
            "number" => Symbol::Number(map.next_value()?),
            "lacks" => Symbol::Lacks(map.next_value()?),
            "bind" | "play" | "is" => return read_bind(key, map).map(Some),
            "repeat" | "count" => return read_repeat(key, map).map(Some),
            _ => return Ok(None),
        };
        nothing_beside(key, map)?;
        Ok(Some(symbol))
    }
}

#[derive(Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    default,
    expecting = "`any: {play: VALUE}`, or `any: {}` where it is never played"
)]
struct AnyMember {
    play: Option<Spot<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "`range: {from: NUMBER, to: NUMBER}`")]
struct Ends {
    from: Spot<Bound>,
    to: Spot<Bound>,
}

/// The values of `one_of`: at least one, so that there is one to play.
struct Several(Vec<Spot<Value>>);

impl<'de> Deserialize<'de> for Several {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values: Vec<Spot<Value>> = Vec::deserialize(deserializer)?;
        if values.is_empty() {
            Err(D::Error::custom("`one_of` lists at least one value"))
        } else {
            Ok(Self(values))
        }
    }
}

/// A key that must not come beside another; the error then stands at it.
struct NothingBeside<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for NothingBeside<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let key = String::deserialize(deserializer)?;
        Err(D::Error::custom(format_args!("`{key}` cannot stand beside `{}`", self.0)))
    }
}

/// Sees to it that a mapping has ended after a key.
pub(super) fn nothing_beside<'de, A: MapAccess<'de>>(key: &str, map: &mut A) -> Result<(), A::Error> {
    match map.next_key_seed(NothingBeside(key))? {
        None => Ok(()),
        Some(()) => map.next_value::<IgnoredAny>().map(|_| ()),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum BindKey {
    Bind,
    Play,
    Is,
}

fn read_bind<'de, A: MapAccess<'de>>(first: &str, map: &mut A) -> Result<Symbol, A::Error> {
    let mut key = Some(match first {
        "bind" => BindKey::Bind,
        "play" => BindKey::Play,
        _ => BindKey::Is,
    });
    let (mut name, mut play, mut is) = (None, None, None);
    while let Some(current) = key {
        match current {
            BindKey::Bind => name = Some(map.next_value()?),
            BindKey::Play => play = Some(Box::new(map.next_value()?)),
            BindKey::Is => is = Some(Box::new(map.next_value()?)),
        }
        key = map.next_key()?;
    }
    let name = name.ok_or_else(|| A::Error::missing_field("bind"))?;
    if play.is_some() && is.is_some() {
        return Err(A::Error::custom(
            "`bind` takes `play` or `is`, not both; `is` brings its own played value",
        ));
    }
    Ok(Symbol::Bind { name, play, is })
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum RepeatKey {
    Repeat,
    Count,
}

fn read_repeat<'de, A: MapAccess<'de>>(first: &str, map: &mut A) -> Result<Symbol, A::Error> {
    let mut key = Some(if first == "repeat" { RepeatKey::Repeat } else { RepeatKey::Count });
    let (mut repeat, mut count) = (None, None);
    while let Some(current) = key {
        match current {
            RepeatKey::Repeat => repeat = Some(map.next_value::<Spot<String>>()?),
            RepeatKey::Count => count = Some(map.next_value::<Spot<usize>>()?),
        }
        key = map.next_key()?;
    }
    let repeat = repeat.ok_or_else(|| A::Error::missing_field("repeat"))?;
    let count = count.ok_or_else(|| A::Error::missing_field("count"))?;
    if repeat.len().saturating_mul(count.value) > LONGEST_REPEAT {
        return Err(A::Error::custom(format_args!(
            "{} times {} bytes are more than {LONGEST_REPEAT}",
            count.value,
            repeat.len()
        )));
    }
    Ok(Symbol::Repeat { repeat, count })
}

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct End;
        impl Visitor<'_> for End {
            type Value = Bound;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, or one as text")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Bound, E> {
                Ok(Bound { number, text: false })
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Bound, E> {
                i64::try_from(number)
                    .map(|number| Bound { number, text: false })
                    .map_err(|_| E::custom(format_args!("{number} is more than 64 bits with sign can hold")))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Bound, E> {
                text.parse()
                    .map(|number| Bound { number, text: true })
                    .map_err(|_| E::custom(format_args!("`{text}` is not a decimal number of 64 bits")))
            }
        }
        deserializer.deserialize_any(End)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or a symbol")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Literal(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Literal(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Literal(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Err(E::custom(format_args!("{value} is no whole number; the protocol has no other")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Literal(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Literal(Json::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = IndexMap::new();
        while let Some(key) = map.next_key::<String>()? {
            if fields.is_empty()
                && let Some(symbol) = Symbol::read(&key, &mut map)?
            {
                return Ok(Value::Symbol(symbol));
            }
            fields.insert(key, map.next_value()?);
        }
        Ok(Value::Fields(fields))
    }
}

impl Serialize for Bound {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json().serialize(serializer)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Literal(literal) => literal.serialize(serializer),
            Value::List(items) => items.serialize(serializer),
            Value::Fields(fields) => fields.serialize(serializer),
            Value::Symbol(symbol) => symbol.serialize(serializer),
        }
    }
}

impl Serialize for Symbol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Symbol::Any { play } => {
                let members: IndexMap<_, _> = play.iter().map(|value| ("play", value)).collect();
                map.serialize_entry("any", &members)?;
            }
            Symbol::OneOf(values) => map.serialize_entry("one_of", values)?,
            Symbol::Setting(name) => map.serialize_entry("setting", name)?,
            Symbol::Range { from, to } => {
                map.serialize_entry("range", &IndexMap::from([("from", from), ("to", to)]))?;
            }
            Symbol::Bind { name, play, is } => {
                map.serialize_entry("bind", name)?;
                for (key, value) in [("play", play), ("is", is)] {
                    if let Some(value) = value {
                        map.serialize_entry(key, value)?;
                    }
                }
            }
            Symbol::Ref(name) => map.serialize_entry("ref", name)?,
            Symbol::Number(from) => map.serialize_entry("number", from)?,
            Symbol::Lacks(texts) => map.serialize_entry("lacks", texts)?,
            Symbol::Repeat { repeat, count } => {
                map.serialize_entry("repeat", repeat)?;
                map.serialize_entry("count", count)?;
            }
        }
        map.end()
    }
}

impl JsonSchema for Value {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let symbol = generator.subschema_for::<Symbol>();
        let value = generator.subschema_for::<Value>();
        json_schema!({
            "description": "A value of the codec contract; a symbol may stand for it or for any part of it.",
            "anyOf": [
                {"type": ["null", "boolean", "integer", "string"]},
                {"type": "array", "items": value},
                symbol,
                {"type": "object", "additionalProperties": value}
            ]
        })
    }
}

impl JsonSchema for Symbol {
    fn schema_name() -> Cow<'static, str> {
        "Symbol".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<Value>();
        let name = generator.subschema_for::<Name>();
        let setting = generator.subschema_for::<SettingName>();
        let bound =
            json_schema!({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^-?[0-9]+$"}]});
        let alone = |key: &str, schema: &Schema, description: &str| {
            json_schema!({
                "type": "object", "description": description,
                "required": [key], "properties": {key: schema}, "additionalProperties": false
            })
        };
        let any = json_schema!({
            "type": "object", "properties": {"play": value}, "additionalProperties": false
        });
        let range = json_schema!({
            "type": "object", "required": ["from", "to"],
            "properties": {"from": bound, "to": bound}, "additionalProperties": false
        });
        let texts = json_schema!({"type": "array", "items": {"type": "string"}, "minItems": 1});
        let several = json_schema!({"type": "array", "items": value, "minItems": 1});
        json_schema!({
            "description": "What stands in the place of a value. any, one_of, range, lacks and bind are matchers: they stand \
                only where something is checked, and say what it is when that side is played.",
            "anyOf": [
                alone("any", &any, "Whatever comes will do; `play` is what it is when played."),
                alone("one_of", &several, "One of these values; played is the first."),
                alone("setting", &setting, "The value that the subject was started with."),
                alone("range", &range, "Both ends belong to it; played is the lower one."),
                alone("ref", &name, "What an earlier `bind` named."),
                alone("number", &json_schema!({"type": "integer"}), "The number of a message among those of a frame \
                    that stands `times` over, counted from this one."),
                alone("lacks", &texts, "A text in which none of these occurs, or a list in none of whose texts one \
                    does. It cannot be played."),
                {
                    "type": "object", "required": ["bind"], "additionalProperties": false,
                    "description": "What comes gets a name; `play` is what it is when played, or `is` a value or \
                        matcher that it must meet.",
                    "properties": {"bind": name, "play": value, "is": value}
                },
                {
                    "type": "object", "required": ["repeat", "count"], "additionalProperties": false,
                    "description": "Long text or hexadecimal bytes.",
                    "properties": {"repeat": {"type": "string"}, "count": {"type": "integer", "minimum": 0}}
                }
            ]
        })
    }
}
