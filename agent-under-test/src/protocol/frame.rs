//! Message framing without encryption, or inside TLS (FRM-1 to FRM-4).
//!
//! A frame is an int32 data length, a [`Header`] and the data. There are two headers: v1 clients name the
//! target of each message, nobody else does. [`SealedFrame`](super::SealedFrame) is the same for AES.

use std::borrow::Cow;

use super::error::{Malformed, Reason, TooLong};
use super::types::{AgentType, Command};
use super::wire::{Decode, Encode, Reader, Writer};

/// Bytes that a frame's length field takes.
pub(crate) const LENGTH_SIZE: usize = 4;

/// The fields of a frame between its length and its data.
pub trait Header: Copy {
    /// Bytes that the fields take.
    const SIZE: usize;

    /// Reads the fields.
    ///
    /// # Errors
    ///
    /// [`Malformed`] at the first field that is cut short.
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed>;

    /// Appends the fields.
    fn write(self, writer: &mut Writer);

    /// Who the message is for, where the framing says so.
    fn target(self) -> Option<AgentType>;

    /// What is asked of the recipient.
    fn command(self) -> Command;
}

/// What a v1 client sends: int8 agent type, int32 command (FRM-1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TargetedHeader {
    /// Who the message is for.
    pub target: AgentType,
    /// What is asked of it.
    pub command: Command,
}

impl Header for TargetedHeader {
    const SIZE: usize = 5;

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let target = AgentType(reader.byte("target")?);
        let command = Command(reader.int32("command")?);
        Ok(Self { target, command })
    }

    fn write(self, writer: &mut Writer) {
        writer.byte(self.target.0);
        writer.int32(self.command.0);
    }

    fn target(self) -> Option<AgentType> {
        Some(self.target)
    }

    fn command(self) -> Command {
        self.command
    }
}

/// What a v2 client and every agent sends: int32 command (FRM-2, FRM-3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CommandHeader {
    /// What is asked, or answered.
    pub command: Command,
}

impl Header for CommandHeader {
    const SIZE: usize = 4;

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { command: Command(reader.int32("command")?) })
    }

    fn write(self, writer: &mut Writer) {
        writer.int32(self.command.0);
    }

    fn target(self) -> Option<AgentType> {
        None
    }

    fn command(self) -> Command {
        self.command
    }
}

/// A message in clear: int32 data length, header, data. The length counts the data alone (FRM-4).
///
/// ```
/// use iaspec_reference::protocol::{Command, CommandHeader, Encode, Frame};
///
/// let header = CommandHeader { command: Command::GET_ROOT_PATH };
/// let frame = Frame { header, data: (&[0x01]).into() };
/// assert_eq!(frame.encode()?, [1, 0, 0, 0, 3, 0, 0, 0, 0x01]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame<'a, H> {
    /// Target, where there is one, and command.
    pub header: H,
    /// What the recipient of the command reads.
    pub data: Cow<'a, [u8]>,
}

/// A frame from a v1 client (FRM-1).
pub type ClientFrameV1<'a> = Frame<'a, TargetedHeader>;
/// A frame from a v2 client (FRM-2).
pub type ClientFrameV2<'a> = Frame<'a, CommandHeader>;
/// A frame from an agent, in either version (FRM-3).
pub type AgentFrame<'a> = Frame<'a, CommandHeader>;

impl<H: Header> Frame<'_, H> {
    /// Size in bytes of the frame that `buffered` begins with, its length field and header included; `None`
    /// while the length field is not all there.
    ///
    /// It is known before the frame has come, so that a receiver can refuse it before it makes room for it.
    ///
    /// ```
    /// use iaspec_reference::protocol::AgentFrame;
    ///
    /// assert_eq!(AgentFrame::size(&[5, 0, 0], 64)?, None);
    /// assert_eq!(AgentFrame::size(&[5, 0, 0, 0], 64)?, Some(4 + 4 + 5));
    /// assert!(AgentFrame::size(&[65, 0, 0, 0], 64).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the length is negative, or above `limit` bytes of data (FRM-6).
    pub fn size(buffered: &[u8], limit: usize) -> Result<Option<usize>, Malformed> {
        if buffered.len() < LENGTH_SIZE {
            return Ok(None);
        }
        let length = Reader::new(buffered).length("length")?;
        if length > limit {
            return Err(Malformed::new("length", 0, Reason::AboveLimit { length, limit }));
        }
        Ok(Some(LENGTH_SIZE + H::SIZE + length))
    }

    /// Appends what comes before so many bytes of data: their length, and the header.
    pub(crate) fn encode_head(header: H, length: usize, writer: &mut Writer) -> Result<(), TooLong> {
        writer.length("length", length)?;
        header.write(writer);
        Ok(())
    }
}

impl<H: Header> Encode for Frame<'_, H> {
    fn encode_into(&self, writer: &mut Writer) -> Result<(), TooLong> {
        Self::encode_head(self.header, self.data.len(), writer)?;
        writer.raw(&self.data);
        Ok(())
    }
}

impl<'a, H: Header> Decode<'a> for Frame<'a, H> {
    fn decode_from(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let start = reader.position();
        let length = reader.length("length")?;
        let header = H::read(reader)?;
        // Like a count that cannot fit: the length is to blame, not the data (DAT-5).
        let left = reader.left();
        let data = reader
            .take(length)
            .ok_or_else(|| Malformed::new("length", start, Reason::PastTheEnd { length, left }))?;
        Ok(Self { header, data: Cow::Borrowed(data) })
    }
}
