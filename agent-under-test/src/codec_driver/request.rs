//! One request to its answer: which operation, on which type.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::failure::Failure;
use super::shapes::HeaderMembers;
use crate::line_protocol::{FromJson, Hex, Members, ToJson, bytes_from_hex, success, usable_id};
use crate::protocol::{
    Acknowledgement, AgentFrame, Cipher, ClientFrameV1, ClientFrameV2, CommandHeader, Decode, Encode,
    GetRootPath, HandshakeV1, HandshakeV2, InitializationVector, OpenSession, SealedFrame, TargetedHeader,
    Ticks, UpdateAgent, UpdateFile,
};

/// Answers one request line; neither has a line feed.
///
/// | `type` | JSON value |
/// |---|---|
/// | `int8`, `byte`, `int32` | number |
/// | `int64`, `datetime` (ticks) | decimal string |
/// | `string`, `root_path` | string |
/// | `guid` | lower case with dashes |
/// | `bytes` (`array<byte>`) | hexadecimal |
/// | `update_file` | `{name, modified_ticks, contents}` |
/// | `update_agent` | `{agent_type, assemblies, extensions}` |
/// | `get_root_path` | `{agent_type}` |
/// | `open_session` | `{agent_type, session}` |
/// | `handshake_v1`, `handshake_v2` | `{version, session}`, `{min, max}` |
/// | `ack` | `{encryption, iv, value, server_version}`, `server_version` a list of one or four numbers |
/// | `frame_client_v1` | `{target, command, data}` |
/// | `frame_client_v2`, `frame_agent` | `{command, data}` |
/// | `aes_frame_client_v1`, `aes_frame_client_v2`, `aes_frame_agent` | the same and `next_iv`; the request carries `key`, `iv` and `padding` (`pkcs7`, the default, or `zeros`) |
///
/// ```
/// use iaspec_reference::codec_driver::answer;
///
/// let request = r#"{"id":3,"op":"decode","type":"open_session","hex":"0107000000"}"#;
/// assert_eq!(answer(request), r#"{"id":3,"ok":{"value":{"agent_type":1,"session":7},"rest":0}}"#);
/// ```
#[must_use]
pub fn answer(line: &str) -> String {
    let request = match Members::of_line(line) {
        Ok(request) => request,
        Err(usage) => return Failure::from(usage).answer(None),
    };
    let id = match usable_id(&request) {
        Ok(id) => id,
        Err(usage) => return Failure::from(usage).answer(None),
    };
    respond(id, &request).unwrap_or_else(|failure| failure.answer(Some(id)))
}

fn respond(id: &RawValue, request: &Members<'_>) -> Result<String, Failure> {
    let operation: Cow<'_, str> = request.member("op")?;
    if !matches!(operation.as_ref(), "encode" | "decode") {
        return Err(Failure::unsupported("op", &operation));
    }
    let name: Cow<'_, str> = request.member("type")?;
    let kind = Type::named(&name).ok_or_else(|| Failure::unsupported("type", &name))?;
    if operation == "encode" {
        let bytes = encode(kind, request)?;
        Ok(success(id, Encoded { hex: Hex(&bytes) })?)
    } else {
        decode(id, kind, request)
    }
}

/// The types of the contract's table.
#[derive(Clone, Copy)]
enum Type {
    Int8,
    Byte,
    Int32,
    Int64,
    Datetime,
    Text,
    Guid,
    Bytes,
    UpdateFile,
    UpdateAgent,
    GetRootPath,
    OpenSession,
    HandshakeV1,
    HandshakeV2,
    Acknowledgement,
    ClientFrameV1,
    ClientFrameV2,
    AgentFrame,
    /// An encrypted frame with a target.
    SealedTargeted,
    /// An encrypted frame without one; the two directions have separate vectors and the same layout.
    Sealed,
}

impl Type {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "int8" => Self::Int8,
            "byte" => Self::Byte,
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            "datetime" => Self::Datetime,
            "string" | "root_path" => Self::Text,
            "guid" => Self::Guid,
            "bytes" => Self::Bytes,
            "update_file" => Self::UpdateFile,
            "update_agent" => Self::UpdateAgent,
            "get_root_path" => Self::GetRootPath,
            "open_session" => Self::OpenSession,
            "handshake_v1" => Self::HandshakeV1,
            "handshake_v2" => Self::HandshakeV2,
            "ack" => Self::Acknowledgement,
            "frame_client_v1" => Self::ClientFrameV1,
            "frame_client_v2" => Self::ClientFrameV2,
            "frame_agent" => Self::AgentFrame,
            "aes_frame_client_v1" => Self::SealedTargeted,
            "aes_frame_client_v2" | "aes_frame_agent" => Self::Sealed,
            _ => return None,
        })
    }
}

