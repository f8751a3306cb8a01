//! Whether two JSON values of a type are the same, and which field differs first.

use serde_json::Value as Json;

use super::model::{Field, Format, Shape, TypeRef};
use super::{Formats, Padding};

/// The first field in which two values differ.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueDifference {
    /// The field, such as `assemblies[0].name`.
    pub path: String,
    /// What should be there; `None` where nothing should.
    pub expected: Option<Json>,
    /// What is there; `None` where it is missing.
    pub actual: Option<Json>,
}

impl Formats {
    /// The first difference between the expected value of a type and another.
    ///
    /// Members that the type does not have are ignored, hexadecimal digits count in either case, and data
    /// decrypted with `padding: zeros` may have up to 15 zero bytes appended (AES-3).
    pub fn value_difference(
        &self,
        type_name: &str,
        expected: &Json,
        actual: &Json,
        padding: Option<Padding>,
    ) -> Option<ValueDifference> {
        let (format, _) = self.find(type_name)?;
        Comparison { format, padding }.named(type_name, expected, actual, type_name)
    }
}

struct Comparison<'a> {
    format: &'a Format,
    padding: Option<Padding>,
}

fn differ(path: &str, expected: Option<&Json>, actual: Option<&Json>) -> Option<ValueDifference> {
    Some(ValueDifference { path: path.to_owned(), expected: expected.cloned(), actual: actual.cloned() })
}

fn exact(path: &str, expected: &Json, actual: &Json) -> Option<ValueDifference> {
    // A number may be written 1 or 1.0; as JSON they are the same.
    let same = match (expected, actual) {
        (Json::Number(a), Json::Number(b)) => a == b || (a.as_f64() == b.as_f64() && b.as_i64().is_none()),
        (a, b) => a == b,
    };
    if same { None } else { differ(path, Some(expected), Some(actual)) }
}

/// Hexadecimal text, digits in either case, with up to `zeros` zero bytes behind it.
fn hex_text(path: &str, expected: &Json, actual: &Json, zeros: usize) -> Option<ValueDifference> {
    let (Json::String(a), Json::String(b)) = (expected, actual) else {
        return exact(path, expected, actual);
    };
    let same = b.len() >= a.len()
        && b.is_char_boundary(a.len())
        && b[..a.len()].eq_ignore_ascii_case(a)
        && b.len() - a.len() <= 2 * zeros
        && b.len().is_multiple_of(2)
        && b[a.len()..].bytes().all(|digit| digit == b'0');
    if same { None } else { differ(path, Some(expected), Some(actual)) }
}

impl Comparison<'_> {
    fn named(&self, type_name: &str, expected: &Json, actual: &Json, path: &str) -> Option<ValueDifference> {
        match self.format.shape(type_name) {
            Some(Shape::Array(array)) if array.hex => hex_text(path, expected, actual, 0),
            Some(Shape::Array(array)) => self.items(&array.of, expected, actual, path),
            Some(Shape::Fields(fields)) => {
                if !actual.is_object() {
                    return differ(path, Some(expected), Some(actual));
                }
                let prefix = if path == type_name { String::new() } else { format!("{path}.") };
                self.fields(fields, expected, actual, &prefix, 0)
            }
            _ => exact(path, expected, actual),
        }
    }

    fn items(&self, of: &str, expected: &Json, actual: &Json, path: &str) -> Option<ValueDifference> {
        let (Some(wanted), Some(found)) = (expected.as_array(), actual.as_array()) else {
            return exact(path, expected, actual);
        };
        (0..wanted.len().max(found.len())).find_map(|index| {
            let path = format!("{path}[{index}]");
            match (wanted.get(index), found.get(index)) {
                (Some(a), Some(b)) => self.named(of, a, b, &path),
                (a, b) => differ(&path, a, b),
            }
        })
    }

    fn fields(
        &self,
        fields: &[Field],
        expected: &Json,
        actual: &Json,
        prefix: &str,
        zeros: usize,
    ) -> Option<ValueDifference> {
        fields.iter().filter(|field| field.measures.is_none() && field.constant.is_none()).find_map(|field| {
            if let TypeRef::Sealed(sealed) = &field.kind.value {
                let zeros = if self.padding == Some(Padding::Zeros) { 15 } else { 0 };
                return self.fields(&sealed.fields, expected, actual, prefix, zeros);
            }
            let path = format!("{prefix}{}", field.name.value);
            let (wanted, found) = (expected.get(&field.name.value), actual.get(&field.name.value));
            let (Some(wanted), Some(found)) = (wanted, found) else {
                return if wanted == found { None } else { differ(&path, wanted, found) };
            };
            match &field.kind.value {
                TypeRef::Named(name) => self.named(name, wanted, found, &path),
                TypeRef::Array(array) => self.items(&array.of, wanted, found, &path),
                TypeRef::List(list) => self.items(&list.of, wanted, found, &path),
                TypeRef::Raw(super::Raw::Rest) => hex_text(&path, wanted, found, zeros),
                TypeRef::Raw(_) => hex_text(&path, wanted, found, 0),
                TypeRef::Sealed(_) => None,
            }
        })
    }
}
