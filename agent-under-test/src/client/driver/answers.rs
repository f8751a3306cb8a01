//! Outcomes as lines of JSON.

use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::client::core::{Answer, Established, Failure, Kind};
use crate::line_protocol::{self, Hex, Usage, shortened};

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct Connected {
    conn: u64,
    encryption: i8,
    speaks: i32,
    session: Option<i32>,
    server_version: String,
}

#[derive(Serialize)]
struct Message<'a> {
    command: i32,
    data: Hex<'a>,
}

#[derive(Serialize)]
struct RootPath<'a> {
    path: &'a str,
}

#[derive(Serialize)]
struct Session {
    session: i32,
}

/// The answer to an operation on the connection with this number. What is too long for a line is told as an
/// error; a message is gone then.
pub(super) fn answer(id: &RawValue, conn: u64, outcome: &Result<Answer, Failure>) -> String {
    let line = match outcome {
        Ok(answer) => success(id, conn, answer),
        Err(failure) => return error(Some(id), failure),
    };
    line.unwrap_or_else(|usage| error(Some(id), &usage.into()))
}

fn success(id: &RawValue, conn: u64, answer: &Answer) -> Result<String, Usage> {
    match answer {
        Answer::Done => line_protocol::success(id, Nothing {}),
        Answer::Connected(Established { encryption, speaks, session, server_version }) => {
            let session = session.map(|session| session.0);
            let server_version = server_version.to_string();
            let connected =
                Connected { conn, encryption: *encryption, speaks: speaks.0, session, server_version };
            line_protocol::success(id, connected)
        }
        Answer::Message { command, data } => {
            line_protocol::success(id, Message { command: command.0, data: Hex(data) })
        }
        Answer::RootPath(path) => line_protocol::success(id, RootPath { path }),
        Answer::Session(session) => line_protocol::success(id, Session { session: session.0 }),
    }
}

/// The answer to what was not done; without an id if there was none that is usable.
pub(super) fn error(id: Option<&RawValue>, failure: &Failure) -> String {
    let message = shortened(failure.message.clone());
    line_protocol::failure(id, &json!({"kind": failure.kind.name(), "message": message}))
}

impl From<Usage> for Failure {
    fn from(usage: Usage) -> Self {
        Self::new(Kind::Usage, usage.to_string())
    }
}