fn encode(kind: Type, request: &Members<'_>) -> Result<Vec<u8>, Failure> {
    match kind {
        Type::Int8 => encode_as::<i8>(request),
        Type::Byte => encode_as::<u8>(request),
        Type::Int32 => encode_as::<i32>(request),
        Type::Int64 => encode_as::<i64>(request),
        Type::Datetime => encode_as::<Ticks>(request),
        Type::Text => encode_as::<Cow<'_, str>>(request),
        Type::Guid => encode_as::<Uuid>(request),
        Type::Bytes => encode_as::<Cow<'_, [u8]>>(request),
        Type::UpdateFile => encode_as::<UpdateFile<'_>>(request),
        Type::UpdateAgent => encode_as::<UpdateAgent<'_>>(request),
        Type::GetRootPath => encode_as::<GetRootPath>(request),
        Type::OpenSession => encode_as::<OpenSession>(request),
        Type::HandshakeV1 => encode_as::<HandshakeV1>(request),
        Type::HandshakeV2 => encode_as::<HandshakeV2>(request),
        Type::Acknowledgement => encode_as::<Acknowledgement>(request),
        Type::ClientFrameV1 => encode_as::<ClientFrameV1<'_>>(request),
        Type::ClientFrameV2 => encode_as::<ClientFrameV2<'_>>(request),
        Type::AgentFrame => encode_as::<AgentFrame<'_>>(request),
        Type::SealedTargeted => seal::<TargetedHeader>(request),
        Type::Sealed => seal::<CommandHeader>(request),
    }
}

fn encode_as<'a, T: FromJson<'a> + Encode>(request: &Members<'a>) -> Result<Vec<u8>, Failure> {
    let value: T = request.member("value")?;
    Ok(value.encode()?)
}

fn seal<H: HeaderMembers>(request: &Members<'_>) -> Result<Vec<u8>, Failure> {
    let (cipher, iv) = encryption(request)?;
    let message: SealedFrame<'_, H> = request.member("value")?;
    Ok(message.seal(&cipher, &iv)?)
}

fn decode(id: &RawValue, kind: Type, request: &Members<'_>) -> Result<String, Failure> {
    let bytes = &mut bytes_from_hex(request.raw("hex")?).map_err(|usage| usage.within("hex"))?;
    match kind {
        Type::Int8 => decode_as::<i8>(id, bytes),
        Type::Byte => decode_as::<u8>(id, bytes),
        Type::Int32 => decode_as::<i32>(id, bytes),
        Type::Int64 => decode_as::<i64>(id, bytes),
        Type::Datetime => decode_as::<Ticks>(id, bytes),
        Type::Text => decode_as::<Cow<'_, str>>(id, bytes),
        Type::Guid => decode_as::<Uuid>(id, bytes),
        Type::Bytes => decode_as::<Cow<'_, [u8]>>(id, bytes),
        Type::UpdateFile => decode_as::<UpdateFile<'_>>(id, bytes),
        Type::UpdateAgent => decode_as::<UpdateAgent<'_>>(id, bytes),
        Type::GetRootPath => decode_as::<GetRootPath>(id, bytes),
        Type::OpenSession => decode_as::<OpenSession>(id, bytes),
        Type::HandshakeV1 => decode_as::<HandshakeV1>(id, bytes),
        Type::HandshakeV2 => decode_as::<HandshakeV2>(id, bytes),
        Type::Acknowledgement => decode_as::<Acknowledgement>(id, bytes),
        Type::ClientFrameV1 => decode_as::<ClientFrameV1<'_>>(id, bytes),
        Type::ClientFrameV2 => decode_as::<ClientFrameV2<'_>>(id, bytes),
        Type::AgentFrame => decode_as::<AgentFrame<'_>>(id, bytes),
        Type::SealedTargeted => open::<TargetedHeader>(id, bytes, request),
        Type::Sealed => open::<CommandHeader>(id, bytes, request),
    }
}

fn decode_as<'a, T: Decode<'a> + ToJson>(id: &RawValue, bytes: &'a [u8]) -> Result<String, Failure> {
    let (value, rest) = T::decode(bytes)?;
    Ok(success(id, Decoded { value: value.to_json(), rest })?)
}

fn open<H: HeaderMembers>(id: &RawValue, bytes: &mut [u8], request: &Members<'_>) -> Result<String, Failure> {
    let (cipher, iv) = encryption(request)?;
    let (message, rest) = SealedFrame::<H>::open(bytes, &cipher, &iv)?;
    Ok(success(id, Decoded { value: message.to_json(), rest })?)
}

/// The settings that a request on an encrypted frame carries beside its type.
fn encryption(request: &Members<'_>) -> Result<(Cipher, InitializationVector), Failure> {
    let key = request.member("key")?;
    let iv = request.member("iv")?;
    let padding = request.optional("padding")?.unwrap_or_default();
    Ok((Cipher::new(key, padding)?, iv))
}

#[derive(Serialize)]
struct Encoded<'a> {
    hex: Hex<'a>,
}

#[derive(Serialize)]
struct Decoded<T> {
    value: T,
    rest: usize,
}
