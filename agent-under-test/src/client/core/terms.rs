//! What a client comes with to an agent: versions, keys, trust, and its readings of what the pages leave open.

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;

use super::failure::{Failure, Kind};
use crate::channel::VectorSource;
use crate::protocol::{
    Acknowledgement, Cipher, Encode, Encryption, HandshakeV1, HandshakeV2, ProtocolVersion,
    ServerVersionForm, SessionId, TooLong,
};

/// The lowest number that tells a version, and not a session of an agent of version 1 (NEG-6).
const FIRST_VERSION_LIKE: i32 = 1000;

/// The most bytes of data that a message may have unless told otherwise (FRM-6).
const MAX_MESSAGE: usize = 64 << 20;

/// The settings of one connection.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What the handshake says.
    pub offer: Offer,
    /// How the agent's version is laid out (HS-9).
    pub server_version: ServerVersionForm,
    /// Which message answers a request (MTA-4).
    pub response_code: ResponseCode,
    /// The protection that the agent has to require.
    pub require: Option<Requirement>,
    /// Key and padding, if the client has a key (AES-2).
    pub cipher: Option<Cipher>,
    /// Where the vectors of messages come from (AES-7).
    pub vectors: Arc<dyn VectorSource>,
    /// What the client knows of certificates (TLS-3).
    pub trust: Arc<dyn TrustSource>,
    /// The most bytes of data that a message may have (FRM-6).
    pub max_message: usize,
}

impl Terms {
    /// The terms of a client without a key, and with the first reading of everything that is open.
    #[must_use]
    pub fn new(offer: Offer, vectors: Arc<dyn VectorSource>, trust: Arc<dyn TrustSource>) -> Self {
        Self {
            offer,
            server_version: ServerVersionForm::default(),
            response_code: ResponseCode::default(),
            require: None,
            cipher: None,
            vectors,
            trust,
            max_message: MAX_MESSAGE,
        }
    }

    /// What an acknowledgement comes to: the version spoken, and the session if it tells one.
    pub(super) fn agree(
        &self,
        acknowledgement: &Acknowledgement,
    ) -> Result<(ProtocolVersion, Option<SessionId>), Failure> {
        let mode = acknowledgement.encryption;
        let required = match self.require {
            None => true,
            Some(Requirement::Ssl) => mode == Encryption::Ssl,
            Some(Requirement::Aes) => matches!(mode, Encryption::Aes { .. }),
        };
        if !required {
            let message =
                format!("the agent answers with encryption mode {}, which is not allowed", mode.mode());
            return Err(Failure::new(Kind::Protocol, message));
        }
        self.offer.agree(acknowledgement.value)
    }
}

/// What a handshake says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Offer {
    /// Version 1 with the session wanted, 0 for a new one (HS-6, HS-8).
    Session(SessionId),
    /// Any version of a range (HS-7).
    Versions {
        /// The lowest.
        min: ProtocolVersion,
        /// The highest.
        max: ProtocolVersion,
    },
}

impl Offer {
    /// The 24 bytes (HS-1).
    pub(super) fn handshake(self) -> Result<Vec<u8>, TooLong> {
        match self {
            Self::Session(session) => HandshakeV1 { version: ProtocolVersion::V1, session }.encode(),
            Self::Versions { min, max } => HandshakeV2 { min, max }.encode(),
        }
    }

    /// What the int32 of an acknowledgement means (HS-6, HS-7, NEG-6).
    fn agree(self, value: i32) -> Result<(ProtocolVersion, Option<SessionId>), Failure> {
        let Self::Versions { min, max } = self else {
            return Ok((ProtocolVersion::V1, Some(SessionId(value))));
        };
        let version = ProtocolVersion(value);
        if value < FIRST_VERSION_LIKE && min == ProtocolVersion::V1 {
            return Ok((ProtocolVersion::V1, Some(SessionId(value))));
        }
        if value < FIRST_VERSION_LIKE || version < min || max < version {
            let message = format!("{} to {} is offered, and the agent answers {value}", min.0, max.0);
            return Err(Failure::new(Kind::Protocol, message));
        }
        match version {
            ProtocolVersion::V1 | ProtocolVersion::V2 => Ok((version, None)),
            _ => Err(Failure::new(Kind::Unsupported, format!("the agent picks the unknown version {value}"))),
        }
    }
}

/// Which message answers a request (MTA-4).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ResponseCode {
    /// The next one with the request's command.
    #[default]
    Echo,
    /// The next one.
    Any,
}

/// A protection without which a client does not go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Requirement {
    /// Mode 1.
    Ssl,
    /// Mode 2.
    Aes,
}

/// What it takes to check an agent's certificate.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Roots, versions and provider.
    pub config: Arc<ClientConfig>,
    /// The name that the certificate has to be for.
    pub name: ServerName<'static>,
}

/// Where [`Trust`] comes from. It is asked for once an agent requires TLS, not before.
pub trait TrustSource: fmt::Debug + Send + Sync {
    /// What to trust.
    ///
    /// # Errors
    ///
    /// Words that say why there is nothing. The connection ends then.
    fn trust(&self) -> Result<Trust, String>;
}

/// A client that trusts nobody.
#[derive(Clone, Copy, Debug)]
pub struct NoTrust;

impl TrustSource for NoTrust {
    fn trust(&self) -> Result<Trust, String> {
        Err("no certificate is trusted".to_owned())
    }
}
