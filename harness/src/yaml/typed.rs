//! From a [`Node`] to a typed value, by `serde`, with errors that know their place.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{
    self, Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::{Serialize, Serializer};

use super::{Node, Span, Value};

/// The struct name by which [`Spot`] asks the deserializer for the position too.
const SPOT: &str = "$iaspec_spot";

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Spot<T> {
    /// Where it stands in its source.
    pub span: Span,
    /// What was read.
    pub value: T,
}

impl<T> Spot<T> {
    /// Something made of the value, at the same place.
    pub fn map<U>(&self, make: impl FnOnce(&T) -> U) -> Spot<U> {
        Spot { span: self.span, value: make(&self.value) }
    }
}

impl<T> Deref for Spot<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// The positions are for findings; what is written out is the value alone.
impl<T: Serialize> Serialize for Spot<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<T: JsonSchema> JsonSchema for Spot<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spot<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(SPOT, SpotVisitor(PhantomData))
    }
}

struct SpotVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SpotVisitor<T> {
    type Value = Spot<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value with its position")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Spot<T>, A::Error> {
        let missing = || de::Error::custom("a position is read from a node only");
        let start = access.next_element()?.ok_or_else(missing)?;
        let len = access.next_element()?.ok_or_else(missing)?;
        let value = access.next_element()?.ok_or_else(missing)?;
        Ok(Spot { span: Span { start, len }, value })
    }
}

/// Why a node is not what was expected there, and the innermost place that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct TypedError {
    /// The place; `None` only while the error travels up to the node that knows it.
    span: Option<Span>,
    /// What is wrong, completing "FILE:LINE:COLUMN: …".
    pub message: String,
}

impl TypedError {
    /// The place of the mistake.
    pub fn span(&self) -> Span {
        self.span.unwrap_or_default()
    }

    fn at(mut self, span: Span) -> Self {
        self.span.get_or_insert(span);
        self
    }
}

impl fmt::Display for TypedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TypedError {}

impl de::Error for TypedError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { span: None, message: message.to_string() }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        if found == Unexpected::UnitVariant {
            return Self::custom("it needs a value: write it as a member");
        }
        Self::custom(format_args!("expected {}, found {}", words(&expected.to_string()), kind(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let expected = expected.to_string();
        Self::custom(format_args!("{} is out of range; expected {}", kind(found), words(&expected)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format_args!("`{field}` is missing"))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!("unknown member `{field}`; {}", one_of(expected)))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!("`{variant}` is not known here; {}", one_of(expected)))
    }
}

/// What a Rust type expects, in the words of YAML.
fn words(expected: &str) -> &str {
    match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" | "u32" | "u64" | "usize" => "a whole number that is not negative",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "a string" => "text",
        "a sequence" => "a list",
        "a map" => "a mapping",
        "field identifier" | "variant identifier" => "a name",
        other if other.starts_with("struct ") => "a mapping",
        other => other,
    }
}

/// What stands there, in the words of YAML.
fn kind(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("the number {value}"),
        Unexpected::Signed(value) => format!("the number {value}"),
        Unexpected::Float(value) => format!("the number {value}"),
        Unexpected::Str(text) => format!("text {text:?}"),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a mapping".to_owned(),
        other => other.to_string(),
    }
}

fn one_of(expected: &[&str]) -> String {
    match expected {
        [] => "none is allowed".to_owned(),
        [one] => format!("expected `{one}`"),
        many => {
            let quoted: Vec<_> = many.iter().map(|name| format!("`{name}`")).collect();
            format!("expected one of {}", quoted.join(", "))
        }
    }
}

/// Reads a typed value from a node.
///
/// # Errors
///
/// The first mistake, with its innermost place.
pub fn from_node<T: DeserializeOwned>(node: &Node) -> Result<T, TypedError> {
    T::deserialize(node)
}

