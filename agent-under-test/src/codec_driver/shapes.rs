//! The JSON of every message: objects, with the members that the codec contract names.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::line_protocol::{Decimal, FromJson, Hex, Members, ToJson, Usage};
use crate::protocol::{
    Acknowledgement, CommandHeader, Encryption, Frame, GetRootPath, HandshakeV1, HandshakeV2, Header,
    InitializationVector, OpenSession, SealedFrame, ServerVersion, TargetedHeader, UpdateAgent, UpdateFile,
};

#[derive(Serialize)]
struct HandshakeV1Json {
    version: i32,
    session: i32,
}

impl FromJson<'_> for HandshakeV1 {
    fn from_json(json: &RawValue) -> Result<Self, Usage> {
        let members = Members::from_json(json)?;
        Ok(Self { version: members.member("version")?, session: members.member("session")? })
    }
}

impl ToJson for HandshakeV1 {
    fn to_json(&self) -> impl Serialize {
        HandshakeV1Json { version: self.version.0, session: self.session.0 }
    }
}

#[derive(Serialize)]
struct HandshakeV2Json {
    min: i32,
    max: i32,
}

impl FromJson<'_> for HandshakeV2 {
    fn from_json(json: &RawValue) -> Result<Self, Usage> {
        let members = Members::from_json(json)?;
        Ok(Self { min: members.member("min")?, max: members.member("max")? })
    }
}

impl ToJson for HandshakeV2 {
    fn to_json(&self) -> impl Serialize {
        HandshakeV2Json { min: self.min.0, max: self.max.0 }
    }
}

#[derive(Serialize)]
struct AcknowledgementJson<'a> {
    encryption: i8,
    iv: Option<Hex<'a>>,
    value: i32,
    server_version: &'a [i32],
}

impl FromJson<'_> for Acknowledgement {
    fn from_json(json: &RawValue) -> Result<Self, Usage> {
        let members = Members::from_json(json)?;
        let mode: i8 = members.member("encryption")?;
        let iv: Option<InitializationVector> = members.member("iv")?;
        let encryption = match (mode, iv) {
            (0, None) => Encryption::None,
            (1, None) => Encryption::Ssl,
            (2, Some(iv)) => Encryption::Aes { iv },
            (2, None) => return Err(Usage::new("encryption 2 needs one").within("iv")),
            (0 | 1, Some(_)) => return Err(Usage::new("only encryption 2 has one").within("iv")),
            _ => return Err(Usage::new(format!("unknown mode {mode}")).within("encryption")),
        };
        let value = members.member("value")?;
        let server_version = members.member("server_version")?;
        Ok(Self { encryption, value, server_version })
    }
}

impl FromJson<'_> for ServerVersion {
    fn from_json(json: &RawValue) -> Result<Self, Usage> {
        let parts: Vec<i32> = Vec::from_json(json)?;
        match *parts.as_slice() {
            [number] => Ok(Self::Number(number)),
            [major, minor, build, revision] => Ok(Self::Parts([major, minor, build, revision])),
            _ => Err(Usage::new(format!("takes one or four numbers, not {}", parts.len()))),
        }
    }
}

impl ToJson for Acknowledgement {
    fn to_json(&self) -> impl Serialize {
        let iv = match &self.encryption {
            Encryption::None | Encryption::Ssl => None,
            Encryption::Aes { iv } => Some(Hex(&iv.0)),
        };
        let server_version = match &self.server_version {
            ServerVersion::Number(number) => std::slice::from_ref(number),
            ServerVersion::Parts(parts) => parts,
        };
        AcknowledgementJson { encryption: self.encryption.mode(), iv, value: self.value, server_version }
    }
}

#[derive(Serialize)]
struct UpdateFileJson<'a> {
    name: &'a str,
    modified_ticks: Decimal,
    contents: Hex<'a>,
}

fn update_file_json<'a>(file: &'a UpdateFile<'_>) -> UpdateFileJson<'a> {
    UpdateFileJson {
        name: &file.name,
        modified_ticks: Decimal(file.modified.get()),
        contents: Hex(&file.contents),
    }
}

impl ToJson for UpdateFile<'_> {
    fn to_json(&self) -> impl Serialize {
        update_file_json(self)
    }
}

