//! The frames of a connection in either version: in clear or inside TLS (FRM-1 to FRM-3), and encrypted (AES-1).

use bytes::{Bytes, BytesMut};

use crate::protocol::{
    AgentFrame, AgentType, Cipher, ClientFrameV1, ClientFrameV2, Command, CommandHeader, Decode, Frame,
    Header, InitializationVector, Malformed, OpenError, ProtocolVersion, SealedFrame, TargetedHeader,
};

/// How messages are laid out, which the version decides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Framing {
    /// Clients name the target of each message.
    V1,
    /// The connection itself is at a target: so far always at meta.
    V2,
}

/// A message from a client.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) target: AgentType,
    pub(super) command: Command,
    pub(super) data: Bytes,
}

impl Framing {
    /// The framing of a version.
    pub(super) fn of(version: ProtocolVersion) -> Self {
        if version == ProtocolVersion::V1 { Self::V1 } else { Self::V2 }
    }

    /// Size in bytes of the frame that `buffered` begins with; `None` while that cannot be told.
    pub(super) fn size(self, buffered: &[u8], limit: usize) -> Result<Option<usize>, Malformed> {
        match self {
            Self::V1 => ClientFrameV1::size(buffered, limit),
            Self::V2 => ClientFrameV2::size(buffered, limit),
        }
    }

    /// The same for an encrypted frame; the limit is for its encrypted part.
    pub(super) fn sealed_size(self, buffered: &[u8], limit: usize) -> Result<Option<usize>, OpenError> {
        match self {
            Self::V1 => SealedFrame::<TargetedHeader>::size(buffered, limit),
            Self::V2 => SealedFrame::<CommandHeader>::size(buffered, limit),
        }
    }

    /// Takes a whole frame apart.
    pub(super) fn open(self, frame: &Bytes) -> Result<Message, Malformed> {
        match self {
            Self::V1 => ClientFrameV1::decode(frame).map(|(opened, _)| in_clear(frame, &opened)),
            Self::V2 => ClientFrameV2::decode(frame).map(|(opened, _)| in_clear(frame, &opened)),
        }
    }

    /// Decrypts a whole frame where it lies, and tells the vector of the next one.
    pub(super) fn open_sealed(
        self,
        frame: BytesMut,
        cipher: &Cipher,
        iv: &InitializationVector,
    ) -> Result<(Message, InitializationVector), OpenError> {
        match self {
            Self::V1 => open_sealed::<TargetedHeader>(frame, cipher, iv),
            Self::V2 => open_sealed::<CommandHeader>(frame, cipher, iv),
        }
    }
}

fn in_clear<H: Header>(frame: &Bytes, opened: &Frame<'_, H>) -> Message {
    message(opened.header, frame.slice_ref(&opened.data))
}

fn open_sealed<H: Header>(
    mut frame: BytesMut,
    cipher: &Cipher,
    iv: &InitializationVector,
) -> Result<(Message, InitializationVector), OpenError> {
    let (SealedFrame { next_iv, frame: opened }, _) = SealedFrame::<H>::open(&mut frame, cipher, iv)?;
    let (header, length) = (opened.header, opened.data.len());
    let start = SealedFrame::<H>::DATA_OFFSET;
    Ok((message(header, frame.freeze().slice(start..start + length)), next_iv))
}

fn message<H: Header>(header: H, data: Bytes) -> Message {
    Message { target: header.target().unwrap_or(AgentType::META), command: header.command(), data }
}

/// The frame of an answer, the same in both versions (FRM-3).
pub(super) fn answer(command: Command, data: &[u8]) -> AgentFrame<'_> {
    AgentFrame { header: CommandHeader { command }, data: data.into() }
}
