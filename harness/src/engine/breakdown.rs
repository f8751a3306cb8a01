//! The ways in which a subject can break down instead of answering.

use std::fmt;
use std::time::Duration;

use crate::subject::Ending;
use crate::terms::TimeSpan;
use crate::verdict::clip;

/// How a subject that owed an answer failed to give one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Breakdown {
    /// Its process ended.
    Ended {
        /// How.
        ending: Ending,
        /// What it had printed of an unfinished line.
        partial: String,
    },
    /// It closed its output and runs on.
    ClosedOutput,
    /// It was silent for too long.
    Silent(Duration),
    /// It printed a line that is not JSON.
    NotJson(String),
    /// It printed JSON that is no answer.
    NotAnAnswer {
        /// What an answer needs and this lacks.
        why: String,
        /// The line.
        line: String,
    },
    /// It answered a request that was not open.
    UnknownId(String),
    /// It printed a line without end.
    LineTooLong {
        /// How it begins.
        start: String,
    },
}

impl Breakdown {
    /// Whether it printed what has nothing to do with the line protocol, such as a banner.
    pub fn is_nonsense(&self) -> bool {
        matches!(self, Breakdown::NotJson(_) | Breakdown::NotAnAnswer { .. } | Breakdown::LineTooLong { .. })
    }

    /// Whether it was a death or a silence: what the contract calls dying and hanging.
    pub fn is_silence(&self) -> bool {
        matches!(self, Breakdown::Silent(_))
    }
}

impl fmt::Display for Breakdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Breakdown::Ended { ending, partial } if partial.is_empty() => write!(f, "the subject {ending}"),
            Breakdown::Ended { ending, partial } => {
                write!(f, "the subject {ending} in the middle of the line `{}`", clip(partial))
            }
            Breakdown::ClosedOutput => f.write_str("the subject closed its output and runs on"),
            Breakdown::Silent(patience) => {
                write!(f, "the subject owed an answer and gave none for {}", TimeSpan(*patience))
            }
            Breakdown::NotJson(line) => {
                write!(f, "the subject printed a line that is not JSON: `{}`", clip(line))
            }
            Breakdown::NotAnAnswer { why, line } => {
                write!(f, "the subject printed a line that is no answer ({why}): `{}`", clip(line))
            }
            Breakdown::UnknownId(id) => {
                write!(f, "the subject answered id {}, which was not asked or is answered already", clip(id))
            }
            Breakdown::LineTooLong { start } => {
                write!(f, "the subject printed a line of more than 16 MiB, beginning `{}`", clip(start))
            }
        }
    }
}
