//! Why an operation was not done.

use std::fmt;

use thiserror::Error;

use crate::channel::{SendError, TlsFailure};
use crate::protocol::{Malformed, OpenError, SealError};

/// What kind of thing went wrong, as the line protocol tells it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// No connection came about.
    Refused,
    /// The agent, or the network, ended the connection.
    Closed,
    /// TLS was due and failed, or the agent's certificate is not trusted (TLS-3).
    Tls,
    /// The agent broke the protocol.
    Protocol,
    /// The agent may be right, but this client cannot do it.
    Unsupported,
    /// A message does not decrypt, or there is no key (AES-6).
    Crypto,
    /// It took too long.
    Timeout,
    /// The operation makes no sense.
    Usage,
}

impl Kind {
    /// Its name in answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Closed => "closed",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::Unsupported => "unsupported",
            Self::Crypto => "crypto",
            Self::Timeout => "timeout",
            Self::Usage => "usage",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Why an operation was not done, or a connection is over.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{message}")]
pub struct Failure {
    /// What kind of thing went wrong.
    pub kind: Kind,
    /// The details, for people.
    pub message: String,
}

impl Failure {
    /// A failure of some kind.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        Self::new(Kind::Protocol, malformed.to_string())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Malformed(malformed) => malformed.into(),
            OpenError::Undecryptable(undecryptable) => Self::new(Kind::Crypto, undecryptable.to_string()),
        }
    }
}

impl From<TlsFailure> for Failure {
    fn from(failure: TlsFailure) -> Self {
        Self::new(Kind::Tls, failure.to_string())
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        let kind = match error {
            SendError::Unsendable(SealError::TooLong(_)) => Kind::Usage,
            SendError::Unsendable(SealError::Aes(_)) | SendError::NoVector(_) => Kind::Crypto,
            SendError::Tls(failure) => return failure.into(),
        };
        Self::new(kind, error.to_string())
    }
}
