//! What a client or a host is told to do: `does:`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::entry::{AesPadding, ResponseCode, ServerVersion};
use super::scalars::Hex;
use super::start::Start;
use super::value::Value;
use crate::terms::TimeSpan;
use crate::yaml::Spot;

/// One operation. Those of a client are the ops of the client line protocol; `start` is that of a host.
/// One without parameters may be written as its bare name (`does: close`).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Connects: handshake, acknowledgement, encryption.
    Connect(Box<Connect>),
    /// Sends a message.
    Send(Send),
    /// Waits for the next message that answers no request.
    Receive(Receive),
    /// Asks for a root path.
    GetRootPath(GetRootPath),
    /// Sends files.
    UpdateAgent(UpdateAgent),
    /// Binds the connection to a session.
    OpenSession(OpenSession),
    /// Closes the connection.
    Close(Close),
    /// Sends the client driver this line as it stands; `{conn}` in it stands for the connection's number and
    /// `{id}` for the request's. For lines that no op can make.
    Line(Spot<String>),
    /// Starts a host.
    Start(Box<Start>),
}

/// Parameters of `connect`: `min` and `max` for v2, or `session` for v1.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    default,
    expecting = "the parameters of `connect`, such as {min: 1000, max: 2000}"
)]
pub struct Connect {
    /// The lowest version offered (v2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Spot<Value>>,
    /// The highest version offered (v2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Spot<Value>>,
    /// The session asked for (v1), 0 for a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Spot<Value>>,
    /// The host name or address to connect to; that of the played agent unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Spot<String>>,
    /// The port; that of the played agent unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<Spot<Port>>,
    /// The AES key, hexadecimal, or `none`; that of the run unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aes_key: Option<Spot<String>>,
    /// How certificates are judged; the run's authority is trusted unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// The only encryption that will do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require: Option<Required>,
    /// Readings of the protocol other than the run's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialect: Option<Dialect>,
    /// How long it, and each op of this connection, may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<TimeSpan>,
}

/// A port that differs from that of the played agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Port {
    /// One on which nothing listens.
    Closed,
}

/// How a client judges certificates.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "{ca, name, verify}")]
pub struct Tls {
    /// The authority that is trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<Authority>,
    /// The name that the certificate must be for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it is judged at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<bool>,
}

/// An authority that signs certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Authority {
    /// The one that signed the certificate of the run.
    Run,
    /// Another one.
    Other,
    /// Those of the system: no `tls` is given to the client.
    System,
}

/// Encryption that a client can insist on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the contract's")]
pub enum Required {
    Aes,
    Ssl,
}

/// Readings of the protocol, by knob.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "knobs and their values")]
pub struct Dialect {
    /// Width of the server version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_version: Option<Spot<ServerVersion>>,
    /// Padding of AES.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aes_padding: Option<Spot<AesPadding>>,
    /// Command code of responses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_code: Option<Spot<ResponseCode>>,
}

/// Parameters of `send`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "the parameters of `send`: {target, command, data}")]
pub struct Send {
    /// Whom it is for: meta, otter, buildmaster, hedgehog or a number; meta unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Spot<Value>>,
    /// The command.
    pub command: Spot<Value>,
    /// The data; none unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Spot<Hex>>,
    /// How long it may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<TimeSpan>,
}

/// Parameters of `receive`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "the parameters of `receive`: {timeout}")]
pub struct Receive {
    /// How long it may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<TimeSpan>,
}

/// Parameters of `get_root_path`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "the parameters of `get_root_path`: {agent_type}")]
pub struct GetRootPath {
    /// The product: its name or number.
    pub agent_type: Spot<Value>,
    /// How long it may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<TimeSpan>,
}

/// Parameters of `update_agent`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "the parameters of `update_agent`: {agent_type, assemblies, extensions}"
)]
pub struct UpdateAgent {
    /// The product: its name or number.
    pub agent_type: Spot<Value>,
    /// Files; none unless given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assemblies: Vec<UpdateFile>,
    /// Files; none unless given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<UpdateFile>,
    /// How long it may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<TimeSpan>,
}

/// A file of `update_agent`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a file: {name, modified_ticks, contents}")]
pub struct UpdateFile {
    /// Its name.
    pub name: Spot<String>,
    /// Its modification time, a decimal number as text.
    pub modified_ticks: Spot<String>,
    /// Its contents.
    pub contents: Spot<Hex>,
}

