//! Names and lists in sentences.

use serde::Serialize;
use serde_json::Value as Json;

/// The name by which vector files write a choice.
pub(super) fn word(choice: &impl Serialize) -> String {
    match serde_json::to_value(choice) {
        Ok(Json::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    }
}

/// Several choices, all of which hold.
pub(super) fn words<'a, T: Serialize + 'a>(choices: impl IntoIterator<Item = &'a T>) -> String {
    choices.into_iter().map(word).collect::<Vec<_>>().join(", ")
}

/// Several things, one of which will do.
pub(super) fn either(things: &[String]) -> String {
    things.join(" or ")
}
