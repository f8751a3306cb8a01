//! What can go wrong with a segment, told with whose fault it is.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::layout::{Direction, Role, Side};
use crate::ring::Fault;

/// Why a transfer, or a wait for one, came to nothing.
#[derive(Debug, Error)]
pub enum Error {
    /// The peer's process is no more; what it had published was read before.
    #[error("the {peer} process has ended without closing its ring")]
    PeerDied {
        /// Who died.
        peer: Role,
    },
    /// The peer reads no more.
    #[error("the {peer} has closed its reading end")]
    PeerClosed {
        /// Who closed.
        peer: Role,
    },
    /// The agent asks the host to finish, and the ring to the host is empty.
    #[error("the agent asks the host to finish")]
    Closing,
    /// The wait's deadline has passed.
    #[error("nothing happened within the time")]
    Deadline,
    /// Somebody in this process has called [`Interrupter::interrupt`](crate::Interrupter::interrupt).
    #[error("interrupted")]
    Interrupted,
    /// The peer has written what no sound peer writes: the session is to be ended.
    #[error("the segment is broken: {0}")]
    Broken(#[from] Broken),
    /// The two ends of this segment have been taken before.
    #[error("the ends of this segment are taken already")]
    Taken,
    /// The operating system refused something.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}

/// A field that no sound peer would have written so.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Broken {
    /// A count of bytes ran backwards.
    #[error("the count of the {side} of the ring {direction} ran backwards, from {was} to {is}")]
    Backwards {
        /// The ring.
        direction: Direction,
        /// Who writes that count.
        side: Side,
        /// The count before.
        was: u64,
        /// The count that came.
        is: u64,
    },
    /// The two counts of a ring contradict its capacity, or more is read than written.
    #[error("ring {direction}: {written} bytes written and {read} read do not fit a ring of {capacity}")]
    Excess {
        /// The ring.
        direction: Direction,
        /// The producer's count.
        written: u64,
        /// The consumer's count.
        read: u64,
        /// Bytes in the ring.
        capacity: u32,
    },
    /// The header's state is none of 0 to 3.
    #[error("the state is {found}, expected 0 to 3")]
    State {
        /// What stands there.
        found: u32,
    },
    /// The host's process ID is not that of the process that was started.
    #[error("the host pid is {found}, expected {expected}")]
    HostPid {
        /// The process that was started.
        expected: u32,
        /// What stands there.
        found: u32,
    },
}

impl Broken {
    pub(crate) fn new(fault: Fault, direction: Direction, side: Side, capacity: u32) -> Self {
        match fault {
            Fault::Backwards { was, is } => Self::Backwards { direction, side, was, is },
            Fault::Excess { written, read } => Self::Excess { direction, written, read, capacity },
        }
    }
}

/// A write that did not get all its bytes into the ring.
#[derive(Debug, Error)]
#[error("after {written} bytes: {cause}")]
pub struct WriteError {
    /// Bytes that the peer has or will get: the next one to write is this.
    pub written: usize,
    /// Why no more.
    #[source]
    pub cause: Error,
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        error.cause
    }
}

/// Why a segment could not be created.
#[derive(Debug, Error)]
pub enum CreateError {
    /// The capacity is no power of two from 64 to 2^30.
    #[error("ring capacity {found}: expected a power of two from 64 to 1073741824")]
    Capacity {
        /// What was asked for.
        found: u32,
    },
    /// The operating system refused something.
    #[error("cannot {what}{}: {source}", at(path.as_ref()))]
    System {
        /// What was tried.
        what: &'static str,
        /// With which file, if it has a name.
        path: Option<PathBuf>,
        /// Why not.
        source: io::Error,
    },
}

fn at(path: Option<&PathBuf>) -> String {
    path.map_or_else(String::new, |path| format!(" {}", path.display()))
}

/// Why a host did not attach. The segment is as it was before.
#[derive(Debug, Error)]
pub enum AttachError {
    /// The segment could not be opened, read or mapped.
    #[error("cannot {what} the segment {}: {source}", path.display())]
    System {
        /// What was tried.
        what: &'static str,
        /// The segment.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A field is not as it must be.
    #[error("{field}: expected {expected}, found {found}")]
    Refused {
        /// Which one.
        field: Field,
        /// What would have been right.
        expected: String,
        /// What came.
        found: String,
    },
}

/// What a host checks before it attaches, in this order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Field {
    /// That it is a regular file, long enough for a header.
    File,
    /// `IASHMEM1`.
    Magic,
    /// The layout version.
    Layout,
    /// The nonce.
    Nonce,
    /// The agent's process ID.
    AgentPid,
    /// The header's size.
    HeaderSize,
    /// The rings' capacity.
    Capacity,
    /// The size of the whole segment.
    SegmentSize,
    /// The state, 0.
    State,
    /// The host's process ID, 0.
    HostPid,
    /// The session's ID.
    Session,
    /// The agent type.
    AgentType,
}

impl std::fmt::Display for Field {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::File => "file",
            Self::Magic => "magic",
            Self::Layout => "layout version",
            Self::Nonce => "nonce",
            Self::AgentPid => "agent pid",
            Self::HeaderSize => "header size",
            Self::Capacity => "ring capacity",
            Self::SegmentSize => "size of the segment",
            Self::State => "state",
            Self::HostPid => "host pid",
            Self::Session => "session",
            Self::AgentType => "agent type",
        })
    }
}