/// Parameters of `open_session`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "the parameters of `open_session`: {agent_type, session}")]
pub struct OpenSession {
    /// The product: its name or number.
    pub agent_type: Spot<Value>,
    /// The session asked for, 0 for a new one.
    pub session: Spot<Value>,
    /// How long it may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<TimeSpan>,
}

/// Parameters of `close`: none.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "`close` without parameters: {}")]
pub struct Close {}

/// The names of ops, for messages.
const NAMES: &[&str] = &[
    "connect",
    "send",
    "receive",
    "get_root_path",
    "update_agent",
    "open_session",
    "close",
    "line",
    "start",
];

impl Op {
    /// Its name in the line protocol.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Connect(_) => "connect",
            Op::Send(_) => "send",
            Op::Receive(_) => "receive",
            Op::GetRootPath(_) => "get_root_path",
            Op::UpdateAgent(_) => "update_agent",
            Op::OpenSession(_) => "open_session",
            Op::Close(_) => "close",
            Op::Line(_) => "line",
            Op::Start(_) => "start",
        }
    }

    /// How long it may take, where it says so.
    pub fn timeout(&self) -> Option<TimeSpan> {
        match self {
            Op::Connect(connect) => connect.timeout,
            Op::Send(send) => send.timeout,
            Op::Receive(receive) => receive.timeout,
            Op::GetRootPath(get) => get.timeout,
            Op::UpdateAgent(update) => update.timeout,
            Op::OpenSession(open) => open.timeout,
            Op::Close(_) | Op::Line(_) | Op::Start(_) => None,
        }
    }

    /// Whether it puts bytes on the connection.
    pub fn sends(&self) -> bool {
        !matches!(self, Op::Receive(_) | Op::Close(_) | Op::Line(_) | Op::Start(_))
    }

    /// The members that its result may have.
    pub fn result_members(&self) -> &'static [&'static str] {
        match self {
            Op::Connect(_) => &["encryption", "speaks", "session", "server_version"],
            Op::Receive(_) => &["command", "data"],
            Op::GetRootPath(_) => &["path"],
            Op::OpenSession(_) => &["session"],
            Op::Send(_) | Op::UpdateAgent(_) | Op::Close(_) | Op::Line(_) | Op::Start(_) => &[],
        }
    }

    /// The values among its parameters.
    pub fn values(&self) -> Vec<&Spot<Value>> {
        match self {
            Op::Connect(connect) => {
                [&connect.min, &connect.max, &connect.session].into_iter().flatten().collect()
            }
            Op::Send(send) => send.target.iter().chain([&send.command]).collect(),
            Op::GetRootPath(request) => vec![&request.agent_type],
            Op::UpdateAgent(update) => vec![&update.agent_type],
            Op::OpenSession(open) => vec![&open.agent_type, &open.session],
            Op::Start(start) => vec![&start.agent_type, &start.session],
            Op::Receive(_) | Op::Close(_) | Op::Line(_) => Vec::new(),
        }
    }
}

impl<'de> Deserialize<'de> for Op {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OpVisitor;
        impl<'de> Visitor<'de> for OpVisitor {
            type Value = Op;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an op with its parameters, such as {get_root_path: {agent_type: otter}}")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Op, E> {
                match name {
                    "receive" => Ok(Op::Receive(Receive::default())),
                    "close" => Ok(Op::Close(Close::default())),
                    name if NAMES.contains(&name) => {
                        Err(E::custom(format_args!("`{name}` needs its parameters; write {{{name}: {{…}}}}")))
                    }
                    name => Err(E::unknown_variant(name, NAMES)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Op, A::Error> {
                Members::deserialize(MapAccessDeserializer::new(map))?.one()
            }
        }
        deserializer.deserialize_any(OpVisitor)
    }
}

/// The ops as members of a mapping, of which one must be there: so the message is exact when there are two.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Members {
    /// Connects: handshake, acknowledgement, encryption.
    connect: Option<Box<Connect>>,
    /// Sends a message.
    send: Option<Send>,
    /// Waits for the next message that answers no request.
    receive: Option<Receive>,
    /// Asks for a root path.
    get_root_path: Option<GetRootPath>,
    /// Sends files.
    update_agent: Option<UpdateAgent>,
    /// Binds the connection to a session.
    open_session: Option<OpenSession>,
    /// Closes the connection.
    close: Option<Close>,
    /// Sends the client driver this line as it stands; `{conn}` in it stands for the connection's number and
    /// `{id}` for the request's. For lines that no op can make.
    line: Option<Spot<String>>,
    /// Starts a host.
    start: Option<Box<Start>>,
}

