//! What a format file says. The notation is explained at the head of `vectors/formats/1000.yaml`.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};

use crate::finding::Finding;
use crate::yaml::{Source, Span, Spot, from_node, parse};

/// One protocol version.
#[derive(Clone, Debug)]
pub struct Format {
    /// The file.
    pub source: Arc<Source>,
    /// Its number, such as 2000.
    pub protocol: Spot<i32>,
    /// What it is called.
    pub title: String,
    /// Every data type, message and frame by name.
    pub types: IndexMap<String, Type>,
    /// Which types make up a conversation.
    pub conversation: Conversation,
    /// The meta messages.
    pub meta: Vec<MetaMessage>,
}

/// A named type.
#[derive(Clone, Debug)]
pub struct Type {
    /// The clauses that it rests on.
    pub clauses: Vec<Spot<String>>,
    /// How it stands in bytes.
    pub shape: Shape,
}

/// How a type stands in bytes.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A little-endian integer.
    Integer(Integer),
    /// UTF-8 behind a length prefix.
    Text(Text),
    /// A .NET `Guid`.
    Guid,
    /// A count and so many items.
    Array(ArrayOf),
    /// Another type under a new name.
    SameAs(String),
    /// Fields one after the other.
    Fields(Vec<Field>),
}

/// A little-endian two's complement or unsigned integer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Integer {
    /// Width: 1 to 8.
    pub bytes: usize,
    /// Whether the highest bit is the sign.
    pub signed: bool,
    /// Shown as decimal text, because JSON readers round large numbers.
    #[serde(default)]
    pub text: bool,
    /// The smallest valid value, where not all are.
    #[serde(default)]
    pub from: Option<i64>,
    /// The largest valid value, where not all are.
    #[serde(default)]
    pub to: Option<i64>,
}

/// UTF-8 text behind its length in bytes, in groups of 7 bits, low group first.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// The most bytes that the length may take.
    pub prefix_bytes: usize,
    /// The most bits that the length may have.
    pub prefix_bits: u32,
    /// Whether the text is JSON, and its value the one that this stands for.
    #[serde(default)]
    pub json: bool,
}

/// A count and so many items.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArrayOf {
    /// The integer type of the count.
    pub count: Spot<String>,
    /// The type of the items.
    pub of: Spot<String>,
    /// Shown as hexadecimal text rather than as a list of numbers.
    #[serde(default)]
    pub hex: bool,
}

/// One field of a type.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Its name, also the JSON member.
    pub name: Spot<String>,
    /// What stands there.
    #[serde(rename = "type")]
    pub kind: Spot<TypeRef>,
    /// The later field whose length in bytes this integer is.
    #[serde(default)]
    pub measures: Option<Spot<String>>,
    /// The only valid value, as JSON text.
    #[serde(default)]
    pub constant: Option<String>,
    /// The only valid numbers, and their names.
    #[serde(default)]
    pub only: Option<BTreeMap<i64, String>>,
    /// Names of known numbers; others are valid too.
    #[serde(default)]
    pub names: BTreeMap<i64, String>,
    /// Present only when an earlier field has a value.
    #[serde(default)]
    pub when: Option<When>,
    /// What the field says, where its name does not.
    #[serde(default)]
    pub meaning: Option<String>,
    /// The clauses that its value rests on, where those of the type around it are about where it stands.
    #[serde(default)]
    pub clauses: Vec<Spot<String>>,
}

/// The condition under which a field is there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// The earlier integer field.
    pub field: Spot<String>,
    /// Its value.
    pub is: i64,
}

/// What stands in a field.
#[derive(Clone, Debug)]
pub enum TypeRef {
    /// A named type.
    Named(String),
    /// Bytes as they are.
    Raw(Raw),
    /// All bytes left, as items.
    List(List),
    /// A count and so many items.
    Array(ArrayOf),
    /// An AES-CBC ciphertext of fields.
    Sealed(Sealed),
}

/// How many raw bytes there are.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Raw {
    /// So many.
    Bytes(usize),
    /// As an earlier field says.
    MeasuredBy(Spot<String>),
    /// All that are left.
    Rest,
}

/// Items that fill all bytes left.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Their type, an integer.
    pub of: Spot<String>,
    /// How many there may be.
    pub items: Vec<usize>,
}

