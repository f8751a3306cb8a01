//! Bytes → rows: literal ones by the formats, those of typed items with what fits where they are open.

use serde_json::{Map, Value as Json, json};

use super::{Row, Stretch, words};
use crate::format::{AES_BLOCK, Field, FieldSpan, Format, Formats, Layer, Layout, Secrets, Shape, TypeRef};
use crate::hex_text::{self, amount};
use crate::terms::Encryption;
use crate::vectors::transcript::data::{Data, Item};
use crate::vectors::transcript::scalars::Hex;
use crate::vectors::transcript::value::{Known, SettingName, Symbol, Value};
use crate::yaml::Spot;

/// The most bytes of a literal that are looked at; frames at the limits are far longer.
const MOST_READ: usize = 64 << 10;

/// A reader that has no run: settings and bindings have no values.
struct NoRun;

impl Known for NoRun {
    fn setting(&self, _: SettingName) -> Option<Json> {
        None
    }

    fn binding(&self, _: &str) -> Option<Json> {
        None
    }
}

/// The beginning of some literal bytes, and how many there are.
pub(super) struct Literal {
    /// At most [`MOST_READ`] of them.
    pub(super) start: Vec<u8>,
    /// How many there are in all.
    pub(super) length: usize,
}

impl Literal {
    /// Those of a hexadecimal text.
    pub(super) fn of(hex: &Hex) -> Self {
        let mut literal = Self { start: Vec::new(), length: 0 };
        literal.append(hex);
        literal
    }

    /// Those of data, where it is nothing but literal.
    pub(super) fn of_data(data: &Data) -> Option<Self> {
        let mut literal = Self { start: Vec::new(), length: 0 };
        for item in &data.0 {
            match &item.value {
                Item::Hex(hex) => literal.append(hex),
                Item::Typed { .. } | Item::Symbol(_) => return None,
            }
        }
        Some(literal)
    }

    fn append(&mut self, hex: &Hex) {
        self.length += hex.len();
        for stretch in hex.stretches() {
            let room = MOST_READ - self.start.len();
            match stretch {
                hex_text::Stretch::Bytes(bytes) => self.start.extend(bytes.iter().take(room)),
                hex_text::Stretch::Repeated { byte, count } => {
                    self.start.resize(self.start.len() + count.min(room), byte);
                }
            }
        }
    }

    /// Whether all bytes are at hand.
    pub(super) fn is_whole(&self) -> bool {
        self.start.len() == self.length
    }

    /// What stands behind the first bytes.
    pub(super) fn behind(&self, count: usize) -> Self {
        let start = self.start.get(count..).unwrap_or_default().to_vec();
        Self { start, length: self.length.saturating_sub(count) }
    }

    fn stretch(&self) -> Stretch {
        match Stretch::of(&self.start) {
            Stretch::Known { start, .. } => Stretch::Known { start, length: self.length },
            open @ Stretch::Open(_) => open,
        }
    }
}

/// What symbols leave open in a value: where, and what fits.
type Openings = Vec<(String, String)>;

/// Puts rows one after the other.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) all: Vec<Row>,
    at: usize,
    at_least: bool,
}

impl Rows {
    fn push(&mut self, stretch: Stretch, field: impl Into<String>, text: impl Into<String>) {
        self.push_open(stretch, field, text, 0);
    }

    /// The same, for a stretch that has at least so many bytes where its number is open.
    fn push_open(
        &mut self,
        stretch: Stretch,
        field: impl Into<String>,
        text: impl Into<String>,
        least: usize,
    ) {
        let (length, ends_open) = match &stretch {
            Stretch::Known { length, .. } | Stretch::Open(Some(length)) => (*length, false),
            Stretch::Open(None) => (least, true),
        };
        let (offset, at_least) = (self.at, self.at_least);
        self.all.push(Row {
            offset,
            at_least,
            decrypted: false,
            stretch,
            field: field.into(),
            text: text.into(),
        });
        self.at += length;
        self.at_least |= ends_open;
    }

    /// Those from an offset on, the first of them without what stands before.
    pub(super) fn from(self, offset: usize) -> Vec<Row> {
        let mut rows = self.all;
        rows.retain(|row| row.end() > offset);
        if let Some(row) = rows.first_mut()
            && let (Stretch::Known { start, length }, Some(before)) =
                (&mut row.stretch, offset.checked_sub(row.offset))
        {
            start.drain(..before.min(start.len()));
            *length -= before;
            row.offset = offset;
        }
        rows
    }

