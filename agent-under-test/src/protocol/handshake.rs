//! The handshake: the client's 24 bytes and the agent's acknowledgement (HS-1 to HS-9).
//!
//! Both versions of the handshake have the same 24 bytes and differ in what the two int32 mean. Which of the
//! two a client sent is for the agent to tell (NEG-3), so each decodes from any handshake.

use std::fmt;

use uuid::Uuid;

use super::cipher::InitializationVector;
use super::error::{Malformed, Reason, TooLong};
use super::types::{ProtocolVersion, SessionId};
use super::wire::{Decode, Encode, Reader, Writer};

/// The GUID that every handshake begins with, `4e d2 eb 6c f7 4a 13 4a b9 af 81 d3 df c6 44 be` (HS-2).
pub const PROTOCOL_ID: Uuid = Uuid::from_u128(0x6cebd24e_4af7_4a13_b9af_81d3dfc644be);

/// What a v1 client opens with: protocol ID, int32 version, int32 session ID (HS-6); 24 bytes.
///
/// ```
/// use iaspec_reference::protocol::{Encode, HandshakeV1, ProtocolVersion, SessionId};
///
/// let handshake = HandshakeV1 { version: ProtocolVersion::V1, session: SessionId(0) };
/// assert_eq!(handshake.encode()?.len(), 24);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HandshakeV1 {
    /// 1000 from any v1 client (HS-8).
    pub version: ProtocolVersion,
    /// The session asked for, 0 for a new one (SES-1).
    pub session: SessionId,
}

impl Encode for HandshakeV1 {
    fn encode_into(&self, writer: &mut Writer) -> Result<(), TooLong> {
        writer.guid(PROTOCOL_ID);
        writer.int32(self.version.0);
        writer.int32(self.session.0);
        Ok(())
    }
}

impl Decode<'_> for HandshakeV1 {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        protocol_id(reader)?;
        let version = ProtocolVersion(reader.int32("version")?);
        let session = SessionId(reader.int32("session")?);
        Ok(Self { version, session })
    }
}

/// What a v2 client opens with: protocol ID, int32 lowest and int32 highest version (HS-7); 24 bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HandshakeV2 {
    /// The lowest version that the client speaks.
    pub min: ProtocolVersion,
    /// The highest version that the client speaks.
    pub max: ProtocolVersion,
}

impl Encode for HandshakeV2 {
    fn encode_into(&self, writer: &mut Writer) -> Result<(), TooLong> {
        writer.guid(PROTOCOL_ID);
        writer.int32(self.min.0);
        writer.int32(self.max.0);
        Ok(())
    }
}

impl Decode<'_> for HandshakeV2 {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        protocol_id(reader)?;
        let min = ProtocolVersion(reader.int32("min")?);
        let max = ProtocolVersion(reader.int32("max")?);
        Ok(Self { min, max })
    }
}

fn protocol_id(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    let start = reader.position();
    match reader.guid("protocol_id")? {
        PROTOCOL_ID => Ok(()),
        _ => Err(Malformed::new("protocol_id", start, Reason::WrongProtocolId)),
    }
}

/// How messages travel after the acknowledgement; one int8 on the wire (HS-4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Encryption {
    /// Mode 0: in clear.
    None,
    /// Mode 1: inside TLS, which is negotiated next (TLS-1).
    Ssl,
    /// Mode 2: each message encrypted with AES (AES-1).
    Aes {
        /// The vector of the first message in each direction, right behind the mode (AES-2, AES-4).
        iv: InitializationVector,
    },
}

impl Encryption {
    /// The mode's number on the wire.
    #[must_use]
    pub fn mode(&self) -> i8 {
        match self {
            Self::None => 0,
            Self::Ssl => 1,
            Self::Aes { .. } => 2,
        }
    }
}

/// The agent's version, of which the published pages have two forms (HS-9).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ServerVersion {
    /// One int32.
    Number(i32),
    /// Four int32: major, minor, build, revision.
    Parts([i32; 4]),
}

/// The two forms of the server version (HS-9), which nothing on the wire tells apart.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ServerVersionForm {
    /// One int32, the major version.
    #[default]
    Int32,
    /// Four int32.
    Int32x4,
}