impl<'de> Deserializer<'de> for &Node {
    type Error = TypedError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypedError> {
        let result = match &self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => visit_integer(*value, visitor),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(value) => visitor.visit_str(value),
            Value::List(items) => visitor.visit_seq(Items(items.iter())),
            Value::Map(entries) => visitor.visit_map(Entries { rest: entries.iter(), value: None }),
        };
        result.map_err(|error| error.at(self.visible_span()))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypedError> {
        if self.value == Value::Null { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, TypedError> {
        if name == SPOT {
            visitor
                .visit_seq(SpotParts { node: self, next: 0 })
                .map_err(|error| error.at(self.visible_span()))
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TypedError> {
        let result = match &self.value {
            Value::Text(name) => visitor.visit_enum(name.as_str().into_deserializer()),
            Value::Map(entries) if entries.len() == 1 => {
                visitor.visit_enum(Variant { key: &entries[0].0, content: &entries[0].1 })
            }
            Value::Map(entries) => {
                let found: Vec<_> = entries.iter().filter_map(|(key, _)| key.text()).collect();
                Err(de::Error::custom(format_args!(
                    "expected exactly one member, found {} ({}); {}",
                    entries.len(),
                    found.join(", "),
                    one_of(variants)
                )))
            }
            other => {
                let expected = one_of(variants);
                let expected = expected.strip_prefix("expected ").unwrap_or(&expected);
                Err(de::Error::invalid_type(other.unexpected(), &expected))
            }
        };
        result.map_err(|error| error.at(self.visible_span()))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl Value {
    fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Value::Null => Unexpected::Unit,
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Integer(value) => {
                i64::try_from(*value).map_or(Unexpected::Other("huge number"), Unexpected::Signed)
            }
            Value::Float(value) => Unexpected::Float(*value),
            Value::Text(value) => Unexpected::Str(value),
            Value::List(_) => Unexpected::Seq,
            Value::Map(_) => Unexpected::Map,
        }
    }
}

fn visit_integer<'de, V: Visitor<'de>>(value: i128, visitor: V) -> Result<V::Value, TypedError> {
    if let Ok(value) = i64::try_from(value) {
        visitor.visit_i64(value)
    } else if let Ok(value) = u64::try_from(value) {
        visitor.visit_u64(value)
    } else {
        Err(de::Error::custom(format_args!("the number {value} is too large")))
    }
}

struct Items<'a>(std::slice::Iter<'a, Node>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = TypedError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, TypedError> {
        self.0
            .next()
            .map(|node| seed.deserialize(node).map_err(|error| error.at(node.visible_span())))
            .transpose()
    }
}

struct Entries<'a> {
    rest: std::slice::Iter<'a, (Node, Node)>,
    value: Option<&'a Node>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = TypedError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, TypedError> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some(value);
        seed.deserialize(key).map(Some).map_err(|error| error.at(key.visible_span()))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, TypedError> {
        let value = self.value.take().ok_or_else(|| de::Error::custom("a value without a key"))?;
        seed.deserialize(value).map_err(|error| error.at(value.visible_span()))
    }
}

struct SpotParts<'a> {
    node: &'a Node,
    next: usize,
}

impl<'de> SeqAccess<'de> for SpotParts<'_> {
    type Error = TypedError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, TypedError> {
        self.next += 1;
        let span = self.node.visible_span();
        match self.next {
            1 => seed.deserialize(span.start.into_deserializer()).map(Some),
            2 => seed.deserialize(span.len.into_deserializer()).map(Some),
            3 => seed.deserialize(self.node).map(Some),
            _ => Ok(None),
        }
    }
}

struct Variant<'a> {
    key: &'a Node,
    content: &'a Node,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = TypedError;
    type Variant = VariantContent<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, VariantContent<'a>), TypedError> {
        let name = seed.deserialize(self.key).map_err(|error| error.at(self.key.visible_span()))?;
        Ok((name, VariantContent(self.content)))
    }
}

struct VariantContent<'a>(&'a Node);

impl<'de> VariantAccess<'de> for VariantContent<'_> {
    type Error = TypedError;

    fn unit_variant(self) -> Result<(), TypedError> {
        if self.0.value == Value::Null {
            return Ok(());
        }
        Err(TypedError { span: Some(self.0.visible_span()), message: "takes no value".to_owned() })
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, TypedError> {
        seed.deserialize(self.0).map_err(|error| error.at(self.0.visible_span()))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, TypedError> {
        self.0.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TypedError> {
        self.0.deserialize_any(visitor)
    }
}
