//! What a line asks for.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::trust::{ConnectionTrust, Roots, server_name};
use crate::client::core::{Failure, Kind, Offer, Operation, Requirement, ResponseCode, Terms, VectorSource};
use crate::line_protocol::{FromJson, Members, Usage, bytes_from_hex, parse, text_from_json};
use crate::protocol::{AgentType, Cipher, Key, OpenSession, ServerVersionForm, UpdateAgent, UpdateFile};

/// What a request asks for, beside its id.
#[derive(Debug)]
pub(super) struct Request {
    /// What is to be done.
    pub(super) task: Task,
    /// How long it may take, if it says so.
    pub(super) timeout: Option<Duration>,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Task {
    /// Make a connection.
    Connect(Connect),
    /// Do something on one.
    Operation {
        /// Its number.
        conn: u64,
        /// What to do.
        operation: Operation,
    },
}

/// A connection that is wanted.
#[derive(Debug)]
pub(super) struct Connect {
    /// The agent's name or address.
    pub(super) host: String,
    /// Its port.
    pub(super) port: u16,
    /// What the client comes with.
    pub(super) terms: Terms,
}

impl Request {
    /// Reads the members of a request.
    pub(super) fn from_members(
        members: &Members<'_>,
        vectors: &Arc<dyn VectorSource>,
    ) -> Result<Self, Failure> {
        let name: Cow<'_, str> = members.member("op")?;
        let operation: fn(&Members<'_>) -> Result<Operation, Failure> = match name.as_ref() {
            "connect" => {
                let task = Task::Connect(connect(members, vectors)?);
                return Ok(Self { task, timeout: timeout(members)? });
            }
            "send" => send,
            "receive" => |_| Ok(Operation::Receive),
            "get_root_path" => |members| Ok(Operation::GetRootPath(agent_type(members)?)),
            "update_agent" => update_agent,
            "open_session" => open_session,
            "close" => |_| Ok(Operation::Close),
            _ => return Err(Failure::new(Kind::Unsupported, format!("unknown op {name:?}"))),
        };
        let conn = members.member::<Count>("conn")?.0;
        Ok(Self {
            task: Task::Operation { conn, operation: operation(members)? },
            timeout: timeout(members)?,
        })
    }
}

fn timeout(members: &Members<'_>) -> Result<Option<Duration>, Usage> {
    let milliseconds: Option<Count> = members.optional("timeout_ms")?;
    Ok(milliseconds.map(|Count(milliseconds)| Duration::from_millis(milliseconds)))
}

fn connect(members: &Members<'_>, vectors: &Arc<dyn VectorSource>) -> Result<Connect, Failure> {
    let host: Cow<'_, str> = members.member("host")?;
    let port = members.member("port")?;
    let offer = members.member("protocol")?;
    let dialect = members.optional::<Dialect>("dialect")?.unwrap_or_default();
    let key: Option<Key> = members.optional("aes_key")?;
    let trust = match members.optional("tls")? {
        Some(tls) => connection_trust(&tls, &host).map_err(|usage| usage.within("tls"))?,
        None => ConnectionTrust { roots: Roots::System, name: host.to_string() },
    };
    let cipher = key.map(|key| Cipher::new(key, dialect.aes_padding)).transpose();
    let terms = Terms {
        server_version: dialect.server_version,
        response_code: dialect.response_code,
        require: members.optional("require")?,
        cipher: cipher.map_err(|failure| Failure::new(Kind::Crypto, failure.to_string()))?,
        ..Terms::new(offer, Arc::clone(vectors), Arc::new(trust))
    };
    Ok(Connect { host: host.into_owned(), port, terms })
}

pub(super) fn connection_trust(tls: &Members<'_>, host: &str) -> Result<ConnectionTrust, Usage> {
    let path: Option<Cow<'_, str>> = tls.optional("ca_pem")?;
    let given: Option<Cow<'_, str>> = tls.optional("name")?;
    if let Some(name) = &given {
        server_name(name).map_err(|problem| Usage::new(problem).within("name"))?;
    }
    let verify = tls.optional("verify")?.unwrap_or(true);
    let roots = match path {
        _ if !verify => Roots::Any,
        Some(path) => Roots::from_pem(Path::new(path.as_ref()))
            .map_err(|problem| Usage::new(problem).within("ca_pem"))?,
        None => Roots::System,
    };
    Ok(ConnectionTrust { roots, name: given.map_or_else(|| host.to_owned(), Cow::into_owned) })
}

fn send(members: &Members<'_>) -> Result<Operation, Failure> {
    // Whether it matters is known once a version is agreed on.
    let target = members.member::<TargetName>("target").map(|name| name.0).map_err(Failure::from);
    let data = bytes_from_hex(members.raw("data")?).map_err(|usage| usage.within("data"))?;
    Ok(Operation::Send { target, command: members.member("command")?, data: Bytes::from(data) })
}

fn update_agent(members: &Members<'_>) -> Result<Operation, Failure> {
    let assemblies: Vec<UpdateFile<'_>> = members.member("assemblies")?;
    let extensions: Vec<UpdateFile<'_>> = members.member("extensions")?;
    let update = UpdateAgent { agent_type: agent_type(members)?, assemblies, extensions };
    Operation::update_agent(&update).map_err(|error| Failure::new(Kind::Usage, error.to_string()))
}

fn open_session(members: &Members<'_>) -> Result<Operation, Failure> {
    let (agent_type, session) = (agent_type(members)?, members.member("session")?);
    Ok(Operation::OpenSession(OpenSession { agent_type, session }))
}

fn agent_type(members: &Members<'_>) -> Result<AgentType, Usage> {
    members.member::<TargetName>("agent_type").map(|name| name.0)
}

/// A number that counts something.
struct Count(u64);

impl FromJson<'_> for Count {
    fn from_json(json: &RawValue) -> Result<Self, Usage> {
        parse(json).map(Self)
    }
}

