//! An answer of the line protocols, as far as codecs and clients have it in common.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Breakdown;
use crate::verdict::clip;

/// How much of a line that is no answer is kept.
const SHOWN: usize = 1024;

/// A line that answers a request: one of `ok` and `error` is there.
#[derive(Deserialize)]
pub(super) struct Reply<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    /// What a request that succeeded gives back.
    #[serde(borrow)]
    pub(super) ok: Option<&'a RawValue>,
    /// Why it failed.
    #[serde(borrow)]
    pub(super) error: Option<ErrorReply<'a>>,
}

/// Why a request failed.
#[derive(Deserialize)]
pub(super) struct ErrorReply<'a> {
    /// One of the words of the contract.
    #[serde(borrow)]
    pub(super) kind: Cow<'a, str>,
    /// A sentence for people.
    #[serde(borrow, default)]
    pub(super) message: Cow<'a, str>,
    /// Of codecs: where the input is malformed.
    pub(super) offset: Option<u64>,
}

/// Reads a line as an answer. The id is `None` where the line says `null`: so are requests answered whose id could not
/// be read.
///
/// # Errors
///
/// What is wrong with the line.
pub(super) fn reply(line: &[u8]) -> Result<(Option<u64>, Reply<'_>), Breakdown> {
    let shown = || String::from_utf8_lossy(&line[..line.len().min(SHOWN)]).into_owned();
    let lacks = |why: &str| Err(Breakdown::NotAnAnswer { why: why.to_owned(), line: shown() });
    // Serde reads `null` as no id at all.
    let reply: Reply<'_> = match serde_json::from_slice(line) {
        Ok(reply) => reply,
        Err(error) if error.is_data() => return lacks(&error.to_string()),
        Err(_) => return Err(Breakdown::NotJson(shown())),
    };
    let id = match reply.id.map(RawValue::get) {
        Some(text) => match text.parse() {
            Ok(number) => Some(number),
            Err(_) => return lacks(&format!("its `id` is {}", clip(text))),
        },
        None if names_an_id(line) => None,
        None => return lacks("there is no `id`"),
    };
    match (&reply.ok, &reply.error) {
        (Some(_), Some(_)) => lacks("it has both `ok` and `error`"),
        (None, None) => lacks("it has neither `ok` nor `error`"),
        _ => Ok((id, reply)),
    }
}

/// Whether an object has a member `id`, whatever its value.
fn names_an_id(line: &[u8]) -> bool {
    let members: Result<std::collections::HashMap<Cow<'_, str>, serde::de::IgnoredAny>, _> =
        serde_json::from_slice(line);
    members.is_ok_and(|members| members.contains_key("id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let (id, answer) = reply(br#"{"ok":{"hex":"00"},"more":[],"id":7}"#).ok().unwrap();
        assert_eq!((id, answer.ok.map(RawValue::get)), (Some(7), Some(r#"{"hex":"00"}"#)));
        let (id, answer) = reply(br#"{"id":null,"error":{"kind":"usage"}}"#).ok().unwrap();
        let error = answer.error.unwrap();
        assert_eq!(
            (id, error.kind.as_ref(), error.message.as_ref(), error.offset),
            (None, "usage", "", None)
        );
    }

    #[test]
    fn what_is_no_answer_says_why() {
        let why = |line: &str| match reply(line.as_bytes()) {
            Err(Breakdown::NotAnAnswer { why, .. }) => why,
            Err(other) => other.to_string(),
            Ok(_) => "an answer".to_owned(),
        };
        assert_eq!(why("hello"), "the subject printed a line that is not JSON: `hello`");
        assert_eq!(why(r#"{"ok":{}}"#), "there is no `id`");
        assert_eq!(why(r#"{"id":"7","ok":{}}"#), r#"its `id` is "7""#);
        assert_eq!(why(r#"{"id":-1,"ok":{}}"#), "its `id` is -1");
        assert_eq!(why(r#"{"id":7}"#), "it has neither `ok` nor `error`");
        assert_eq!(why(r#"{"id":7,"ok":{},"error":{"kind":"usage"}}"#), "it has both `ok` and `error`");
        assert!(why(r#"{"id":7,"error":{}}"#).starts_with("missing field `kind`"));
    }
}