/// An AES-CBC ciphertext.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// The earlier field that tells its length.
    pub measured_by: Spot<String>,
    /// What the plaintext holds.
    pub fields: Vec<Field>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Inline {
    Raw(Raw),
    List(List),
    Array(ArrayOf),
    Sealed(Sealed),
}

impl<'de> Deserialize<'de> for TypeRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Ref;
        impl<'de> Visitor<'de> for Ref {
            type Value = TypeRef;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a type, or one of raw, list, array, sealed")
            }

            fn visit_str<E>(self, name: &str) -> Result<TypeRef, E> {
                Ok(TypeRef::Named(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TypeRef, A::Error> {
                Ok(match Inline::deserialize(MapAccessDeserializer::new(map))? {
                    Inline::Raw(raw) => TypeRef::Raw(raw),
                    Inline::List(list) => TypeRef::List(list),
                    Inline::Array(array) => TypeRef::Array(array),
                    Inline::Sealed(sealed) => TypeRef::Sealed(sealed),
                })
            }
        }
        deserializer.deserialize_any(Ref)
    }
}

/// Which types make up a conversation in this version.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversation {
    /// The client's first bytes.
    pub handshake: Spot<String>,
    /// The agent's answer to it.
    pub acknowledgement: Spot<String>,
    /// A message from the client.
    pub client_frame: Spot<String>,
    /// A message from the agent.
    pub agent_frame: Spot<String>,
    /// A message from the client, encrypted.
    pub client_aes_frame: Spot<String>,
    /// A message from the agent, encrypted.
    pub agent_aes_frame: Spot<String>,
}

impl Conversation {
    fn names(&self) -> [&Spot<String>; 6] {
        let Self { handshake, acknowledgement, client_frame, agent_frame, client_aes_frame, agent_aes_frame } =
            self;
        [handshake, acknowledgement, client_frame, agent_frame, client_aes_frame, agent_aes_frame]
    }
}

