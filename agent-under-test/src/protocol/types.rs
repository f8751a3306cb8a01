//! The protocol's own kinds of number.
//!
//! Each holds any value that its field can carry on the wire: a peer may send an agent type or a command that
//! does not exist yet, and the agent has to live with it (CMP-3). [`Ticks`] is the exception, because a
//! decoder refuses ticks that are no point in time (DAT-5).

use thiserror::Error;

/// A product, or the agent itself: one byte, 0 to 255 (DAT-1).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AgentType(pub u8);

impl AgentType {
    /// The agent itself, which handles meta messages.
    pub const META: Self = Self(0);
    /// Otter.
    pub const OTTER: Self = Self(1);
    /// BuildMaster.
    pub const BUILDMASTER: Self = Self(2);
    /// Hedgehog.
    pub const HEDGEHOG: Self = Self(3);
}

/// A command code: int32, any value; the recipient gives it its meaning (CMP-5).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Command(pub i32);

impl Command {
    /// Meta command 1, v2 framing only: bind the connection to a session (RTE-2).
    pub const OPEN_SESSION: Self = Self(1);
    /// Meta command 2: replace a product's files (MTA-1).
    pub const UPDATE_AGENT: Self = Self(2);
    /// Meta command 3: tell a product's root temporary path (MTA-3).
    pub const GET_ROOT_PATH: Self = Self(3);
}

/// A session ID: int32, any value; in a request 0 asks for a new session (SES-1).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionId(pub i32);

/// A protocol version: int32, any value; 1000 is v1, 2000 is v2.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ProtocolVersion(pub i32);

impl ProtocolVersion {
    /// Version 1, 1000 on the wire (HS-8).
    pub const V1: Self = Self(1000);
    /// Version 2, 2000 on the wire.
    pub const V2: Self = Self(2000);
}

/// A point in time: 100 ns intervals since 0001-01-01T00:00:00Z, up to the end of the year 9999 (DAT-4).
///
/// ```
/// use iaspec_reference::protocol::Ticks;
///
/// let unix_epoch = Ticks::new(621_355_968_000_000_000)?;
/// assert_eq!(unix_epoch.get(), 621_355_968_000_000_000);
/// assert!(Ticks::new(-1).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ticks(i64);

impl Ticks {
    /// 9999-12-31T23:59:59.9999999Z, the last point in time there is.
    pub const MAX: Self = Self(3_155_378_975_999_999_999);

    /// The point in time that many ticks after the start of the year 1.
    ///
    /// # Errors
    ///
    /// [`TicksOutOfRange`] below 0 and above [`Ticks::MAX`].
    pub fn new(ticks: i64) -> Result<Self, TicksOutOfRange> {
        if (0..=Self::MAX.0).contains(&ticks) { Ok(Self(ticks)) } else { Err(TicksOutOfRange(ticks)) }
    }

    /// The number of ticks, 0 to 3155378975999999999.
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }
}

/// A number of ticks that is no point in time (DAT-4).
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("ticks out of range: {0}")]
pub struct TicksOutOfRange(pub i64);
