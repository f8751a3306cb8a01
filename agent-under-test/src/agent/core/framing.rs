//! The frames of a connection in clear or inside TLS, in either version (FRM-1 to FRM-3).

use bytes::Bytes;

use crate::protocol::{
    AgentFrame, AgentType, ClientFrameV1, ClientFrameV2, Command, CommandHeader, Decode, Encode, Frame,
    Header, Malformed, ProtocolVersion, TooLong,
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

    /// Takes a whole frame apart.
    pub(super) fn open(self, frame: &Bytes) -> Result<Message, Malformed> {
        match self {
            Self::V1 => ClientFrameV1::decode(frame).map(|(opened, _)| message(frame, &opened)),
            Self::V2 => ClientFrameV2::decode(frame).map(|(opened, _)| message(frame, &opened)),
        }
    }
}

fn message<H: Header>(frame: &Bytes, opened: &Frame<'_, H>) -> Message {
    Message {
        target: opened.header.target().unwrap_or(AgentType::META),
        command: opened.header.command(),
        data: frame.slice_ref(&opened.data),
    }
}

/// The frame of an answer, the same in both versions (FRM-3).
pub(super) fn answer(command: Command, data: &[u8]) -> Result<Vec<u8>, TooLong> {
    AgentFrame { header: CommandHeader { command }, data: data.into() }.encode()
}