/// A message that the agent itself answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetaMessage {
    /// Its command code.
    pub command: i32,
    /// What it is called.
    pub name: String,
    /// The type of its data.
    pub request: Spot<String>,
    /// The type of the response's data, if there is a response.
    #[serde(default)]
    pub response: Option<Spot<String>>,
    /// The clauses that it rests on.
    pub clauses: Vec<Spot<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypeEntry {
    #[serde(default)]
    clauses: Vec<Spot<String>>,
    integer: Option<Integer>,
    text: Option<Text>,
    guid: Option<NoOptions>,
    array: Option<ArrayOf>,
    same_as: Option<String>,
    fields: Option<Vec<Field>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoOptions {}

impl TypeEntry {
    fn into_type(self) -> Option<Type> {
        let shapes: Vec<Shape> = [
            self.integer.map(Shape::Integer),
            self.text.map(Shape::Text),
            self.guid.map(|NoOptions {}| Shape::Guid),
            self.array.map(Shape::Array),
            self.same_as.map(Shape::SameAs),
            self.fields.map(Shape::Fields),
        ]
        .into_iter()
        .flatten()
        .collect();
        let [shape] = <[Shape; 1]>::try_from(shapes).ok()?;
        Some(Type { clauses: self.clauses, shape })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: Spot<u32>,
    protocol: Spot<i32>,
    title: String,
    types: IndexMap<String, Spot<TypeEntry>>,
    conversation: Conversation,
    meta: Vec<MetaMessage>,
}

/// Reads one format file.
pub(super) fn read(source: &Arc<Source>) -> Result<Format, Vec<Finding>> {
    let node = parse(source).map_err(|finding| vec![finding])?;
    let file: File = from_node(&node).map_err(|error| vec![Finding::typed(source, &error)])?;
    let mut findings = Vec::new();
    if file.format.value != 1 {
        findings.push(Finding::new(source, file.format.span, "this release reads `format: 1`"));
    }
    let mut types = IndexMap::new();
    let mut places = HashMap::new();
    for (name, entry) in file.types {
        let span = entry.span;
        places.insert(name.clone(), span);
        match entry.value.into_type() {
            Some(found) => {
                types.insert(name, found);
            }
            None => {
                let message =
                    format!("type `{name}` needs exactly one of integer, text, guid, array, same_as, fields");
                findings.push(Finding::new(source, span, message));
            }
        }
    }
    let File { protocol, title, conversation, meta, .. } = file;
    let format = Format { source: Arc::clone(source), protocol, title, types, conversation, meta };
    Checker { source, format: &format, places: &places, findings: &mut findings }.check();
    if findings.is_empty() { Ok(format) } else { Err(findings) }
}

/// Finds references to types and fields that are not there.
struct Checker<'a> {
    source: &'a Arc<Source>,
    format: &'a Format,
    /// Where each type is described.
    places: &'a HashMap<String, Span>,
    findings: &'a mut Vec<Finding>,
}

impl Checker<'_> {
    fn check(&mut self) {
        for (name, found) in &self.format.types {
            match &found.shape {
                Shape::SameAs(other) if !self.format.types.contains_key(other) => {
                    self.report_type(
                        name,
                        format!("type `{name}` is the same as `{other}`, which does not exist"),
                    );
                }
                Shape::Integer(integer) if !(1..=8).contains(&integer.bytes) => {
                    self.report_type(name, format!("an integer has 1 to 8 bytes, not {}", integer.bytes));
                }
                Shape::Text(text) if !matches!((text.prefix_bytes, text.prefix_bits), (1..=9, 1..=63)) => {
                    self.report_type(name, "the length of text has 1 to 9 bytes and 1 to 63 bits".to_owned());
                }
                Shape::Array(array) => self.array(array),
                Shape::Fields(fields) => self.fields(fields),
                _ => {}
            }
        }
        let meta =
            self.format.meta.iter().flat_map(|meta| std::iter::once(&meta.request).chain(&meta.response));
        self.circles();
        for name in self.format.conversation.names().into_iter().chain(meta) {
            self.type_exists(name);
        }
    }

    /// A type that holds itself would have no end.
    fn circles(&mut self) {
        for name in self.format.types.keys() {
            let mut inside = self.format.parts(name);
            let mut next = 0;
            while let Some(part) = inside.get(next).copied() {
                for deeper in self.format.parts(part) {
                    if !inside.contains(&deeper) {
                        inside.push(deeper);
                    }
                }
                next += 1;
            }
            if inside.contains(&name.as_str()) {
                self.report_type(name, format!("type `{name}` holds itself"));
            }
        }
    }

    fn report(&mut self, at: &Spot<String>, message: String) {
        self.findings.push(Finding::new(self.source, at.span, message));
    }

    fn report_type(&mut self, name: &str, message: String) {
        let place = self.places.get(name).copied().unwrap_or_default();
        self.findings.push(Finding::new(self.source, place, message));
    }

    fn type_exists(&mut self, name: &Spot<String>) {
        if !self.format.types.contains_key(&name.value) {
            self.report(name, format!("type `{}` does not exist", name.value));
        }
    }

    fn integer_exists(&mut self, name: &Spot<String>) {
        if !matches!(self.format.types.get(&name.value).map(|t| &t.shape), Some(Shape::Integer(_))) {
            self.report(name, format!("`{}` is not an integer type", name.value));
        }
    }

    fn array(&mut self, array: &ArrayOf) {
        self.integer_exists(&array.count);
        self.type_exists(&array.of);
        if array.hex && self.format.integer(&array.of).is_none_or(|item| item.bytes != 1) {
            self.report(&array.of, "`hex` shows bytes: the items must be integers of 1 byte".to_owned());
        }
    }

    fn fields(&mut self, fields: &[Field]) {
        let mut known: Vec<&str> = Vec::new();
        for (index, field) in fields.iter().enumerate() {
            let earlier = |checker: &mut Self, name: &Spot<String>| {
                if !known.contains(&name.as_str()) {
                    checker
                        .report(name, format!("there is no integer field `{}` before this one", name.value));
                }
            };
            if fields[..index].iter().any(|before| before.name.value == field.name.value) {
                self.report(&field.name, format!("a second field `{}`", field.name.value));
            }
            if let Some(when) = &field.when {
                earlier(self, &when.field);
            }
            match &field.kind.value {
                TypeRef::Named(name) => {
                    self.type_exists(&Spot { span: field.kind.span, value: name.clone() });
                }
                TypeRef::Raw(Raw::MeasuredBy(name)) => earlier(self, name),
                TypeRef::Raw(Raw::Bytes(_) | Raw::Rest) => {}
                TypeRef::List(list) => self.integer_exists(&list.of),
                TypeRef::Array(array) => self.array(array),
                TypeRef::Sealed(sealed) => {
                    earlier(self, &sealed.measured_by);
                    self.fields(&sealed.fields);
                }
            }
            let is_integer = self.format.is_integer(&field.kind.value);
            if is_integer {
                known.push(&field.name);
            }
            if let Some(measured) = &field.measures {
                if !is_integer {
                    self.report(measured, "only an integer measures another field".to_owned());
                }
                if !fields[index + 1..].iter().any(|later| later.name.value == measured.value) {
                    self.report(measured, format!("there is no field `{}` after this one", measured.value));
                }
            }
        }
    }
}

