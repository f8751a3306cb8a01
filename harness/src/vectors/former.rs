//! Former names: what a renamed case was called, so that old patterns and floors go on meaning it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error as _};

use super::codec::Identifier;

/// The name that a case had before: its id, or `folder/file/id` where it stood in another file. That of a case that was
/// a row of a table ends in `:row`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormerName {
    /// Where it stood, if that was elsewhere: `folder/file`.
    pub file: Option<String>,
    /// Its id.
    pub id: String,
    /// The row that it was.
    pub row: Option<String>,
}

impl FormerName {
    /// The complete name of a case that stands in a file now.
    pub fn complete(&self, file: &str) -> String {
        let file = self.file.as_deref().unwrap_or(file);
        let row = self.row.as_ref().map_or(String::new(), |row| format!(":{row}"));
        format!("{file}/{}{row}", self.id)
    }

    /// The complete name of what is a row of a table in a file now and says this of itself: a name alone is that of
    /// another row of the table.
    pub(super) fn of_row(&self, file: &str, table: &str) -> String {
        match self {
            Self { file: None, id, row: None } => format!("{table}:{id}"),
            case => case.complete(file),
        }
    }
}

impl std::str::FromStr for FormerName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (file, name) = match text.rsplit_once('/') {
            Some((file, name)) => (Some(file), name),
            None => (None, text),
        };
        let (id, row) = match name.split_once(':') {
            Some((id, row)) => (id, Some(row)),
            None => (name, None),
        };
        let part = |part: &str| {
            !part.is_empty()
                && !part.contains(|c: char| c.is_whitespace() || c.is_control() || ":@*?".contains(c))
        };
        let good = file.is_none_or(|file| file.split('/').all(part))
            && Identifier::is_one(id)
            && row.is_none_or(Identifier::is_one);
        if !good {
            return Err(format!(
                "`{text}` is no name of a case: write the id that it had, or folder/file/id where it stood in another \
                 file, with :row behind it if it was a row"
            ));
        }
        Ok(Self { file: file.map(str::to_owned), id: id.to_owned(), row: row.map(str::to_owned) })
    }
}

impl<'de> Deserialize<'de> for FormerName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for FormerName {
    fn schema_name() -> Cow<'static, str> {
        "FormerName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^([^\\s:@*?/]+/)*[a-z0-9]+(-[a-z0-9]+)*(:[a-z0-9]+(-[a-z0-9]+)*)?$",
            "description": "The name that a case had before: its id, or folder/file/id where it stood in another file; \
                            with :row behind it where it was a row."
        })
    }
}
