//! `{row: COLUMN}` in the JSON Schema: it may stand wherever a transcript has a value.

use schemars::Schema;
use serde_json::{Map, Value as Json, json};

/// The definition that the others refer to.
const ROW: &str = "Row";

/// Members of a transcript that are the same for all rows.
const FIXED: [&str; 3] = ["id", "was", "rows"];

/// Definitions that codec cases use too, or that hold nothing but text.
const LEFT_ALONE: [&str; 8] =
    ["CodecEntry", "MalformedAt", "FailureKind", "Direction", "HexText", "Identifier", "AnyValue", ROW];

/// Adds `{row: COLUMN}` to a schema of vector files as an alternative to every member and item of a transcript.
pub fn allow_rows(schema: &mut Schema) {
    let Some(Json::Object(definitions)) = schema.get_mut("$defs") else { return };
    for (name, definition) in definitions.iter_mut() {
        if !LEFT_ALONE.contains(&name.as_str()) {
            let fixed: &[&str] = if name == "TranscriptEntry" { &FIXED } else { &[] };
            inside(definition, fixed);
        }
    }
    let row = json!({
        "description": "The value of a column of the case's `rows`.",
        "type": "object",
        "required": ["row"],
        "properties": {"row": {"type": "string"}},
        "additionalProperties": false
    });
    definitions.insert(ROW.to_owned(), row);
}

/// Goes through the members and items of a schema.
fn inside(schema: &mut Json, fixed: &[&str]) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(Json::Object(properties)) = object.get_mut("properties") {
        for (name, member) in properties.iter_mut() {
            if !fixed.contains(&name.as_str()) {
                or_row(member);
            }
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(found) = object.get_mut(key).filter(|found| found.is_object()) {
            or_row(found);
        }
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        for alternative in object.get_mut(key).and_then(Json::as_array_mut).into_iter().flatten() {
            inside(alternative, &[]);
        }
    }
}

fn or_row(schema: &mut Json) {
    inside(schema, &[]);
    let own = schema.take();
    let mut either = Map::new();
    // An editor shows the description of the member itself.
    if let Some(description) = own.get("description") {
        either.insert("description".to_owned(), description.clone());
    }
    either.insert("anyOf".to_owned(), json!([own, {"$ref": format!("#/$defs/{ROW}")}]));
    *schema = Json::Object(either);
}
