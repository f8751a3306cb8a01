//! What a request can fail with, and the answer that says so.

use serde_json::json;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::line_protocol::{Usage, failure, shortened};
use crate::protocol::{AesFailure, Malformed, OpenError, SealError, TooLong, Undecryptable};

/// Why a request was not done.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// The request makes no sense, or its value cannot be encoded.
    #[error(transparent)]
    Usage(#[from] Usage),
    /// There is no such operation or type.
    #[error("{0}")]
    Unsupported(String),
    /// The bytes are no encoding of the type.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The bytes do not decrypt.
    #[error(transparent)]
    Crypto(#[from] Undecryptable),
    /// AES does not work.
    #[error(transparent)]
    Aes(#[from] AesFailure),
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Malformed(malformed) => Self::Malformed(malformed),
            OpenError::Undecryptable(undecryptable) => Self::Crypto(undecryptable),
        }
    }
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        match error {
            SealError::TooLong(error) => error.into(),
            SealError::Aes(failure) => Self::Aes(failure),
        }
    }
}

impl From<TooLong> for Failure {
    fn from(error: TooLong) -> Self {
        Self::Usage(Usage::new(error.to_string()))
    }
}

impl Failure {
    /// The member names something that there is none of.
    pub(super) fn unsupported(member: &str, name: &str) -> Self {
        Self::Unsupported(shortened(format!("unknown {member} {name:?}")))
    }

    /// The answer line, without its line feed; `id` is `None` if the request had none that is usable.
    pub(super) fn answer(&self, id: Option<&RawValue>) -> String {
        let message = self.to_string();
        let error = match self {
            Self::Usage(_) => json!({"kind": "usage", "message": message}),
            Self::Unsupported(_) => json!({"kind": "unsupported", "message": message}),
            Self::Malformed(malformed) => {
                json!({"kind": "malformed", "message": message, "offset": malformed.offset})
            }
            Self::Crypto(_) | Self::Aes(_) => json!({"kind": "crypto", "message": message}),
        };
        failure(id, &error)
    }
}
