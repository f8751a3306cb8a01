//! The segment's layout, version 1: offsets, sizes, and the header as it is first written and checked.
//!
//! All fields are little-endian. The header page is followed by the data of the agent-to-host ring, then by that of the
//! host-to-agent ring.

/// The first eight bytes of a segment.
pub const MAGIC: [u8; 8] = *b"IASHMEM1";
/// The layout version described here.
pub const LAYOUT: u32 = 1;
/// Bytes before the data of the first ring.
pub const HEADER_SIZE: usize = HEADER_SIZE_FIELD as usize;
/// The same as the header's field.
pub(crate) const HEADER_SIZE_FIELD: u32 = 4096;
/// The smallest ring.
pub const MIN_CAPACITY: u32 = 64;
/// The largest ring.
pub const MAX_CAPACITY: u32 = 1 << 30;
/// The capacity to take where nothing else is asked for: with less, large messages pass more slowly.
pub const DEFAULT_CAPACITY: u32 = 4 << 20;

/// Offsets of the header's fields.
pub mod offset {
    /// u8\[8\]: [`MAGIC`](super::MAGIC).
    pub const MAGIC: usize = 0x000;
    /// u32: [`LAYOUT`](super::LAYOUT).
    pub const LAYOUT: usize = 0x008;
    /// u32: [`HEADER_SIZE`](super::HEADER_SIZE).
    pub const HEADER_SIZE: usize = 0x00c;
    /// u32: bytes in each ring.
    pub const CAPACITY: usize = 0x010;
    /// u32: the agent's process ID.
    pub const AGENT_PID: usize = 0x014;
    /// u32: the host's process ID, 0 until it has attached.
    pub const HOST_PID: usize = 0x018;
    /// u32: a [`State`](super::State).
    pub const STATE: usize = 0x01c;
    /// i32: the session's ID.
    pub const SESSION: usize = 0x020;
    /// u8: the agent type.
    pub const AGENT_TYPE: usize = 0x024;
    /// u8\[16\]: the nonce.
    pub const NONCE: usize = 0x028;
    /// The ring control of agent to host.
    pub const AGENT_TO_HOST: usize = 0x100;
    /// The ring control of host to agent.
    pub const HOST_TO_AGENT: usize = 0x200;
    /// The producer's half within a ring control.
    pub const PRODUCER: usize = 0x00;
    /// The consumer's half within a ring control.
    pub const CONSUMER: usize = 0x40;
}

/// Who attaches whom: the agent creates the segment, the host attaches to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// The agent.
    Agent,
    /// The product host.
    Host,
}

impl Role {
    /// The other one.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Agent => Self::Host,
            Self::Host => Self::Agent,
        }
    }

    /// The ring that this one writes into.
    #[must_use]
    pub const fn outgoing(self) -> Direction {
        match self {
            Self::Agent => Direction::AgentToHost,
            Self::Host => Direction::HostToAgent,
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Agent => "agent",
            Self::Host => "host",
        })
    }
}

/// One of the two rings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// From the agent to the host.
    AgentToHost,
    /// From the host to the agent.
    HostToAgent,
}

impl Direction {
    /// The offset of its ring control.
    #[must_use]
    pub const fn control(self) -> usize {
        match self {
            Self::AgentToHost => offset::AGENT_TO_HOST,
            Self::HostToAgent => offset::HOST_TO_AGENT,
        }
    }

    /// The offset of its data, where both rings hold `capacity` bytes.
    #[must_use]
    pub const fn data(self, capacity: u32) -> usize {
        match self {
            Self::AgentToHost => HEADER_SIZE,
            Self::HostToAgent => HEADER_SIZE + capacity as usize,
        }
    }
}

impl std::fmt::Display for Direction {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::AgentToHost => "agent to host",
            Self::HostToAgent => "host to agent",
        })
    }
}

/// One of the two sides of a ring.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// The one that writes into it.
    Producer,
    /// The one that reads from it.
    Consumer,
}

