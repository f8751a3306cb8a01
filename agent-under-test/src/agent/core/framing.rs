//! The frames of a connection in either version (FRM-1 to FRM-3), through its channel.

use bytes::Bytes;

use crate::channel::{Block, Channel};
use crate::protocol::{
    AgentFrame, AgentType, Command, CommandHeader, Header, OpenError, ProtocolVersion, TargetedHeader,
};

/// How messages are laid out, which the version decides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Framing {
    /// Clients name the target of each message.
    V1,
    /// The connection itself is at a target: meta, until it is bound to a product's session.
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
    pub(super) fn size(
        self,
        channel: &Channel,
        buffered: &[u8],
        limit: usize,
    ) -> Result<Option<usize>, OpenError> {
        match self {
            Self::V1 => channel.size::<TargetedHeader>(buffered, limit),
            Self::V2 => channel.size::<CommandHeader>(buffered, limit),
        }
    }

    /// Size in bytes of the frame that is on its way, as far as it is known; 0 if not.
    pub(super) fn announced(self, channel: &Channel, buffered: &[u8], limit: usize) -> usize {
        match self {
            Self::V1 => channel.announced::<TargetedHeader>(buffered, limit),
            Self::V2 => channel.announced::<CommandHeader>(buffered, limit),
        }
    }

    /// Takes a whole frame apart.
    pub(super) fn open(self, channel: &mut Channel, frame: Block) -> Result<Message, OpenError> {
        match self {
            Self::V1 => channel.open::<TargetedHeader>(frame).map(message),
            Self::V2 => channel.open::<CommandHeader>(frame).map(message),
        }
    }
}

fn message<H: Header>((header, data): (H, Bytes)) -> Message {
    Message { target: header.target().unwrap_or(AgentType::META), command: header.command(), data }
}

/// The frame of an answer, the same in both versions (FRM-3).
pub(super) fn answer(command: Command, data: &[u8]) -> AgentFrame<'_> {
    AgentFrame { header: CommandHeader { command }, data: data.into() }
}