    /// How many bytes stand in them, if that is told.
    pub(super) fn length(&self) -> Option<usize> {
        (!self.at_least).then_some(self.at)
    }

    /// Puts other rows behind.
    pub(super) fn append(&mut self, other: Rows) {
        let (at, at_least) = (self.at, self.at_least);
        self.all.extend(other.all.into_iter().map(|row| Row {
            offset: at + row.offset,
            at_least: at_least || row.at_least,
            ..row
        }));
        self.at += other.at;
        self.at_least |= other.at_least;
    }

    /// Some literal bytes that no format tells the meaning of.
    pub(super) fn raw(&mut self, literal: &Literal, field: &str, text: impl Into<String>) {
        if literal.length > 0 {
            self.push(literal.stretch(), field, text);
        }
    }
}

/// Tells the meaning of bytes.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) formats: &'a Formats,
    /// The mode of encryption, where the case is run in one only.
    pub(super) encryption: Option<Encryption>,
    /// The version whose words are used; those of the newest that has the type unless told.
    pub(super) format: Option<&'a Format>,
}

impl Reader<'_> {
    /// The rows of bytes that are a value of a type, or are not.
    pub(super) fn by_type(&self, type_name: &str, bytes: &[u8], secrets: Option<&Secrets>) -> Vec<Row> {
        let Layout { fields, plain } = self.formats.layout(type_name, bytes, secrets);
        let row = |field: FieldSpan| {
            let decrypted = field.layer == Layer::Plain;
            let whole = if decrypted { plain.as_deref().unwrap_or_default() } else { bytes };
            Row {
                offset: field.range.start,
                at_least: false,
                decrypted,
                stretch: Stretch::of(whole.get(field.range).unwrap_or_default()),
                text: self.with_meaning(type_name, &field.path, field.text),
                field: field.path,
            }
        };
        let mut rows: Vec<Row> = fields.into_iter().map(row).collect();
        // The plaintext stands behind the bytes that it was in.
        rows.sort_by_key(|row| row.decrypted);
        rows
    }

    fn with_meaning(&self, type_name: &str, path: &str, text: String) -> String {
        let newest = || self.formats.find(type_name).map(|(format, _)| format);
        let meaning = self.format.or_else(newest).and_then(|format| meaning(format, type_name, path));
        match meaning {
            Some(meaning) if text.is_empty() => meaning.to_owned(),
            Some(meaning) => format!("{text}, {meaning}"),
            None => text,
        }
    }

    /// The leading fields of a type as far as there are bytes, whatever they say: a handshake or the header of a message
    /// may be wrong on purpose. Gives their number of bytes.
    pub(super) fn leading_fields(&self, type_name: &str, literal: &Literal, rows: &mut Rows) -> usize {
        let Some((format, _)) = self.formats.find(type_name) else { return 0 };
        let Some(Shape::Fields(fields)) = format.shape(type_name) else { return 0 };
        let mut at = 0;
        for field in fields {
            let TypeRef::Named(kind) = &field.kind.value else { break };
            match self.formats.decode(kind, literal.start.get(at..).unwrap_or_default(), None) {
                Ok(decoded) => {
                    let part = &literal.start[at..at + decoded.used];
                    rows.push(Stretch::of(part), field.name.value.as_str(), explained(field, &decoded.value));
                    at += decoded.used;
                }
                Err(error) => {
                    let rest = literal.behind(at);
                    rows.raw(&rest, &field.name.value, error.reason);
                    return literal.length;
                }
            }
        }
        at
    }

    /// The rows of data: by a type where all of it is literal, item by item elsewhere.
    pub(super) fn data(&self, data: &Data, type_name: Option<&str>) -> Rows {
        let mut rows = Rows::default();
        match (Literal::of_data(data), type_name) {
            (Some(literal), Some(type_name)) if literal.is_whole() => {
                return self.literal(&literal, type_name);
            }
            (Some(literal), _) => rows.raw(&literal, "data", amount(literal.length)),
            (None, _) => data.0.iter().for_each(|item| self.item(&item.value, &mut rows)),
        }
        // The one value that a response is bears the name of the response.
        if let ([Spot { value: Item::Typed { type_name: kind, .. }, .. }], Some(type_name)) =
            (data.0.as_slice(), type_name)
        {
            rows.all
                .iter_mut()
                .filter(|row| row.field == kind.value)
                .for_each(|row| row.field = type_name.to_owned());
        }
        rows
    }

    /// The rows of whole literal bytes of a type.
    pub(super) fn literal(&self, literal: &Literal, type_name: &str) -> Rows {
        let mut rows = Rows::default();
        for row in self.by_type(type_name, &literal.start, None) {
            rows.push(row.stretch, row.field, row.text);
        }
        rows
    }

    fn item(&self, item: &Item, rows: &mut Rows) {
        match item {
            Item::Hex(hex) => rows.raw(&Literal::of(hex), "bytes", amount(hex.len())),
            Item::Symbol(symbol) => rows.push(Stretch::Open(None), "bytes", words::symbol(symbol)),
            Item::Typed { type_name, value } => self.typed(type_name, value, rows),
        }
    }

    /// A value of a type, with what fits where it is open.
    fn typed(&self, type_name: &str, value: &Spot<Value>, rows: &mut Rows) {
        let has_fields = self
            .formats
            .find(type_name)
            .and_then(|(format, _)| format.shape(type_name))
            .is_some_and(|shape| matches!(shape, Shape::Fields(_)));
        let mut open = Openings::new();
        openings(value, if has_fields { "" } else { type_name }, &mut open);
        let built = [json!(0), json!(""), json!("00".repeat(AES_BLOCK))].into_iter().find_map(|filler| {
            let mut sample = sample(value, &filler);
            let filled = self.acknowledgement(type_name, &mut sample);
            let bytes = self.formats.encode(type_name, &sample, None).ok()?;
            Some((bytes, filled))
        });
        let Some((bytes, mut filled)) = built else {
            return rows.push(Stretch::Open(None), type_name, words::value(value));
        };
        open.append(&mut filled);
        let fields = self.formats.layout(type_name, &bytes, None).fields;
        self.open_rows(type_name, &fields, &bytes, &open, rows);
    }

    fn open_rows(
        &self,
        type_name: &str,
        fields: &[FieldSpan],
        bytes: &[u8],
        open: &Openings,
        rows: &mut Rows,
    ) {
        let mut shown: Vec<&str> = Vec::new();
        for field in fields {
            let part = &bytes[field.range.clone()];
            match open.iter().find(|(path, _)| covers(path, &field.path)) {
                None => {
                    let text = self.with_meaning(type_name, &field.path, field.text.clone());
                    rows.push(Stretch::of(part), field.path.as_str(), text);
                }
                Some((path, _)) if shown.contains(&path.as_str()) => {}
                Some((path, fits)) => {
                    shown.push(path);
                    let text = self.with_meaning(type_name, path, fits.clone());
                    let is_fixed = field.path == *path;
                    let stretch = Stretch::Open(is_fixed.then_some(part.len()));
                    // A text has a length of at least a byte.
                    let least = if field.path.ends_with(" length") { 1 } else { part.len() };
                    rows.push_open(stretch, path.as_str(), text, least);
                    if path == "encryption" && self.encryption.is_none() {
                        let text = format!("only where the mode is aes: {AES_BLOCK} bytes, the first vector");
                        rows.push(Stretch::Open(None), "iv", text);
                    }
                }
            }
        }
    }

    /// Fills in what an acknowledgement does not say, and tells what of it the run decides.
    fn acknowledgement(&self, type_name: &str, sample: &mut Json) -> Openings {
        let mut open = Openings::new();
        let is_ack = self.formats.is_acknowledgement(type_name);
        let (true, Some(members)) = (is_ack, sample.as_object_mut()) else { return open };
        if !members.contains_key("encryption") {
            let mode = match self.encryption {
                Some(Encryption::Ssl) => 1,
                Some(Encryption::Aes) => 2,
                Some(Encryption::None) => 0,
                None => {
                    open.push(("encryption".to_owned(), "the mode of the run".to_owned()));
                    0
                }
            };
            members.insert("encryption".to_owned(), mode.into());
        }
        if members.get("encryption") == Some(&json!(2)) && !members.contains_key("iv") {
            members.insert("iv".to_owned(), "00".repeat(AES_BLOCK).into());
            open.push(("iv".to_owned(), "any".to_owned()));
        }
        if !members.contains_key("server_version") {
            members.insert("server_version".to_owned(), json!([0]));
            open.push(("server_version".to_owned(), "any: one int32 or four".to_owned()));
        }
        open
    }

    /// The header of a message that is given by its fields. `data` is the length of its data, where that is told.
    pub(super) fn header(&self, type_name: &str, members: &Header<'_>, rows: &mut Rows) {
        let mut open = Openings::new();
        let mut built = Map::new();
        for (name, value) in [("target", members.target), ("command", Some(members.command))] {
            let Some(value) = value else { continue };
            openings(value, name, &mut open);
            built.insert(
                name.to_owned(),
                crate::vectors::transcript::play::agent_type(sample(value, &json!(0))),
            );
        }
        built.insert("data".to_owned(), "".into());
        match members.length {
            Some(length) => built.insert("length".to_owned(), length.into()),
            None => {
                open.push(("length".to_owned(), "the length of the data".to_owned()));
                built.insert("length".to_owned(), 0.into())
            }
        };
        let Ok(bytes) = self.formats.encode(type_name, &Json::Object(built), None) else {
            return rows.push(Stretch::Open(None), "header", "what the fields say");
        };
        let literal = Literal { length: bytes.len(), start: bytes };
        let before = rows.all.len();
        self.leading_fields(type_name, &literal, rows);
        for row in &mut rows.all[before..] {
            if let (Some((_, fits)), Stretch::Known { length, .. }) =
                (open.iter().find(|(path, _)| *path == row.field), &row.stretch)
            {
                row.text.clone_from(fits);
                row.stretch = Stretch::Open(Some(*length));
            }
        }
    }
}

