//! Whether what a subject sent in a conversation is what the transcript expects: pure functions of the two.
//!
//! [`Matching::data`] compares handshake bytes and the data of messages, [`Matching::frame`] whole messages. What a
//! matcher binds comes back as [`Bindings`]; what differs as a [`Mismatch`] that names the field.

mod frames;

use std::borrow::Cow;

use serde_json::{Map, Value as Json};

use crate::format::{AES_BLOCK, ByteDifference, Formats};
use crate::hex_text::{self, amount};
use crate::vectors::transcript::data::{Data, Item};
use crate::vectors::transcript::op::Expected;
use crate::vectors::transcript::play::{Player, Unbuildable, agent_type};
use crate::vectors::transcript::value::{Symbol, Value};
use crate::verdict::clip;
use crate::yaml::{Span, Spot};

pub use frames::{Cut, good_length};

/// Names that values got, in the order in which they were met.
pub type Bindings = Vec<(String, Json)>;

/// How what came differs from what was expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// What is wrong, in one sentence.
    pub summary: String,
    /// What was expected.
    pub expected: String,
    /// What came.
    pub actual: String,
    /// The clause that this breaks, where that is known whatever the case is about.
    pub clause: Option<&'static str>,
    /// Both side by side.
    pub bytes: Option<ByteDifference>,
}

/// Compares by the formats, with what the run knows.
#[derive(Clone, Copy)]
pub struct Matching<'a> {
    /// Builds what a side that is played sends, and knows settings and bindings.
    pub player: Player<'a>,
    /// Whether responses may carry any command (knob `response_code`).
    pub any_command: bool,
    /// Whether the data of a message may have zero bytes behind it, up to a multiple of 16 of its AES plaintext (AES-3).
    pub zero_padded: bool,
}

/// A field whose value is not the expected one.
struct Off {
    path: String,
    expected: String,
    actual: String,
}