impl ServerVersionForm {
    /// Bytes that it takes.
    const fn size(self) -> usize {
        match self {
            Self::Int32 => 4,
            Self::Int32x4 => 16,
        }
    }
}

impl fmt::Display for ServerVersion {
    /// Four numbers with dots between; a single one is the major version.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, build, revision] = match *self {
            Self::Number(major) => [major, 0, 0, 0],
            Self::Parts(parts) => parts,
        };
        write!(formatter, "{major}.{minor}.{build}.{revision}")
    }
}

/// The agent's answer to a handshake, in clear (HS-4, AES-9).
///
/// Layout: int8 mode; 16 bytes of initialization vector if the mode is 2; int32 value; server version, which
/// takes all the bytes left, 4 or 16.
///
/// ```
/// use iaspec_reference::protocol::{Acknowledgement, Decode, Encryption, ServerVersion};
///
/// let (acknowledgement, _) = Acknowledgement::decode(&[0, 0xd0, 0x07, 0, 0, 51, 0, 0, 0])?;
/// assert_eq!(acknowledgement.encryption, Encryption::None);
/// assert_eq!(acknowledgement.value, 2000);
/// assert_eq!(acknowledgement.server_version.to_string(), "51.0.0.0");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Acknowledgement {
    /// How messages travel from here on.
    pub encryption: Encryption,
    /// The session ID from a v1 agent (HS-6), the version that will be spoken from a v2 agent (HS-7); which of
    /// them it is, the client tells by its value (NEG-6).
    pub value: i32,
    /// The agent's version.
    pub server_version: ServerVersion,
}

impl Acknowledgement {
    /// Size in bytes of the acknowledgement that `buffered` begins with, if its server version has this form;
    /// `None` while its first byte is not there.
    ///
    /// ```
    /// use iaspec_reference::protocol::{Acknowledgement, ServerVersionForm};
    ///
    /// assert_eq!(Acknowledgement::size(&[0], ServerVersionForm::Int32)?, Some(1 + 4 + 4));
    /// assert_eq!(Acknowledgement::size(&[2], ServerVersionForm::Int32x4)?, Some(1 + 16 + 4 + 16));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the encryption mode is unknown.
    pub fn size(buffered: &[u8], form: ServerVersionForm) -> Result<Option<usize>, Malformed> {
        let Some(&[mode]) = buffered.first_chunk() else { return Ok(None) };
        let iv = match i8::from_le_bytes([mode]) {
            0 | 1 => 0,
            2 => InitializationVector::SIZE,
            unknown => return Err(Malformed::new("encryption", 0, Reason::UnknownEncryption(unknown))),
        };
        Ok(Some(1 + iv + 4 + form.size()))
    }
}

impl Encode for Acknowledgement {
    fn encode_into(&self, writer: &mut Writer) -> Result<(), TooLong> {
        writer.int8(self.encryption.mode());
        if let Encryption::Aes { iv } = self.encryption {
            writer.raw(&iv.0);
        }
        writer.int32(self.value);
        match self.server_version {
            ServerVersion::Number(number) => writer.int32(number),
            ServerVersion::Parts(parts) => parts.into_iter().for_each(|part| writer.int32(part)),
        }
        Ok(())
    }
}

impl Decode<'_> for Acknowledgement {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let start = reader.position();
        let encryption = match reader.int8("encryption")? {
            0 => Encryption::None,
            1 => Encryption::Ssl,
            2 => Encryption::Aes { iv: InitializationVector(reader.raw("iv")?) },
            unknown => {
                return Err(Malformed::new("encryption", start, Reason::UnknownEncryption(unknown)));
            }
        };
        let value = reader.int32("value")?;
        let server_version = server_version(reader)?;
        Ok(Self { encryption, value, server_version })
    }
}

fn server_version(reader: &mut Reader<'_>) -> Result<ServerVersion, Malformed> {
    const FIELD: &str = "server_version";
    match reader.left() {
        4 => reader.int32(FIELD).map(ServerVersion::Number),
        16 => {
            let mut parts = [0; 4];
            for part in &mut parts {
                *part = reader.int32(FIELD)?;
            }
            Ok(ServerVersion::Parts(parts))
        }
        left => Err(Malformed::new(FIELD, reader.position(), Reason::ServerVersionSize(left))),
    }
}
