//! Two byte strings of a type side by side: the field and offset of the first difference.

use std::collections::{HashMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decode::{Decoded, FieldSpan, Layer, Undecodable};
use super::{Formats, Secrets};

/// How many fields are kept on either side of the first that differs.
const ROWS_AROUND: usize = 32;

/// The longest run of bytes shown in a row.
const ROW_BYTES: usize = 16;

/// Where bytes differ from those expected, and both laid out by field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ByteDifference {
    /// Offset of the first byte that differs, or of the end of the shorter.
    pub offset: usize,
    /// The field it belongs to.
    pub field: String,
    /// Number of bytes expected.
    pub expected_length: usize,
    /// Number of bytes found.
    pub actual_length: usize,
    /// How many fields stand before those of `rows`.
    pub rows_before: usize,
    /// Both, field by field: the fields around the first that differs.
    pub rows: Vec<Row>,
    /// How many fields stand behind those of `rows`.
    pub rows_after: usize,
    /// The clauses that the field rests on, as `vectors/formats` cites them.
    #[serde(skip)]
    pub clauses: Vec<String>,
    /// The clauses that all of it rests on: what is broken where nothing came.
    #[serde(skip)]
    pub whole: Vec<String>,
}

/// One field of the side-by-side view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// Offset in the bytes, or in the plaintext of an encrypted part.
    pub offset: usize,
    /// Whether the row is of the plaintext of an encrypted part.
    pub decrypted: bool,
    /// The field.
    pub field: String,
    /// The bytes expected, hexadecimal, the start of them where they are many.
    pub expected: String,
    /// What they mean.
    pub expected_text: String,
    /// The bytes found.
    pub actual: String,
    /// What they mean, as far as they can be read.
    pub actual_text: String,
    /// Whether they differ.
    pub differs: bool,
}

impl Formats {
    /// Compares bytes of a type; `None` when they are the same.
    pub fn byte_difference(
        &self,
        type_name: &str,
        expected: &[u8],
        actual: &[u8],
        secrets: Option<&Secrets>,
    ) -> Option<ByteDifference> {
        let offset = first_difference(expected, actual)?;
        let wanted = self.layout(type_name, expected, secrets);
        let found = self.layout(type_name, actual, secrets);
        let (rows_before, mut rows, rows_after) = layer_rows(Layer::Wire, &wanted, expected, &found, actual);
        if let (Some(a), Some(b)) = (&wanted.plain, &found.plain) {
            // A frame and its plaintext have few fields each, so nothing is left out of either.
            let (_, inside, _) = layer_rows(Layer::Plain, &wanted, a, &found, b);
            rows.extend(inside);
        }
        // Inside an encrypted part the field is the one of the plaintext that differs first.
        let inside = wanted.plain.as_ref().zip(found.plain.as_ref());
        let inside = inside.and_then(|(a, b)| first_difference(a, b)).map(|at| (Layer::Plain, at));
        let (layer, at) = inside.unwrap_or((Layer::Wire, offset));
        let field = wanted.field_at(layer, at).or_else(|| found.field_at(layer, at));
        let field = field.unwrap_or(type_name).to_owned();
        let (expected_length, actual_length) = (expected.len(), actual.len());
        let clauses = self.clauses_of(type_name, &field, is_alone(&rows, &field));
        Some(ByteDifference {
            offset,
            field,
            expected_length,
            actual_length,
            rows_before,
            rows,
            rows_after,
            clauses,
            whole: self.clauses_of(type_name, type_name, true),
        })
    }

    /// The fields of some bytes, with what cannot be read as a last field.
    pub(crate) fn layout(&self, type_name: &str, bytes: &[u8], secrets: Option<&Secrets>) -> Layout {
        let none = String::new;
        let (mut fields, plain, tail) = match self.decode(type_name, bytes, secrets) {
            // An encrypted part that opened is shown by its plaintext, and as one stretch here.
            Ok(Decoded { fields, plain, used, .. }) => {
                let rest = ("rest".to_owned(), bytes.len(), none());
                (fields, plain, vec![("encrypted".to_owned(), used, none()), rest])
            }
            Err(Undecodable { fields, path, reason, .. }) => {
                (fields, None, vec![(path, bytes.len(), reason)])
            }
        };
        for (path, end, text) in tail {
            let range = wire_end(&fields)..end;
            if !range.is_empty() {
                fields.push(FieldSpan { path, layer: Layer::Wire, range, text });
            }
        }
        Layout { fields, plain }
    }
}

/// The fields of some bytes, all of which belong to one.
pub(crate) struct Layout {
    pub(crate) fields: Vec<FieldSpan>,
    /// The plaintext of an encrypted part.
    pub(crate) plain: Option<Vec<u8>>,
}