impl Matching<'_> {
    fn formats(&self) -> &Formats {
        self.player.formats
    }

    /// The bytes that are expected, where only these will do; `None` where a matcher leaves them open.
    ///
    /// # Errors
    ///
    /// A value that cannot be encoded, or that the run does not know.
    pub fn exact(&self, data: &Data) -> Result<Option<Vec<u8>>, Unbuildable> {
        let mut open = data.0.iter().any(|item| self.is_open(&item.value));
        data.symbols(&mut |_, symbol| open |= symbol.is_matcher());
        if open { Ok(None) } else { self.player.data(data).map(Some) }
    }

    /// Whether what an item does not name may be anything: in an acknowledgement the run's own, in JSON other members.
    fn is_open(&self, item: &Item) -> bool {
        let Item::Typed { type_name, .. } = item else { return false };
        self.formats().is_acknowledgement(&type_name.value) || self.formats().is_json(&type_name.value)
    }

    fn is_acknowledgement(&self, item: &Item) -> bool {
        let Item::Typed { type_name, .. } = item else { return false };
        self.formats().is_acknowledgement(&type_name.value)
    }

    /// How many bytes are expected of a side whose messages have no length of their own.
    ///
    /// # Errors
    ///
    /// As of [`Matching::exact`].
    pub fn length(&self, data: &Data) -> Result<usize, Unbuildable> {
        data.0.iter().map(|item| Ok(self.sample_item(&item.value, item.span)?.len())).sum()
    }

    fn sample_item(&self, item: &Item, span: Span) -> Result<Vec<u8>, Unbuildable> {
        match item {
            Item::Typed { type_name, value } => {
                let mut sample = self.sample(value);
                self.player.fill_acknowledgement(type_name, &mut sample);
                self.encode(type_name, &sample, value.span)
            }
            item => self.player.item(item, span),
        }
    }

    fn encode(&self, type_name: &str, value: &Json, span: Span) -> Result<Vec<u8>, Unbuildable> {
        let built = self.formats().encode(type_name, value, None);
        built.map_err(|error| Unbuildable::unencodable(span, error.to_string()))
    }

    /// A value that fits: the played one, or 0 where there is none.
    fn sample(&self, value: &Spot<Value>) -> Json {
        match &value.value {
            Value::Literal(literal) => literal.clone(),
            Value::List(items) => items.iter().map(|item| self.sample(item)).collect(),
            Value::Fields(fields) => {
                Json::Object(fields.iter().map(|(name, value)| (name.clone(), self.sample(value))).collect())
            }
            Value::Symbol(symbol) => symbol.played(value.span, self.player.known).unwrap_or(Json::from(0)),
        }
    }

    /// Compares some bytes, all of them.
    ///
    /// `type_hint` is the type that literal bytes are shown by.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub fn data(
        &self,
        data: &Data,
        actual: &[u8],
        type_hint: Option<&str>,
    ) -> Result<Bindings, Box<Mismatch>> {
        if let Ok(Some(expected)) = self.exact(data) {
            let hint = only_type(data).or(type_hint);
            let is_padded = actual.strip_prefix(&expected[..]).is_some_and(|rest| self.is_padding(rest));
            return match expected == actual || is_padded {
                true => Ok(Bindings::new()),
                false => Err(self.bytes_differ(hint, &expected, actual)),
            };
        }
        let mut bindings = Bindings::new();
        let mut rest = actual;
        for (place, item) in data.0.iter().enumerate() {
            let last = place + 1 == data.0.len();
            let used = self.item(&item.value, item.span, rest, last, type_hint, &mut bindings)?;
            rest = &rest[used..];
        }
        if rest.is_empty() || self.is_padding(rest) {
            return Ok(bindings);
        }
        let used = actual.len() - rest.len();
        Err(Box::new(Mismatch {
            summary: format!("{} left over behind the last field", amount(rest.len())),
            expected: amount(used),
            actual: amount(actual.len()),
            clause: None,
            bytes: None,
        }))
    }

    /// Whether bytes behind the data of a message are the zeros that fill its AES plaintext up.
    fn is_padding(&self, rest: &[u8]) -> bool {
        self.zero_padded && rest.len() < AES_BLOCK && rest.iter().all(|byte| *byte == 0)
    }

    /// Compares the members of a result; those that are not named may be anything.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub fn members(
        &self,
        expected: &Expected,
        actual: &Map<String, Json>,
    ) -> Result<Bindings, Box<Mismatch>> {
        let mut bindings = Bindings::new();
        for (name, value) in expected.values() {
            let found = actual.get(name).unwrap_or(&Json::Null);
            self.value(value, found, name, &mut bindings).map_err(|off| Box::new(off.mismatch(None)))?;
        }
        if let Some(data) = &expected.data {
            let found = actual.get("data").unwrap_or(&Json::Null);
            let bytes = found.as_str().and_then(|text| hex::decode(text).ok()).ok_or_else(|| {
                Box::new(Off::new("data", "hexadecimal digits".to_owned(), found).mismatch(None))
            })?;
            bindings.append(&mut self.data(data, &bytes, None)?);
        }
        Ok(bindings)
    }

    /// Compares the start of some bytes with an item, and tells how many it takes.
    fn item(
        &self,
        item: &Item,
        span: Span,
        actual: &[u8],
        last: bool,
        type_hint: Option<&str>,
        bindings: &mut Bindings,
    ) -> Result<usize, Box<Mismatch>> {
        match item {
            Item::Hex(hex) => {
                let expected = hex.bytes();
                let found = &actual[..expected.len().min(actual.len())];
                if expected == found {
                    return Ok(expected.len());
                }
                Err(self.bytes_differ(type_hint, &expected, found))
            }
            Item::Symbol(symbol) => {
                let found = Json::from(hex_text::encode(actual));
                self.symbol(symbol, span, &found, "bytes", bindings)
                    .map(|()| actual.len())
                    .map_err(|off| Box::new(off.mismatch(None)))
            }
            Item::Typed { type_name, value } => {
                let whole = if last { actual.len() } else { self.sample_length(item, span, actual.len()) };
                self.typed(type_name, value, &actual[..whole], bindings)
            }
        }
    }

    /// How many bytes an item takes that others follow.
    fn sample_length(&self, item: &Item, span: Span, most: usize) -> usize {
        if self.is_acknowledgement(item) {
            return self.sample_item(item, span).map_or(most, |sample| sample.len()).min(most);
        }
        most
    }

    fn typed(
        &self,
        type_name: &str,
        value: &Spot<Value>,
        actual: &[u8],
        bindings: &mut Bindings,
    ) -> Result<usize, Box<Mismatch>> {
        let decoded = match self.formats().decode(type_name, actual, None) {
            Ok(decoded) => decoded,
            Err(error) => {
                let bytes = self
                    .nearest(type_name, value, actual)
                    .and_then(|expected| self.formats().byte_difference(type_name, &expected, actual, None));
                return Err(Box::new(Mismatch {
                    summary: format!("field `{}` cannot be read: {}", error.path, error.reason),
                    expected: self.describe(value),
                    actual: amount(actual.len()),
                    clause: None,
                    bytes,
                }));
            }
        };
        let expected = self.with_run_defaults(type_name, value);
        match self.value(&expected, &decoded.value, type_name, bindings) {
            Ok(()) => Ok(decoded.used),
            Err(off) => {
                let mut filled = self.filled(&expected, &decoded.value);
                complete(&mut filled, &decoded.value);
                let wanted = self.encode(type_name, &filled, value.span).ok();
                let found = &actual[..decoded.used];
                let bytes =
                    wanted.and_then(|wanted| self.formats().byte_difference(type_name, &wanted, found, None));
                Err(Box::new(off.mismatch(bytes)))
            }
        }
    }

    /// The bytes that are expected, as near to what came as the matchers allow, where that is cut short.
    fn nearest(&self, type_name: &str, value: &Spot<Value>, actual: &[u8]) -> Option<Vec<u8>> {
        let mut completed = self.encode(type_name, &self.filled_sample(type_name, value), value.span).ok()?;
        let came = actual.len().min(completed.len());
        let sample = completed.clone();
        completed[..came].copy_from_slice(&actual[..came]);
        let Ok(decoded) = self.formats().decode(type_name, &completed, None) else { return Some(sample) };
        let mut filled = self.filled(&self.with_run_defaults(type_name, value), &decoded.value);
        complete(&mut filled, &decoded.value);
        self.encode(type_name, &filled, value.span).ok()
    }

    /// The expected value, with the run's encryption where an acknowledgement does not say any.
    fn with_run_defaults<'v>(&self, type_name: &str, value: &'v Spot<Value>) -> Cow<'v, Spot<Value>> {
        let is_ack = self.formats().is_acknowledgement(type_name);
        match &value.value {
            Value::Fields(fields) if is_ack && !fields.contains_key("encryption") => {
                let mut fields = fields.clone();
                let mode = Value::Literal(Json::from(self.player.ack.encryption));
                fields.insert("encryption".to_owned(), Spot { span: value.span, value: mode });
                Cow::Owned(Spot { span: value.span, value: Value::Fields(fields) })
            }
            _ => Cow::Borrowed(value),
        }
    }

    fn filled_sample(&self, type_name: &str, value: &Spot<Value>) -> Json {
        let mut sample = self.sample(value);
        self.player.fill_acknowledgement(type_name, &mut sample);
        sample
    }

    /// What is expected, as near to what came as the matchers allow.
    fn filled(&self, expected: &Spot<Value>, actual: &Json) -> Json {
        match &expected.value {
            Value::List(items) => items
                .iter()
                .enumerate()
                .map(|(place, item)| self.filled(item, actual.get(place).unwrap_or(&Json::Null)))
                .collect(),
            Value::Fields(fields) => {
                let fill = |(name, value): (&String, &Spot<Value>)| {
                    (name.clone(), self.filled(value, actual.get(name).unwrap_or(&Json::Null)))
                };
                Json::Object(fields.iter().map(fill).collect::<Map<_, _>>())
            }
            Value::Symbol(symbol) => {
                match self.symbol(symbol, expected.span, actual, "", &mut Bindings::new()) {
                    Ok(()) => actual.clone(),
                    Err(_) => self.sample(expected),
                }
            }
            Value::Literal(literal) => literal.clone(),
        }
    }

    /// Compares a value; fields that are not named may be anything.
    fn value(
        &self,
        expected: &Spot<Value>,
        actual: &Json,
        path: &str,
        bindings: &mut Bindings,
    ) -> Result<(), Off> {
        match &expected.value {
            Value::Literal(literal) if same(literal, actual) => Ok(()),
            Value::Literal(literal) => Err(Off::new(path, clip(&literal.to_string()), actual)),
            Value::List(items) => {
                let found = actual.as_array().map_or(&[][..], Vec::as_slice);
                if !actual.is_array() || found.len() != items.len() {
                    let expected = format!("{} items", items.len());
                    return Err(Off::new(path, expected, actual));
                }
                let mut pairs = items.iter().zip(found).enumerate();
                pairs.try_for_each(|(place, (item, found))| {
                    self.value(item, found, &format!("{path}[{place}]"), bindings)
                })
            }
            Value::Fields(fields) => fields.iter().try_for_each(|(name, value)| match actual.get(name) {
                Some(found) => self.value(value, found, name, bindings),
                None => Err(Off::new(name, self.describe(value), &Json::Null)),
            }),
            Value::Symbol(symbol) => self.symbol(symbol, expected.span, actual, path, bindings),
        }
    }

    fn symbol(
        &self,
        symbol: &Symbol,
        span: Span,
        actual: &Json,
        path: &str,
        bindings: &mut Bindings,
    ) -> Result<(), Off> {
        let fits = match symbol {
            Symbol::Any { .. } => true,
            Symbol::OneOf(values) => {
                values.iter().any(|value| self.value(value, actual, path, &mut Bindings::new()).is_ok())
            }
            Symbol::Range { from, to } => {
                let number = actual.as_i64().or_else(|| actual.as_str()?.parse().ok());
                number.is_some_and(|number| (from.number..=to.number).contains(&number))
            }
            Symbol::Bind { name, is, .. } => {
                if let Some(is) = is {
                    self.value(is, actual, path, bindings)?;
                }
                bindings.push((name.value.0.clone(), actual.clone()));
                true
            }
            Symbol::Lacks(texts) => {
                let holds = |found: &Json| {
                    texts.iter().any(|text| found.as_str().is_some_and(|found| found.contains(&text.value)))
                };
                match actual {
                    Json::Array(items) => !items.iter().any(holds),
                    Json::String(_) => !holds(actual),
                    _ => false,
                }
            }
            Symbol::Setting(_) | Symbol::Ref(_) | Symbol::Repeat { .. } | Symbol::Number(_) => {
                symbol.played(span, self.player.known).is_ok_and(|expected| same(&expected, actual))
            }
        };
        if fits { Ok(()) } else { Err(Off::new(path, self.describe_symbol(symbol, span), actual)) }
    }

    /// What is expected, in words.
    pub fn describe(&self, value: &Spot<Value>) -> String {
        match &value.value {
            Value::Literal(literal) => clip(&literal.to_string()),
            Value::Symbol(symbol) => self.describe_symbol(symbol, value.span),
            Value::List(items) => {
                let items: Vec<String> = items.iter().map(|item| self.describe(item)).collect();
                clip(&format!("[{}]", items.join(", ")))
            }
            Value::Fields(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(name, value)| format!("{name}: {}", self.describe(value))).collect();
                clip(&fields.join(", "))
            }
        }
    }

    fn describe_symbol(&self, symbol: &Symbol, span: Span) -> String {
        let played = || match symbol.played(span, self.player.known) {
            Ok(value) => clip(&value.to_string()),
            Err(_) => "a value that the run does not know".to_owned(),
        };
        match symbol {
            Symbol::Any { .. } => "anything".to_owned(),
            Symbol::OneOf(values) => {
                let values: Vec<String> = values.iter().map(|value| self.describe(value)).collect();
                clip(&format!("one of {}", values.join(", ")))
            }
            Symbol::Range { from, to } => format!("{} to {}", from.number, to.number),
            Symbol::Bind { is: Some(is), .. } => self.describe(is),
            Symbol::Bind { .. } => "anything".to_owned(),
            Symbol::Setting(_) | Symbol::Repeat { .. } | Symbol::Number(_) => played(),
            Symbol::Lacks(texts) => format!("nothing with {}", quoted(texts, " or ")),
            Symbol::Ref(name) => format!("{} (`{}` from before)", played(), name.value),
        }
    }

    /// The mismatch of some bytes with those that they must be.
    pub fn bytes_differ(&self, type_hint: Option<&str>, expected: &[u8], actual: &[u8]) -> Box<Mismatch> {
        let bytes = type_hint.and_then(|hint| self.formats().byte_difference(hint, expected, actual, None));
        let common = expected.iter().zip(actual).take_while(|(a, b)| a == b).count();
        Box::new(Mismatch {
            summary: match &bytes {
                Some(bytes) => difference_summary(Some(bytes)),
                None => format!("the bytes differ, first at offset {common}"),
            },
            expected: amount(expected.len()),
            actual: amount(actual.len()),
            clause: None,
            bytes,
        })
    }
}