/// An agent type by its name; one that has none by its number, 0 to 255.
struct TargetName(AgentType);

impl FromJson<'_> for TargetName {
    fn from_json(json: &RawValue) -> Result<Self, Usage> {
        if !json.get().starts_with('"') {
            return AgentType::from_json(json).map(Self);
        }
        Ok(Self(match text_from_json(json)?.as_ref() {
            "meta" => AgentType::META,
            "otter" => AgentType::OTTER,
            "buildmaster" => AgentType::BUILDMASTER,
            "hedgehog" => AgentType::HEDGEHOG,
            unknown => return Err(Usage::new(format!("unknown agent type {unknown:?}"))),
        }))
    }
}

impl FromJson<'_> for Offer {
    fn from_json(json: &RawValue) -> Result<Self, Usage> {
        let members = Members::from_json(json)?;
        match members.member("version")? {
            1 => Ok(Self::Session(members.member("session")?)),
            2 => Ok(Self::Versions { min: members.member("min")?, max: members.member("max")? }),
            other => Err(Usage::new(format!("{other} is neither 1 nor 2")).within("version")),
        }
    }
}

impl FromJson<'_> for Requirement {
    fn from_json(json: &RawValue) -> Result<Self, Usage> {
        match text_from_json(json)?.as_ref() {
            "ssl" => Ok(Self::Ssl),
            "aes" => Ok(Self::Aes),
            unknown => Err(Usage::new(format!("{unknown:?} is neither \"ssl\" nor \"aes\""))),
        }
    }
}

/// The readings of what the pages leave open.
#[derive(Default)]
struct Dialect {
    server_version: ServerVersionForm,
    aes_padding: crate::protocol::Padding,
    response_code: ResponseCode,
}

impl FromJson<'_> for Dialect {
    fn from_json(json: &RawValue) -> Result<Self, Usage> {
        let members = Members::from_json(json)?;
        Ok(Self {
            server_version: members.optional("server_version")?.unwrap_or_default(),
            aes_padding: members.optional("aes_padding")?.unwrap_or_default(),
            response_code: members.optional("response_code")?.unwrap_or_default(),
        })
    }
}

impl FromJson<'_> for ServerVersionForm {
    fn from_json(json: &RawValue) -> Result<Self, Usage> {
        match text_from_json(json)?.as_ref() {
            "int32" => Ok(Self::Int32),
            "int32x4" => Ok(Self::Int32x4),
            unknown => Err(Usage::new(format!("{unknown:?} is neither \"int32\" nor \"int32x4\""))),
        }
    }
}

impl FromJson<'_> for ResponseCode {
    fn from_json(json: &RawValue) -> Result<Self, Usage> {
        match text_from_json(json)?.as_ref() {
            "echo" => Ok(Self::Echo),
            "any" => Ok(Self::Any),
            unknown => Err(Usage::new(format!("{unknown:?} is neither \"echo\" nor \"any\""))),
        }
    }
}
