//! The data of meta messages, those that the agent itself handles (MTA-1 to MTA-4, RTE-2).
//!
//! These are the contents of a frame's data field. The answer to Get Agent Root Path is a plain string, and
//! the answer to Open Session a plain int32, so neither has a type of its own.

use std::borrow::Cow;

use super::error::{Malformed, TooLong};
use super::types::{AgentType, SessionId, Ticks};
use super::wire::{Decode, Encode, Reader, Writer};

/// A file that an update brings: string name, datetime modified, `array<byte>` contents (MTA-1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UpdateFile<'a> {
    /// Any string: whether it may be a file's name is for the agent to judge (MTA-7).
    pub name: Cow<'a, str>,
    /// The time of modification that the file gets.
    pub modified: Ticks,
    /// The file's bytes.
    pub contents: Cow<'a, [u8]>,
}

impl UpdateFile<'_> {
    /// Size in bytes of the smallest encoding: no name and no contents, so 1 + 8 + 4.
    pub const SMALLEST: usize = 13;
}

impl Encode for UpdateFile<'_> {
    fn encode_into(&self, writer: &mut Writer) -> Result<(), TooLong> {
        writer.string("name", &self.name)?;
        writer.datetime(self.modified);
        writer.byte_array("contents", &self.contents)
    }
}

impl<'a> Decode<'a> for UpdateFile<'a> {
    fn decode_from(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let name = Cow::Borrowed(reader.string("name")?);
        let modified = reader.datetime("modified")?;
        let contents = Cow::Borrowed(reader.byte_array("contents")?);
        Ok(Self { name, modified, contents })
    }
}

/// Update Agent, command 2: byte agent type, `array<UpdateFile>` assemblies, `array<UpdateFile>` extensions.
///
/// Both arrays are always there. It has no response (MTA-2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UpdateAgent<'a> {
    /// Whose files are updated.
    pub agent_type: AgentType,
    /// The programs and libraries.
    pub assemblies: Vec<UpdateFile<'a>>,
    /// The product's extensions.
    pub extensions: Vec<UpdateFile<'a>>,
}

impl Encode for UpdateAgent<'_> {
    fn encode_into(&self, writer: &mut Writer) -> Result<(), TooLong> {
        writer.byte(self.agent_type.0);
        for (field, files) in [("assemblies", &self.assemblies), ("extensions", &self.extensions)] {
            writer.length(field, files.len())?;
            for file in files {
                file.encode_into(writer)?;
            }
        }
        Ok(())
    }
}

impl<'a> Decode<'a> for UpdateAgent<'a> {
    fn decode_from(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let agent_type = AgentType(reader.byte("agent_type")?);
        let assemblies = files(reader, "assemblies")?;
        let extensions = files(reader, "extensions")?;
        Ok(Self { agent_type, assemblies, extensions })
    }
}

fn files<'a>(reader: &mut Reader<'a>, field: &str) -> Result<Vec<UpdateFile<'a>>, Malformed> {
    let count = reader.count(field, UpdateFile::SMALLEST)?;
    // Room is made as files come, not by the count: one that fits the bytes may still announce four times
    // their size in memory.
    let mut files = Vec::new();
    for index in 0..count {
        let file = UpdateFile::decode_from(reader);
        files.push(file.map_err(|malformed| malformed.within(&format!("{field}[{index}]")))?);
    }
    Ok(files)
}

/// Get Agent Root Path, command 3: byte agent type. The response is a string (MTA-3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct GetRootPath {
    /// The product whose root temporary path is asked for.
    pub agent_type: AgentType,
}

impl Encode for GetRootPath {
    fn encode_into(&self, writer: &mut Writer) -> Result<(), TooLong> {
        writer.byte(self.agent_type.0);
        Ok(())
    }
}

impl Decode<'_> for GetRootPath {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { agent_type: AgentType(reader.byte("agent_type")?) })
    }
}

/// Open Session, command 1, v2 framing only: byte agent type, int32 session ID (RTE-2).
///
/// The response is an int32, the session's ID, or 0 if it cannot be served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OpenSession {
    /// The product whose host is wanted.
    pub agent_type: AgentType,
    /// The session wanted, 0 for a new one.
    pub session: SessionId,
}

impl Encode for OpenSession {
    fn encode_into(&self, writer: &mut Writer) -> Result<(), TooLong> {
        writer.byte(self.agent_type.0);
        writer.int32(self.session.0);
        Ok(())
    }
}

impl Decode<'_> for OpenSession {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let agent_type = AgentType(reader.byte("agent_type")?);
        let session = SessionId(reader.int32("session")?);
        Ok(Self { agent_type, session })
    }
}