/// The header of a message as its fields say.
pub(super) struct Header<'a> {
    /// For whom it is, where messages tell.
    pub(super) target: Option<&'a Spot<Value>>,
    pub(super) command: &'a Spot<Value>,
    /// The length that it says, where that is told.
    pub(super) length: Option<i64>,
}

/// A number by its name, with what the field means.
fn explained(field: &Field, value: &Json) -> String {
    let number = value.as_i64();
    let names = field.only.as_ref().unwrap_or(&field.names);
    let text = match number.and_then(|number| names.get(&number)) {
        Some(name) => format!("{value} ({name})"),
        None => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    };
    match (&field.constant, &field.meaning) {
        (Some(constant), _) if *constant != text => format!("{text} instead of {constant}"),
        (_, Some(meaning)) => format!("{text}, {meaning}"),
        _ => text,
    }
}

/// What a field of a type means, where its name does not say it.
fn meaning<'a>(format: &'a Format, type_name: &str, path: &str) -> Option<&'a str> {
    let Some(Shape::Fields(fields)) = format.shape(type_name) else { return None };
    let inside = fields.iter().filter_map(|field| match &field.kind.value {
        TypeRef::Sealed(sealed) => Some(&sealed.fields),
        _ => None,
    });
    let found = fields.iter().chain(inside.flatten()).find(|field| field.name.value == path)?;
    found.meaning.as_deref()
}