impl Layout {
    fn layer(&self, layer: Layer) -> impl Iterator<Item = &FieldSpan> {
        self.fields.iter().filter(move |field| field.layer == layer)
    }

    /// The field that a byte belongs to.
    fn field_at(&self, layer: Layer, at: usize) -> Option<&str> {
        self.layer(layer).find(|field| field.range.contains(&at)).map(|field| field.path.as_str())
    }
}

/// Whether nothing else differs than one field, with its length prefix or count.
pub(crate) fn is_alone(rows: &[Row], field: &str) -> bool {
    // Of an encrypted part only the plaintext tells.
    let inside = rows.iter().any(|row| row.decrypted && row.differs);
    let mut others = rows.iter().filter(|row| row.differs && (row.decrypted || !inside));
    others.all(|row| super::citing::value_of(&row.field) == super::citing::value_of(field))
}

/// Where the fields end that stand in the bytes of the network.
fn wire_end(fields: &[FieldSpan]) -> usize {
    fields.iter().filter(|field| field.layer == Layer::Wire).map(|field| field.range.end).max().unwrap_or(0)
}

fn first_difference(a: &[u8], b: &[u8]) -> Option<usize> {
    if a == b {
        return None;
    }
    let common = a.iter().zip(b).position(|(x, y)| x != y);
    common.or_else(|| (a.len() != b.len()).then(|| a.len().min(b.len())))
}

/// A row for each field of either side: matched by name, those of one side alone behind the others. Only the
/// rows around the first that differs are kept, since a subject may send fields without number; the counts
/// of those before and behind go with them.
fn layer_rows(
    layer: Layer,
    wanted: &Layout,
    expected: &[u8],
    found: &Layout,
    actual: &[u8],
) -> (usize, Vec<Row>, usize) {
    let mut by_path: HashMap<&str, &FieldSpan> = HashMap::new();
    for field in found.layer(layer) {
        // What cannot be read any further bears the name of the wrong field, behind that field itself.
        by_path.entry(&field.path).or_insert(field);
    }
    let names: HashSet<&str> = wanted.layer(layer).map(|field| field.path.as_str()).collect();
    let both = wanted.layer(layer).map(|field| (Some(field), by_path.get(field.path.as_str()).copied()));
    let theirs = found.layer(layer).filter(|field| !names.contains(field.path.as_str()));
    let pairs: Vec<_> = both.chain(theirs.map(|field| (None, Some(field)))).collect();
    let differs = |(a, b): &(Option<&FieldSpan>, Option<&FieldSpan>)| part(*a, expected) != part(*b, actual);
    let first = pairs.iter().position(differs).unwrap_or(0);
    let from = first.saturating_sub(ROWS_AROUND);
    let to = pairs.len().min(first + ROWS_AROUND);
    let rows = pairs[from..to]
        .iter()
        .map(|(a, b)| row(layer, a.map(|field| (field, expected)), b.map(|field| (field, actual))));
    (from, rows.collect(), pairs.len() - to)
}

fn row(layer: Layer, expected: Option<(&FieldSpan, &[u8])>, actual: Option<(&FieldSpan, &[u8])>) -> Row {
    let text =
        |side: Option<(&FieldSpan, &[u8])>| side.map(|(field, _)| field.text.clone()).unwrap_or_default();
    let wanted = expected.map_or(&[][..], |(field, bytes)| part(Some(field), bytes));
    let found = actual.map_or(&[][..], |(field, bytes)| part(Some(field), bytes));
    let place = expected.or(actual).map(|(field, _)| field);
    let from = first_difference(wanted, found).filter(|at| *at >= ROW_BYTES).unwrap_or(0);
    Row {
        offset: place.map_or(0, |field| field.range.start),
        decrypted: layer == Layer::Plain,
        field: place.map_or_else(String::new, |field| field.path.clone()),
        expected: show(wanted, from),
        expected_text: text(expected),
        actual: show(found, from),
        actual_text: text(actual),
        differs: wanted != found,
    }
}

/// The bytes of a field that is there.
fn part<'a>(field: Option<&FieldSpan>, bytes: &'a [u8]) -> &'a [u8] {
    field.and_then(|field| bytes.get(field.range.clone())).unwrap_or_default()
}

/// Up to [`ROW_BYTES`] bytes around a place, with an ellipsis where there are more.
fn show(bytes: &[u8], around: usize) -> String {
    let start = around.saturating_sub(4).min(bytes.len());
    let end = (start + ROW_BYTES).min(bytes.len());
    let shown: Vec<String> = bytes[start..end].iter().map(|byte| format!("{byte:02x}")).collect();
    let before = if start > 0 { format!("…{start} bytes… ") } else { String::new() };
    let after = if end < bytes.len() { format!(" …{} more", bytes.len() - end) } else { String::new() };
    format!("{before}{}{after}", shown.join(" "))
}
