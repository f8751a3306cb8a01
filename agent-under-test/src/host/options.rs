//! What a host is told on its command line.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The nonce that a segment and its host's command line share: it guards against mix-ups and is no secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Nonce(pub [u8; 16]);

/// A text is no nonce.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("expected 32 hexadecimal digits")]
pub struct UnsuitableNonce;

impl FromStr for Nonce {
    type Err = UnsuitableNonce;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| UnsuitableNonce)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}
