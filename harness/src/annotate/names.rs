//! Names and lists in sentences.

pub(super) use crate::terms::word;
use serde::Serialize;

/// Several choices, all of which hold.
pub(super) fn words<'a, T: Serialize + 'a>(choices: impl IntoIterator<Item = &'a T>) -> String {
    choices.into_iter().map(word).collect::<Vec<_>>().join(", ")
}

/// Several things, one of which will do.
pub(super) fn either(things: &[String]) -> String {
    things.join(" or ")
}
