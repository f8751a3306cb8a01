//! The id that ties an answer to its request, and answers.

use serde::Serialize;
use serde_json::value::RawValue;

use super::MAX_LINE;
use super::json::Members;
use super::usage::Usage;

/// The longest id in digits; it comes back in every answer, which has to fit a line as well.
const MAX_ID: usize = 1000;

/// The request's id: any number, which the answer repeats as it was written.
pub(crate) fn usable_id<'a>(request: &Members<'a>) -> Result<&'a RawValue, Usage> {
    let id = request.raw("id")?;
    if !id.get().starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Err(Usage::new("is not a number").within("id"));
    }
    if id.get().len() > MAX_ID {
        return Err(Usage::new(format!("is longer than {MAX_ID} digits")).within("id"));
    }
    Ok(id)
}

#[derive(Serialize)]
struct Success<'a, T> {
    id: &'a RawValue,
    ok: T,
}

/// The answer to a request that was done, unless it would be longer than a line may be.
pub(crate) fn success(id: &RawValue, ok: impl Serialize) -> Result<String, Usage> {
    let answer = serde_json::to_string(&Success { id, ok }).map_err(|error| Usage::new(error.to_string()))?;
    if answer.len() > MAX_LINE {
        return Err(Usage::new(format!("the answer would be longer than {MAX_LINE} bytes")));
    }
    Ok(answer)
}

/// The answer to a request that was not done; `id` is `None` if it had none that is usable.
pub(crate) fn failure(id: Option<&RawValue>, error: &serde_json::Value) -> String {
    let id = id.map_or("null", RawValue::get);
    format!(r#"{{"id":{id},"error":{error}}}"#)
}