/// Whether what is open at a path opens a field.
fn covers(path: &str, field: &str) -> bool {
    field.strip_prefix(path).is_some_and(|rest| {
        rest.is_empty() || rest == " length" || rest == " count" || rest.starts_with(['[', '.'])
    })
}

/// Where a value is open, and what fits there.
fn openings(value: &Spot<Value>, path: &str, open: &mut Openings) {
    match &value.value {
        Value::Literal(_) | Value::Symbol(Symbol::Repeat { .. }) => {}
        Value::Symbol(symbol) => open.push((path.to_owned(), words::symbol(symbol))),
        Value::List(items) => {
            for (place, item) in items.iter().enumerate() {
                openings(item, &format!("{path}[{place}]"), open);
            }
        }
        Value::Fields(fields) => {
            let prefix = if path.is_empty() { String::new() } else { format!("{path}.") };
            for (name, inner) in fields {
                openings(inner, &format!("{prefix}{name}"), open);
            }
        }
    }
}

/// A value with something in the place of every symbol.
pub(super) fn sample(value: &Spot<Value>, filler: &Json) -> Json {
    match &value.value {
        Value::Literal(literal) => literal.clone(),
        Value::List(items) => items.iter().map(|item| sample(item, filler)).collect(),
        Value::Fields(fields) => {
            Json::Object(fields.iter().map(|(name, inner)| (name.clone(), sample(inner, filler))).collect())
        }
        Value::Symbol(symbol) => symbol.played(value.span, &NoRun).unwrap_or_else(|_| filler.clone()),
    }
}