impl Format {
    /// Every citation of a clause in the file.
    pub(crate) fn citations(&self) -> Vec<Spot<String>> {
        fn of_fields(fields: &[Field]) -> Vec<&Spot<String>> {
            fields
                .iter()
                .flat_map(|field| {
                    let inner = match &field.kind.value {
                        TypeRef::Sealed(sealed) => of_fields(&sealed.fields),
                        _ => Vec::new(),
                    };
                    field.clauses.iter().chain(inner)
                })
                .collect()
        }
        let fields = self.types.values().flat_map(|found| match &found.shape {
            Shape::Fields(fields) => of_fields(fields),
            _ => Vec::new(),
        });
        let types = self.types.values().flat_map(|found| &found.clauses);
        types.chain(fields).chain(self.meta.iter().flat_map(|meta| &meta.clauses)).cloned().collect()
    }

    /// The types that a type directly consists of.
    fn parts(&self, name: &str) -> Vec<&str> {
        fn of_fields(fields: &[Field]) -> Vec<&str> {
            fields
                .iter()
                .flat_map(|field| match &field.kind.value {
                    TypeRef::Named(name) => vec![name.as_str()],
                    TypeRef::Array(array) => vec![array.of.as_str()],
                    TypeRef::Sealed(sealed) => of_fields(&sealed.fields),
                    TypeRef::Raw(_) | TypeRef::List(_) => Vec::new(),
                })
                .collect()
        }
        match self.types.get(name).map(|found| &found.shape) {
            Some(Shape::SameAs(other)) => vec![other],
            Some(Shape::Array(array)) => vec![&array.of],
            Some(Shape::Fields(fields)) => of_fields(fields),
            _ => Vec::new(),
        }
    }

    /// The shape behind a type's name, through `same_as`.
    pub(crate) fn shape(&self, name: &str) -> Option<&Shape> {
        let mut name = name;
        // A chain of names cannot be longer than there are types; a circle ends here.
        for _ in 0..=self.types.len() {
            match &self.types.get(name)?.shape {
                Shape::SameAs(other) => name = other,
                shape => return Some(shape),
            }
        }
        None
    }

    fn is_integer(&self, kind: &TypeRef) -> bool {
        matches!(kind, TypeRef::Named(name) if self.integer(name).is_some())
    }

    /// The integer behind a type's name.
    pub(super) fn integer(&self, name: &str) -> Option<&Integer> {
        match self.shape(name)? {
            Shape::Integer(integer) => Some(integer),
            _ => None,
        }
    }

    /// The fewest bytes that a value of a type takes (DAT-5: what a count is judged by).
    pub(super) fn smallest(&self, name: &str) -> usize {
        match self.shape(name) {
            Some(Shape::Integer(integer)) => integer.bytes,
            Some(Shape::Text(_)) => 1,
            Some(Shape::Guid) => 16,
            Some(Shape::Array(array)) => self.smallest(&array.count),
            Some(Shape::Fields(fields)) => fields.iter().map(|field| self.smallest_field(field)).sum(),
            Some(Shape::SameAs(_)) | None => 0,
        }
    }

    fn smallest_field(&self, field: &Field) -> usize {
        if field.when.is_some() {
            return 0;
        }
        match &field.kind.value {
            TypeRef::Named(name) => self.smallest(name),
            TypeRef::Raw(Raw::Bytes(bytes)) => *bytes,
            TypeRef::Raw(_) => 0,
            TypeRef::List(list) => list.items.iter().min().unwrap_or(&0) * self.smallest(&list.of),
            TypeRef::Array(array) => self.smallest(&array.count),
            TypeRef::Sealed(_) => 0,
        }
    }
}