impl Off {
    fn new(path: &str, expected: String, actual: &Json) -> Self {
        Self { path: path.to_owned(), expected, actual: clip(&actual.to_string()) }
    }

    fn mismatch(self, bytes: Option<ByteDifference>) -> Mismatch {
        let summary = format!("field `{}` differs", self.path);
        Mismatch { summary, expected: self.expected, actual: self.actual, clause: None, bytes }
    }
}

fn difference_summary(bytes: Option<&ByteDifference>) -> String {
    match bytes {
        Some(difference) => {
            format!("field `{}` differs, first at offset {}", difference.field, difference.offset)
        }
        None => "the bytes differ".to_owned(),
    }
}

/// The type of data that is one item of a type.
fn only_type(data: &Data) -> Option<&str> {
    match data.0.as_slice() {
        [Spot { value: Item::Typed { type_name, .. }, .. }] => Some(type_name.as_str()),
        _ => None,
    }
}

/// Some texts in quotes.
pub(crate) fn quoted(texts: &[Spot<String>], between: &str) -> String {
    texts.iter().map(|text| format!("`{}`", text.value)).collect::<Vec<_>>().join(between)
}

/// Adds the members that are only in what came.
fn complete(filled: &mut Json, actual: &Json) {
    if let (Some(members), Some(found)) = (filled.as_object_mut(), actual.as_object()) {
        for (name, value) in found {
            if !members.contains_key(name) {
                members.insert(name.clone(), value.clone());
            }
        }
    }
}

/// Whether a literal stands for what came: agent types may be written by name, hexadecimal digits in either case.
fn same(expected: &Json, actual: &Json) -> bool {
    if expected == actual {
        return true;
    }
    match (expected, actual) {
        (Json::String(_), Json::Number(_)) => agent_type(expected.clone()) == *actual,
        (Json::String(a), Json::String(b)) => {
            let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hex(a) && is_hex(b) && a.eq_ignore_ascii_case(b)
        }
        _ => false,
    }
}
