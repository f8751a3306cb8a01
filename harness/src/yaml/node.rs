//! The tree of a YAML text, with the position of every key and value.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::{Source, Span};
use crate::finding::Finding;

/// The largest vector or manifest file that is read, in bytes.
const LARGEST_FILE: usize = 8 << 20;

/// One value of a YAML text and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where the value stands.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// The kinds of YAML values.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// Text, quoted or plain.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order written.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// The value under a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(k, _)| k.text() == Some(key)).map(|(_, value)| value)
    }

    /// The entries of a mapping; none for anything else.
    pub fn entries(&self) -> &[(Node, Node)] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    /// The items of a list; none for anything else.
    pub fn items(&self) -> &[Node] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    /// The text of a scalar that is text.
    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// A span that a reader can see: that of the first key or item where the node's own is empty.
    pub fn visible_span(&self) -> Span {
        match &self.value {
            Value::Map(entries) if self.span.len == 0 => {
                entries.first().map_or(self.span, |(key, _)| key.span)
            }
            Value::List(items) if self.span.len == 0 => items.first().map_or(self.span, Node::visible_span),
            _ => self.span,
        }
    }
}

/// Parses a text into its tree.
///
/// # Errors
///
/// A finding at the place where the text stops being YAML, holds a key twice, an anchor or alias
/// (vectors spell everything out), more than 64 levels, or is larger than 8 MiB.
pub fn parse(source: &std::sync::Arc<Source>) -> Result<Node, Finding> {
    if source.text.len() > LARGEST_FILE {
        let what = format!("the file has {} bytes; at most {LARGEST_FILE} are read", source.text.len());
        return Err(Finding::new(source, Span::default(), what));
    }
    serde_saphyr::from_str_with_options(&source.text, options())
        .map_err(|error| syntax_finding(source, &error))
}

fn options() -> serde_saphyr::Options {
    let mut options = serde_saphyr::Options::default();
    options.with_snippet = false;
    options.strict_booleans = true;
    if let Some(budget) = options.budget.as_mut() {
        budget.max_anchors = 0;
        budget.max_aliases = 0;
        budget.max_merge_keys = 0;
        budget.max_nodes = 2_000_000;
        budget.max_events = 4_000_000;
        budget.max_depth = 64;
    }
    options
}

fn syntax_finding(source: &std::sync::Arc<Source>, error: &serde_saphyr::Error) -> Finding {
    let message = error.without_snippet().to_string();
    let message = plain_words(message.split(" at line ").next().unwrap_or(&message));
    let Some(location) = error.location() else {
        return Finding::new(source, Span::default(), format!("not readable as YAML: {message}"));
    };
    let line = usize::try_from(location.line()).unwrap_or(1);
    let column = usize::try_from(location.column()).unwrap_or(1);
    let start = source
        .text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum::<usize>()
        .min(source.text.len());
    let within = source.text[start..].char_indices().nth(column.saturating_sub(1)).map_or(0, |(at, _)| at);
    Finding::new(source, Span { start: start + within, len: 1 }, format!("not readable as YAML: {message}"))
}

/// A parser's message in words for those who write the file, not for those who call the parser.
fn plain_words(message: &str) -> String {
    let begins = |start: &str| message.starts_with(start);
    if let Some(key) = message.strip_prefix("duplicate mapping key: ") {
        let key = key.split(", set DuplicateKeyPolicy").next().unwrap_or(key);
        format!("a second member `{key}`")
    } else if begins("budget breached: Anchors") || begins("budget breached: Alias") || begins("alias ") {
        "anchors and aliases are not read: write it out".to_owned()
    } else if begins("budget breached: MergeKeys") {
        "merge keys are not read: write it out".to_owned()
    } else if begins("budget breached: Depth") {
        "more than 64 levels".to_owned()
    } else if begins("multiple YAML documents") {
        "a second document; there may be one".to_owned()
    } else {
        message.to_owned()
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        let place = spanned.referenced.span();
        let size = |bytes: Option<_>| bytes.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let span = Span { start: size(place.byte_offset()), len: size(place.byte_len()) };
        Ok(Node { span, value: spanned.value })
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
        f.write_str("any YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Value::Map(entries))
    }
}
