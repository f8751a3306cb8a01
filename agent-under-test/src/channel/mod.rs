//! What protects the messages of a connection on their way: nothing, AES or TLS.
//!
//! Agent and client have the same three, and differ in the [`Header`]s of what they send and receive. Like all
//! of the two cores it does no input and output: bytes come from an [`Inbox`] and go to an [`Outbox`].

mod block;
mod buffers;
mod tls;
mod vectors;

use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

pub(crate) use block::Block;
use block::LARGE;
pub(crate) use buffers::{Inbox, Outbox};
pub(crate) use tls::{TlsFailure, TlsSession};
pub use vectors::{NoVector, SystemVectors, VectorSource};

use crate::protocol::{
    Cipher, Decode, Encode, Frame, Header, InitializationVector, OpenError, SealError, SealedFrame, TooLong,
};

/// How many bytes an encrypted part may have beyond the limit for data: vector, header and padding take some.
const AES_ALLOWANCE: usize = 64;

/// A connection's protection with the state that it takes.
#[derive(Debug)]
pub(crate) enum Channel {
    /// Frames in clear.
    Clear,
    /// Encrypted frames (AES-1).
    Aes(Chains),
    /// Frames in clear inside TLS (TLS-1).
    Tls(Box<TlsSession>),
}

/// The cipher and the vector of the next message in each direction (AES-2, AES-4).
#[derive(Debug)]
pub(crate) struct Chains {
    cipher: Cipher,
    vectors: Arc<dyn VectorSource>,
    received: InitializationVector,
    sent: InitializationVector,
}

impl Chains {
    /// Both chains at their start: the acknowledgement's vector.
    pub(crate) fn new(cipher: Cipher, vectors: Arc<dyn VectorSource>, iv: InitializationVector) -> Self {
        Self { cipher, vectors, received: iv, sent: iv }
    }
}

/// Why a message cannot be sent.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub(crate) enum SendError {
    /// It cannot be put in a frame.
    #[error(transparent)]
    Unsendable(#[from] SealError),
    /// There is no vector for it (AES-7).
    #[error(transparent)]
    NoVector(#[from] NoVector),
    /// TLS does not take it.
    #[error(transparent)]
    Tls(#[from] TlsFailure),
}

impl From<TooLong> for SendError {
    fn from(error: TooLong) -> Self {
        SealError::from(error).into()
    }
}

impl Channel {
    /// Size in bytes of the frame that `buffered` begins with; `None` while that cannot be told. The limit is
    /// for its data.
    pub(crate) fn size<H: Header>(&self, buffered: &[u8], limit: usize) -> Result<Option<usize>, OpenError> {
        match self {
            Self::Clear | Self::Tls(_) => Ok(Frame::<H>::size(buffered, limit)?),
            Self::Aes(_) => SealedFrame::<H>::size(buffered, limit + AES_ALLOWANCE),
        }
    }

    /// Size in bytes of the frame that is on its way, as far as it is known; 0 if not.
    pub(crate) fn announced<H: Header>(&self, buffered: &[u8], limit: usize) -> usize {
        self.size::<H>(buffered, limit).ok().flatten().unwrap_or(0)
    }

    /// Takes a whole frame apart: its header and its data, which is not copied.
    pub(crate) fn open<H: Header>(&mut self, mut frame: Block) -> Result<(H, Bytes), OpenError> {
        match self {
            Self::Clear | Self::Tls(_) => {
                let frame = frame.freeze();
                let (opened, _) = Frame::<H>::decode(&frame)?;
                Ok((opened.header, frame.slice_ref(&opened.data)))
            }
            Self::Aes(Chains { cipher, received, .. }) => {
                let (sealed, _) = SealedFrame::<H>::open(&mut frame, cipher, received)?;
                *received = sealed.next_iv;
                let (header, length) = (sealed.frame.header, sealed.frame.data.len());
                let start = SealedFrame::<H>::DATA_OFFSET;
                Ok((header, frame.freeze().slice(start..start + length)))
            }
        }
    }

    /// Sends a message whose data are there already; if they are large and go out as they are, they are not copied.
    pub(crate) fn pass_on<H: Header>(
        &mut self,
        header: H,
        data: &Bytes,
        outbox: &mut Outbox,
    ) -> Result<(), SendError> {
        if !matches!(self, Self::Clear) || data.len() < LARGE {
            return self.send(Frame { header, data: data.as_ref().into() }, outbox);
        }
        outbox.append(|writer| Frame::<H>::encode_head(header, data.len(), writer))?;
        outbox.push(data.clone());
        Ok(())
    }

    /// Sends a message.
    pub(crate) fn send<H: Header>(
        &mut self,
        frame: Frame<'_, H>,
        outbox: &mut Outbox,
    ) -> Result<(), SendError> {
        match self {
            Self::Clear => Ok(outbox.append(|writer| frame.encode_into(writer))?),
            Self::Tls(session) => Ok(session.send(&frame.encode()?, outbox)?),
            Self::Aes(chains) => {
                let sealed = SealedFrame { next_iv: chains.vectors.vector()?, frame };
                outbox.append(|writer| sealed.seal_into(&chains.cipher, &chains.sent, writer))?;
                chains.sent = sealed.next_iv;
                Ok(())
            }
        }
    }
}
