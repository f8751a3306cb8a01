//! Which clauses a field of a message rests on, as the format files cite them.

use super::Formats;
use super::model::{Field, Format, Shape, TypeRef};
use crate::yaml::Spot;

/// The name of a field's value, without what the reading of it adds for its length prefix or count.
pub(crate) fn value_of(path: &str) -> &str {
    path.strip_suffix(" length").or_else(|| path.strip_suffix(" count")).unwrap_or(path)
}

/// What is cited for a field.
#[derive(Default)]
struct Cited<'a> {
    /// By the types around it: where it stands.
    around: Vec<&'a Spot<String>>,
    /// By the field itself, and by its type: what stands there.
    own: Vec<&'a Spot<String>>,
    leaf: Vec<&'a Spot<String>>,
}

impl Formats {
    /// The clauses that a field of a type rests on. Where the field is `alone`, everything around it being right, and cites
    /// clauses itself, those of the types around it are left out: it stands where it must, with another value.
    pub(crate) fn clauses_of(&self, type_name: &str, path: &str, alone: bool) -> Vec<String> {
        let Some((format, _)) = self.find(type_name) else { return Vec::new() };
        let mut cited = Cited::default();
        format.cite(type_name, value_of(path), type_name, &mut cited);
        let around = if alone && !cited.own.is_empty() { Vec::new() } else { cited.around };
        let mut clauses: Vec<String> = Vec::new();
        for clause in cited.own.into_iter().chain(cited.leaf).chain(around) {
            if !clauses.contains(&clause.value) {
                clauses.push(clause.value.clone());
            }
        }
        clauses
    }
}

impl Format {
    /// Collects what is cited for a path below a type. The path of a type that has no fields is its name.
    fn cite<'a>(&'a self, type_name: &str, path: &str, top: &str, cited: &mut Cited<'a>) {
        let Some(found) = self.types.get(type_name) else { return };
        match &found.shape {
            Shape::SameAs(other) => {
                cited.leaf.extend(&found.clauses);
                self.cite(other, path, top, cited);
            }
            Shape::Fields(fields) if path != top || type_name != top => {
                cited.around.extend(&found.clauses);
                let (head, rest) = path.split_once('.').unwrap_or((path, ""));
                let name = head.split('[').next().unwrap_or(head);
                if let Some(field) = find(fields, name) {
                    self.cite_field(field, rest, top, cited);
                }
            }
            Shape::Array(array) if !array.hex && !path.is_empty() => {
                cited.leaf.extend(&found.clauses);
                let rest = path.split_once("].").map_or("", |(_, rest)| rest);
                self.cite(&array.of, rest, top, cited);
            }
            _ => cited.leaf.extend(&found.clauses),
        }
    }

    fn cite_field<'a>(&'a self, field: &'a Field, rest: &str, top: &str, cited: &mut Cited<'a>) {
        cited.own.extend(&field.clauses);
        match &field.kind.value {
            TypeRef::Named(name) => self.cite(name, rest, top, cited),
            TypeRef::Array(array) => self.cite(&array.of, rest, top, cited),
            TypeRef::List(list) => self.cite(&list.of, rest, top, cited),
            TypeRef::Raw(_) | TypeRef::Sealed(_) => {}
        }
    }
}

/// The field of a name, also inside an encrypted part; what is added there belongs to that part.
fn find<'a>(fields: &'a [Field], name: &str) -> Option<&'a Field> {
    if let Some(field) = fields.iter().find(|field| field.name.value == name) {
        return Some(field);
    }
    let sealed = fields.iter().find_map(|field| match &field.kind.value {
        TypeRef::Sealed(sealed) => Some((field, sealed)),
        _ => None,
    });
    sealed.map(|(field, sealed)| find(&sealed.fields, name).unwrap_or(field))
}
