//! What protects the messages of a connection on their way: nothing, AES or TLS.

use std::sync::Arc;

use bytes::BytesMut;

use super::buffers::Outbox;
use super::end::End;
use super::framing::{Framing, Message, answer};
use super::policy::{RequiredEncryption, VectorSource};
use super::tls::TlsSession;
use crate::protocol::{Cipher, Command, Encode, Encryption, InitializationVector, SealedFrame};

/// How many bytes an encrypted part may have beyond the limit for data: vector, header and padding take some.
const AES_ALLOWANCE: usize = 64;

/// A connection's protection with the state that it takes.
#[derive(Debug)]
pub(super) enum Channel {
    /// Frames in clear.
    Clear,
    /// Encrypted frames (AES-1).
    Aes(Chains),
    /// Frames in clear inside TLS (TLS-1).
    Tls(Box<TlsSession>),
}

/// The cipher and the vector of the next message in each direction (AES-2, AES-4).
#[derive(Debug)]
pub(super) struct Chains {
    cipher: Cipher,
    vectors: Arc<dyn VectorSource>,
    received: InitializationVector,
    sent: InitializationVector,
}

impl Channel {
    /// The protection that is required, and how an acknowledgement announces it.
    pub(super) fn new(required: &RequiredEncryption) -> Result<(Self, Encryption), End> {
        Ok(match required {
            RequiredEncryption::None => (Self::Clear, Encryption::None),
            RequiredEncryption::Ssl(config) => {
                (Self::Tls(Box::new(TlsSession::new(config)?)), Encryption::Ssl)
            }
            RequiredEncryption::Aes { cipher, vectors } => {
                let iv = vectors.vector()?;
                let (cipher, vectors) = (cipher.clone(), Arc::clone(vectors));
                (Self::Aes(Chains { cipher, vectors, received: iv, sent: iv }), Encryption::Aes { iv })
            }
        })
    }

    /// Size in bytes of the frame that `buffered` begins with; `None` while that cannot be told.
    pub(super) fn size(&self, framing: Framing, buffered: &[u8], limit: usize) -> Result<Option<usize>, End> {
        match self {
            Self::Clear | Self::Tls(_) => Ok(framing.size(buffered, limit)?),
            Self::Aes(_) => Ok(framing.sealed_size(buffered, limit + AES_ALLOWANCE)?),
        }
    }

    /// Takes a whole frame apart.
    pub(super) fn open(&mut self, framing: Framing, frame: BytesMut) -> Result<Message, End> {
        match self {
            Self::Clear | Self::Tls(_) => Ok(framing.open(&frame.freeze())?),
            Self::Aes(chains) => {
                let (message, next) = framing.open_sealed(frame, &chains.cipher, &chains.received)?;
                chains.received = next;
                Ok(message)
            }
        }
    }

    /// Sends an answer.
    pub(super) fn send(&mut self, command: Command, data: &[u8], outbox: &mut Outbox) -> Result<(), End> {
        let frame = answer(command, data);
        match self {
            Self::Clear => Ok(outbox.append(|writer| frame.encode_into(writer))?),
            Self::Tls(session) => session.send(&frame.encode()?, outbox),
            Self::Aes(chains) => {
                let sealed = SealedFrame { next_iv: chains.vectors.vector()?, frame };
                outbox.append(|writer| sealed.seal_into(&chains.cipher, &chains.sent, writer))?;
                chains.sent = sealed.next_iv;
                Ok(())
            }
        }
    }
}