impl Side {
    /// The offset of its half within the ring control.
    #[must_use]
    pub const fn half(self) -> usize {
        match self {
            Self::Producer => offset::PRODUCER,
            Self::Consumer => offset::CONSUMER,
        }
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        })
    }
}

/// How far a session has come. It only ever advances.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u32)]
pub enum State {
    /// The agent has created the segment; no host has attached.
    Created = 0,
    /// A host has attached.
    Attached = 1,
    /// The agent asks the host to finish.
    Closing = 2,
    /// The host has finished.
    Closed = 3,
}

impl State {
    /// The state of that number; `None` beyond 3.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Created),
            1 => Some(Self::Attached),
            2 => Some(Self::Closing),
            3 => Some(Self::Closed),
            _ => None,
        }
    }
}

/// The fields before the ring controls.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Header {
    /// What stands for [`MAGIC`].
    pub magic: [u8; 8],
    /// What stands for [`LAYOUT`].
    pub layout: u32,
    /// What stands for [`HEADER_SIZE`].
    pub header_size: u32,
    /// Bytes in each ring.
    pub capacity: u32,
    /// The agent's process ID.
    pub agent_pid: u32,
    /// The host's process ID, 0 until it has attached.
    pub host_pid: u32,
    /// The number of a [`State`].
    pub state: u32,
    /// The session's ID.
    pub session: i32,
    /// The agent type.
    pub agent_type: u8,
    /// What the host was told on its command line too: it guards against mix-ups.
    pub nonce: [u8; 16],
}

impl Header {
    /// The header page: these fields, zeros elsewhere.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut page = vec![0; HEADER_SIZE];
        let mut put = |offset: usize, bytes: &[u8]| page[offset..offset + bytes.len()].copy_from_slice(bytes);
        put(offset::MAGIC, &self.magic);
        put(offset::LAYOUT, &self.layout.to_le_bytes());
        put(offset::HEADER_SIZE, &self.header_size.to_le_bytes());
        put(offset::CAPACITY, &self.capacity.to_le_bytes());
        put(offset::AGENT_PID, &self.agent_pid.to_le_bytes());
        put(offset::HOST_PID, &self.host_pid.to_le_bytes());
        put(offset::STATE, &self.state.to_le_bytes());
        put(offset::SESSION, &self.session.to_le_bytes());
        put(offset::AGENT_TYPE, &[self.agent_type]);
        put(offset::NONCE, &self.nonce);
        page
    }

    /// The fields of a header page.
    #[must_use]
    pub fn decode(page: &[u8; HEADER_SIZE]) -> Self {
        Self {
            magic: array(page, offset::MAGIC),
            layout: u32::from_le_bytes(array(page, offset::LAYOUT)),
            header_size: u32::from_le_bytes(array(page, offset::HEADER_SIZE)),
            capacity: u32::from_le_bytes(array(page, offset::CAPACITY)),
            agent_pid: u32::from_le_bytes(array(page, offset::AGENT_PID)),
            host_pid: u32::from_le_bytes(array(page, offset::HOST_PID)),
            state: u32::from_le_bytes(array(page, offset::STATE)),
            session: i32::from_le_bytes(array(page, offset::SESSION)),
            agent_type: page[offset::AGENT_TYPE],
            nonce: array(page, offset::NONCE),
        }
    }
}

fn array<const LENGTH: usize>(page: &[u8; HEADER_SIZE], offset: usize) -> [u8; LENGTH] {
    std::array::from_fn(|index| page[offset + index])
}

/// Whether rings may have this capacity: a power of two from [`MIN_CAPACITY`] to [`MAX_CAPACITY`].
#[must_use]
pub const fn is_capacity(bytes: u32) -> bool {
    bytes.is_power_of_two() && bytes >= MIN_CAPACITY && bytes <= MAX_CAPACITY
}

/// Bytes in a whole segment.
#[must_use]
pub const fn segment_size(capacity: u32) -> u64 {
    HEADER_SIZE as u64 + 2 * capacity as u64
}