impl Members {
    fn one<E: Error>(self) -> Result<Op, E> {
        let mut ops = [
            self.connect.map(Op::Connect),
            self.send.map(Op::Send),
            self.receive.map(Op::Receive),
            self.get_root_path.map(Op::GetRootPath),
            self.update_agent.map(Op::UpdateAgent),
            self.open_session.map(Op::OpenSession),
            self.close.map(Op::Close),
            self.line.map(Op::Line),
            self.start.map(Op::Start),
        ]
        .into_iter()
        .flatten();
        match (ops.next(), ops.next()) {
            (Some(op), None) => Ok(op),
            (Some(one), Some(two)) => Err(E::custom(format_args!(
                "a step does one thing; here are `{}` and `{}`",
                one.name(),
                two.name()
            ))),
            _ => Err(E::custom("no op is given; write one such as {get_root_path: {agent_type: otter}}")),
        }
    }
}

impl JsonSchema for Op {
    fn schema_name() -> Cow<'static, str> {
        "Op".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut members = Members::json_schema(generator);
        members.insert("minProperties".to_owned(), 1.into());
        members.insert("maxProperties".to_owned(), 1.into());
        json_schema!({
            "description": "One operation. Those of a client are the ops of the client line protocol; `start` is \
                that of a host. One without parameters may be written as its bare name.",
            "anyOf": [{"enum": ["receive", "close"]}, members]
        })
    }
}

/// The error kinds of the client line protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the contract's")]
pub enum ErrorKind {
    Refused,
    Closed,
    Tls,
    Protocol,
    Unsupported,
    Crypto,
    Timeout,
    Usage,
}

/// One error kind, or a list of which any will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorKinds(pub Vec<ErrorKind>);

impl<'de> Deserialize<'de> for ErrorKinds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = ErrorKinds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an error kind, or a list of them")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<ErrorKinds, E> {
                let text = serde::de::value::StrDeserializer::<E>::new(text);
                ErrorKind::deserialize(text).map(|kind| ErrorKinds(vec![kind]))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut access: A) -> Result<ErrorKinds, A::Error> {
                let mut kinds = Vec::new();
                while let Some(kind) = access.next_element()? {
                    kinds.push(kind);
                }
                if kinds.is_empty() {
                    Err(A::Error::custom("an empty list; write at least one error kind"))
                } else {
                    Ok(ErrorKinds(kinds))
                }
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

impl Serialize for ErrorKinds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            many => many.serialize(serializer),
        }
    }
}

impl JsonSchema for ErrorKinds {
    fn schema_name() -> Cow<'static, str> {
        "ErrorKinds".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let kind = generator.subschema_for::<ErrorKind>();
        json_schema!({
            "description": "An error kind of the client line protocol, or a list of which any will do.",
            "anyOf": [kind, {"type": "array", "items": kind, "minItems": 1}]
        })
    }
}

/// What an op must give back; members that are not named may be anything.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    default,
    expecting = "the members of a result, such as {path: /var/otter}; {} for none"
)]
pub struct Expected {
    /// Of connect: the mode of encryption, 0 none, 1 SSL, 2 AES.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Spot<Value>>,
    /// Of connect: the version spoken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speaks: Option<Spot<Value>>,
    /// Of connect and open_session: the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Spot<Value>>,
    /// Of connect: the server's version, such as 51.0.0.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_version: Option<Spot<Value>>,
    /// Of get_root_path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Spot<Value>>,
    /// Of receive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Spot<Value>>,
    /// Of receive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Spot<super::data::Data>>,
}

impl Expected {
    /// The members that are values, by name.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, &Spot<Value>)> {
        [
            ("encryption", &self.encryption),
            ("speaks", &self.speaks),
            ("session", &self.session),
            ("server_version", &self.server_version),
            ("path", &self.path),
            ("command", &self.command),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_ref()?)))
    }
}
