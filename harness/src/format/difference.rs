//! Two byte strings of a type side by side: the field and offset of the first difference.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decode::{Decoded, FieldSpan, Layer, Undecodable};
use super::{Formats, Secrets};

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
    /// Both, field by field.
    pub rows: Vec<Row>,
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
        let mut rows = layer_rows(Layer::Wire, &wanted, expected, &found, actual);
        if let (Some(a), Some(b)) = (&wanted.plain, &found.plain) {
            rows.extend(layer_rows(Layer::Plain, &wanted, a, &found, b));
        }
        // Inside an encrypted part the field is the one of the plaintext that differs first.
        let inside = wanted.plain.as_ref().zip(found.plain.as_ref());
        let inside = inside.and_then(|(a, b)| first_difference(a, b)).map(|at| (Layer::Plain, at));
        let (layer, at) = inside.unwrap_or((Layer::Wire, offset));
        let field = wanted.field_at(layer, at).or_else(|| found.field_at(layer, at));
        let field = field.unwrap_or(type_name).to_owned();
        let (expected_length, actual_length) = (expected.len(), actual.len());
        Some(ByteDifference { offset, field, expected_length, actual_length, rows })
    }

    /// The fields of some bytes, with what cannot be read as a last field.
    fn layout(&self, type_name: &str, bytes: &[u8], secrets: Option<&Secrets>) -> Layout {
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

struct Layout {
    fields: Vec<FieldSpan>,
    plain: Option<Vec<u8>>,
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

/// A row for each field of either side: matched by name, those of one side alone where they come.
fn layer_rows(layer: Layer, wanted: &Layout, expected: &[u8], found: &Layout, actual: &[u8]) -> Vec<Row> {
    let mut rows: Vec<Row> = wanted
        .layer(layer)
        .map(|field| {
            let other = found.layer(layer).find(|other| other.path == field.path);
            row(layer, Some((field, expected)), other.map(|other| (other, actual)))
        })
        .collect();
    for field in found.layer(layer) {
        if !wanted.layer(layer).any(|other| other.path == field.path) {
            rows.push(row(layer, None, Some((field, actual))));
        }
    }
    rows
}

fn row(layer: Layer, expected: Option<(&FieldSpan, &[u8])>, actual: Option<(&FieldSpan, &[u8])>) -> Row {
    let bytes = |side: Option<(&FieldSpan, &[u8])>| {
        side.and_then(|(field, bytes)| bytes.get(field.range.clone())).unwrap_or_default().to_vec()
    };
    let text =
        |side: Option<(&FieldSpan, &[u8])>| side.map(|(field, _)| field.text.clone()).unwrap_or_default();
    let (wanted, found) = (bytes(expected), bytes(actual));
    let place = expected.or(actual).map(|(field, _)| field);
    let from = first_difference(&wanted, &found).filter(|at| *at >= ROW_BYTES).unwrap_or(0);
    Row {
        offset: place.map_or(0, |field| field.range.start),
        decrypted: layer == Layer::Plain,
        field: place.map_or_else(String::new, |field| field.path.clone()),
        expected: show(&wanted, from),
        expected_text: text(expected),
        actual: show(&found, from),
        actual_text: text(actual),
        differs: wanted != found,
    }
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
