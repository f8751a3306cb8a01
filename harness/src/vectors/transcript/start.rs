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