#[derive(Serialize)]
struct UpdateAgentJson<'a> {
    agent_type: u8,
    assemblies: Vec<UpdateFileJson<'a>>,
    extensions: Vec<UpdateFileJson<'a>>,
}

impl<'a> FromJson<'a> for UpdateAgent<'a> {
    fn from_json(json: &'a RawValue) -> Result<Self, Usage> {
        let members = Members::from_json(json)?;
        Ok(Self {
            agent_type: members.member("agent_type")?,
            assemblies: members.member("assemblies")?,
            extensions: members.member("extensions")?,
        })
    }
}

impl ToJson for UpdateAgent<'_> {
    fn to_json(&self) -> impl Serialize {
        UpdateAgentJson {
            agent_type: self.agent_type.0,
            assemblies: self.assemblies.iter().map(update_file_json).collect(),
            extensions: self.extensions.iter().map(update_file_json).collect(),
        }
    }
}

#[derive(Serialize)]
struct GetRootPathJson {
    agent_type: u8,
}

impl FromJson<'_> for GetRootPath {
    fn from_json(json: &RawValue) -> Result<Self, Usage> {
        let members = Members::from_json(json)?;
        Ok(Self { agent_type: members.member("agent_type")? })
    }
}

impl ToJson for GetRootPath {
    fn to_json(&self) -> impl Serialize {
        GetRootPathJson { agent_type: self.agent_type.0 }
    }
}

#[derive(Serialize)]
struct OpenSessionJson {
    agent_type: u8,
    session: i32,
}

impl FromJson<'_> for OpenSession {
    fn from_json(json: &RawValue) -> Result<Self, Usage> {
        let members = Members::from_json(json)?;
        Ok(Self { agent_type: members.member("agent_type")?, session: members.member("session")? })
    }
}

impl ToJson for OpenSession {
    fn to_json(&self) -> impl Serialize {
        OpenSessionJson { agent_type: self.agent_type.0, session: self.session.0 }
    }
}

/// A header whose fields stand as members beside the frame's data.
pub(super) trait HeaderMembers: Header {
    /// Reads the fields.
    ///
    /// # Errors
    ///
    /// [`Usage`] if one is missing or wrong.
    fn from_members(members: &Members<'_>) -> Result<Self, Usage>;
}

impl HeaderMembers for TargetedHeader {
    fn from_members(members: &Members<'_>) -> Result<Self, Usage> {
        Ok(Self { target: members.member("target")?, command: members.member("command")? })
    }
}

impl HeaderMembers for CommandHeader {
    fn from_members(members: &Members<'_>) -> Result<Self, Usage> {
        Ok(Self { command: members.member("command")? })
    }
}

#[derive(Serialize)]
struct FrameJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    next_iv: Option<Hex<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<u8>,
    command: i32,
    data: Hex<'a>,
}

fn frame_json<'a, H: Header>(
    frame: &'a Frame<'_, H>,
    next_iv: Option<&'a InitializationVector>,
) -> FrameJson<'a> {
    FrameJson {
        next_iv: next_iv.map(|iv| Hex(&iv.0)),
        target: frame.header.target().map(|target| target.0),
        command: frame.header.command().0,
        data: Hex(&frame.data),
    }
}

fn frame_from_members<'a, H: HeaderMembers>(members: &Members<'a>) -> Result<Frame<'a, H>, Usage> {
    Ok(Frame { header: H::from_members(members)?, data: members.member("data")? })
}

impl<'a, H: HeaderMembers> FromJson<'a> for Frame<'a, H> {
    fn from_json(json: &'a RawValue) -> Result<Self, Usage> {
        frame_from_members(&Members::from_json(json)?)
    }
}

impl<H: HeaderMembers> ToJson for Frame<'_, H> {
    fn to_json(&self) -> impl Serialize {
        frame_json(self, None)
    }
}

impl<'a, H: HeaderMembers> FromJson<'a> for SealedFrame<'a, H> {
    fn from_json(json: &'a RawValue) -> Result<Self, Usage> {
        let members = Members::from_json(json)?;
        Ok(Self { next_iv: members.member("next_iv")?, frame: frame_from_members(&members)? })
    }
}

impl<H: HeaderMembers> ToJson for SealedFrame<'_, H> {
    fn to_json(&self) -> impl Serialize {
        frame_json(&self.frame, Some(&self.next_iv))
    }
}
