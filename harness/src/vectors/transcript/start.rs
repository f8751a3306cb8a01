//! How an agent starts a host, well or badly, and what it can do to the segment afterwards.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scalars::{Hex, Yes};
use super::value::Value;
use crate::terms::TimeSpan;
use crate::yaml::Spot;

/// Parameters of `start`: how the agent starts a host.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "the parameters of `start`: {agent_type, session, ring_capacity, place, rings, wrong}"
)]
pub struct Start {
    /// The product: its name or number.
    pub agent_type: Spot<Value>,
    /// The session.
    pub session: Spot<Value>,
    /// Capacity of each ring; 4 MiB unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring_capacity: Option<Spot<u32>>,
    /// Where the segment is; memory unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Whether the agent wakes a host that sleeps; it does unless given. A host that is not woken polls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rings: Option<bool>,
    /// The one thing about segment or options that is wrong: the host must not attach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrong: Option<Spot<WrongStart>>,
    /// The bytes that stand in the field that is wrong; of a wrong `segment_size` the number of bytes that there are, an
    /// int32. Some that are wrong unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Spot<Hex>>,
    /// Which byte of the field that is wrong differs, where `value` does not say how; the first unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub byte: Option<Spot<u32>>,
    /// Where the counts of bytes of both rings begin, a decimal number as text; 0 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<Spot<Count>>,
    /// Bytes that are in the ring to the host before it is started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Spot<Hex>>,
    /// What the agent does once the host has attached, before anything else: it takes the host at the moments at which
    /// wake-ups are lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Spot<Schedule>>,
    /// With `wrong: options`: the words behind the command, in which {path}, {nonce}, {session} and {agent_type} stand for
    /// what is right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<Spot<Vec<String>>>,
}

/// Where a segment is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Memory without a name of its own, handed over as a path of the agent's descriptor.
    #[default]
    Memory,
    /// A file in a folder of the case's own.
    File,
}

/// What can be wrong about the start of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the fields of the segment's header, and the options")]
pub enum WrongStart {
    Path,
    Magic,
    Layout,
    HeaderSize,
    Capacity,
    SegmentSize,
    State,
    HostPid,
    Nonce,
    Parent,
    Session,
    AgentType,
    Options,
}

impl WrongStart {
    /// Where the field stands in the segment's header; `None` of what is no field.
    pub fn offset(self) -> Option<usize> {
        match self {
            Self::Magic => Some(0x00),
            Self::Layout => Some(0x08),
            Self::HeaderSize => Some(0x0c),
            Self::Capacity => Some(0x10),
            Self::Parent => Some(0x14),
            Self::HostPid => Some(0x18),
            Self::State => Some(0x1c),
            Self::Session => Some(0x20),
            Self::AgentType => Some(0x24),
            Self::Nonce => Some(0x28),
            Self::Path | Self::SegmentSize | Self::Options => None,
        }
    }

    /// How many bytes the field has; `None` of what is no field.
    pub fn size(self) -> Option<usize> {
        self.offset().map(|_| match self {
            Self::Magic => 8,
            Self::Nonce => 16,
            Self::AgentType => 1,
            _ => 4,
        })
    }
}

/// A count of bytes, which no number of YAML is sure to hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Count(pub String);

impl Count {
    /// The number.
    pub fn value(&self) -> u64 {
        self.0.parse().unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.parse::<u64>() {
            Ok(_) => Ok(Self(text)),
            Err(_) => Err(serde::de::Error::custom(format!("`{text}` is no number from 0 to 2^64 - 1"))),
        }
    }
}

/// What the agent does to bring out wake-ups that a host loses. It keeps to the contract in each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// It publishes requests exactly while the host falls asleep.
    BytesAsItFallsAsleep,
    /// It makes room exactly while the host, whose answers do not fit, falls asleep.
    RoomAsItFallsAsleep,
    /// It never rings, and sends requests that wait for a look of the host.
    SeldomRung,
    /// It sleeps, or is about to, while the host publishes.
    AsleepForBytes,
    /// It sleeps, or is about to, while the host makes room.
    AsleepForRoom,
    /// It watches count and bell of what the host writes.
    BellsOfBytes,
    /// It watches count and bell of what the host reads.
    BellsOfRoom,
    /// It sleeps on both bells of the host, and asks it to finish.
    AsleepAtTheEnd,
}

impl Schedule {
    /// What the agent does, for people.
    pub fn told(self) -> &'static str {
        match self {
            Self::BytesAsItFallsAsleep => "publishes requests while the host falls asleep",
            Self::RoomAsItFallsAsleep => "makes room while the host falls asleep",
            Self::SeldomRung => "never rings, and asks again and again",
            Self::AsleepForBytes => "sleeps while the host publishes",
            Self::AsleepForRoom => "sleeps while the host makes room",
            Self::BellsOfBytes => "watches count and bell of what the host writes",
            Self::BellsOfRoom => "watches count and bell of what the host reads",
            Self::AsleepAtTheEnd => "sleeps on both bells of the host, and asks it to finish",
        }
    }
}

/// What an agent that breaks its promises does to the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Breaks {
    /// Its count of bytes written runs back to 0.
    WrittenBackwards,
    /// Its count of bytes written is ahead of what the host has read by more than the ring holds.
    WrittenExcess,
    /// Its count of bytes read runs back to 0, and it reads no more.
    ReadBackwards,
    /// Its count of bytes read is ahead of what the host has written, and it reads no more.
    ReadExcess,
    /// The state is a number that is none.
    State,
}

/// The end of a host's process: with a code, by a signal, or in any way.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    default,
    expecting = "{code: NUMBER, within: TIME}, {signal: true}, or {} for any end"
)]
pub struct Exits {
    /// Its exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Spot<i32>>,
    /// Whether a signal ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<Spot<Yes>>,
    /// By when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Spot<TimeSpan>>,
}

/// Compares a report of the probe with what the harness knows of the host and sees of its process.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "{text: {ref: NAME}, fields: […]}")]
pub struct Reported {
    /// The report, a text bound before.
    pub text: Spot<Value>,
    /// The fields that are compared.
    pub fields: Spot<Vec<Spot<ReportField>>>,
}

/// A field of the probe's report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the contract's")]
pub enum ReportField {
    Pid,
    Ppid,
    Session,
    AgentType,
    Threads,
    StartedNs,
    Layout,
    RingCapacity,
    Nonce,
    Argv,
    EnvNames,
    OpenFiles,
    CwdFiles,
}

impl ReportField {
    /// Its name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pid => "pid",
            Self::Ppid => "ppid",
            Self::Session => "session",
            Self::AgentType => "agent_type",
            Self::Threads => "threads",
            Self::StartedNs => "started_ns",
            Self::Layout => "layout",
            Self::RingCapacity => "ring_capacity",
            Self::Nonce => "nonce",
            Self::Argv => "argv",
            Self::EnvNames => "env_names",
            Self::OpenFiles => "open_files",
            Self::CwdFiles => "cwd_files",
        }
    }
}
