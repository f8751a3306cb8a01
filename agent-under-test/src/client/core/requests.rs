//! Requests that went out, and the answers that they wait for.

use std::collections::VecDeque;

use super::failure::Failure;
use super::operation::{Answer, OperationId};
use super::terms::ResponseCode;
use crate::protocol::{Command, Reader, SessionId};

/// A question with an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Question {
    /// Which path; the answer is a string.
    RootPath,
    /// Which session; the answer is an int32.
    Session,
}

impl Question {
    /// The command of the request, which its response carries too (MTA-4).
    pub(super) fn command(self) -> Command {
        match self {
            Self::RootPath => Command::GET_ROOT_PATH,
            Self::Session => Command::OPEN_SESSION,
        }
    }

    /// What a response says. Bytes after the last known field are left alone (CMP-2).
    pub(super) fn read(self, data: &[u8]) -> Result<Answer, Failure> {
        let mut reader = Reader::new(data);
        Ok(match self {
            Self::RootPath => Answer::RootPath(reader.string("path")?.to_owned()),
            Self::Session => Answer::Session(SessionId(reader.int32("session")?)),
        })
    }
}

/// The requests not answered yet, in the order sent.
#[derive(Debug, Default)]
pub(super) struct Requests(VecDeque<Request>);

#[derive(Debug)]
struct Request {
    question: Question,
    /// Who asked; nobody once that has timed out, and the answer is dropped when it comes.
    asked_by: Option<OperationId>,
}

impl Requests {
    /// A request went out.
    pub(super) fn push(&mut self, question: Question, asked_by: OperationId) {
        self.0.push_back(Request { question, asked_by: Some(asked_by) });
    }

    /// The request that a message with this command answers, if it answers any.
    pub(super) fn answered(
        &mut self,
        command: Command,
        response_code: ResponseCode,
    ) -> Option<(Question, Option<OperationId>)> {
        let position = match response_code {
            ResponseCode::Echo => self.0.iter().position(|request| request.question.command() == command)?,
            ResponseCode::Any => 0,
        };
        self.0.remove(position).map(|request| (request.question, request.asked_by))
    }

    /// Nobody waits for that answer any more. Tells whether there was such a request.
    pub(super) fn abandon(&mut self, id: OperationId) -> bool {
        let request = self.0.iter_mut().find(|request| request.asked_by == Some(id));
        request.map(|request| request.asked_by = None).is_some()
    }

    /// Whether somebody waits for an answer.
    pub(super) fn are_awaited(&self) -> bool {
        self.0.iter().any(|request| request.asked_by.is_some())
    }

    /// Forgets all of them; gives those who wait.
    pub(super) fn drain(&mut self) -> Vec<OperationId> {
        self.0.drain(..).filter_map(|request| request.asked_by).collect()
    }
}
