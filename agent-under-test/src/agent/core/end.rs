//! Why a connection is over.

use std::time::Duration;

use thiserror::Error;

use super::negotiation::Refusal;
use super::policy::Product;
use crate::channel::{NoVector, SendError, TlsFailure};
use crate::protocol::{Malformed, OpenError, SealError, TooLong, Undecryptable};

/// Why a connection is over.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum End {
    /// The client has gone, or has nothing more to say.
    #[error("the client has ended it")]
    Client,
    /// The first bytes are another protocol's (HS-3).
    #[error("not the protocol ID of the Inedo Agent protocol")]
    WrongProtocol,
    /// No version in common (NEG-2).
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The 24 bytes, and TLS where it is due, were not complete in time (HS-10, TLS-5).
    #[error("no handshake within {}.{:03} s", .0.as_secs(), .0.subsec_millis())]
    HandshakeTimeout(Duration),
    /// A frame that cannot be received (FRM-6).
    #[error("a bad frame: {0}")]
    BadFrame(#[from] Malformed),
    /// A message that does not decrypt, whichever check failed (AES-6).
    #[error("a bad frame: {0}")]
    Undecryptable(#[from] Undecryptable),
    /// What came is not TLS as it has to be, in the words of the TLS library (TLS-4).
    #[error("TLS: {0}")]
    Tls(String),
    /// A message to a product whose host cannot be started (RTE-8).
    #[error("no host can be started for {}", .0.name())]
    NoHost(Product),
    /// A host of its session is gone (RTE-8).
    #[error("the host for {} is gone", .0.name())]
    HostGone(Product),
    /// An answer that cannot be put in a frame.
    #[error("an answer cannot be sent: {0}")]
    Unsendable(#[from] SealError),
    /// No vector could be had for an acknowledgement or an answer (AES-7).
    #[error(transparent)]
    NoVector(#[from] NoVector),
}

impl From<OpenError> for End {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Malformed(malformed) => malformed.into(),
            OpenError::Undecryptable(undecryptable) => undecryptable.into(),
        }
    }
}

impl From<TooLong> for End {
    fn from(error: TooLong) -> Self {
        SealError::from(error).into()
    }
}

impl From<TlsFailure> for End {
    fn from(TlsFailure(words): TlsFailure) -> Self {
        Self::Tls(words)
    }
}

impl From<SendError> for End {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Unsendable(error) => error.into(),
            SendError::NoVector(error) => error.into(),
            SendError::Tls(failure) => failure.into(),
        }
    }
}
