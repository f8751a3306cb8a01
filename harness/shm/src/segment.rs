//! The agent's side of a segment: created, handed over, watched, unlinked.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::backing::{Backing, Place};
use crate::ends::{Receiver, Sender};
use crate::error::{Broken, CreateError, Error};
use crate::layout::{self, Direction, HEADER_SIZE_FIELD, Header, LAYOUT, MAGIC, Role, Side, State};
use crate::link::Link;
use crate::memory::Mapping;
use crate::platform::Process;
use crate::sync::Ordering;
use crate::wait::Wait;

/// What a segment is to be like.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where it is created.
    pub place: Place,
    /// Bytes in each ring: a power of two from 64 to 2^30.
    pub capacity: u32,
    /// The session's ID.
    pub session: i32,
    /// The agent type of the product.
    pub agent_type: u8,
    /// The nonce that the host is told on its command line.
    pub nonce: [u8; 16],
    /// Whether this side wakes a host that sleeps; a host that is not woken polls.
    pub rings: bool,
}

/// A segment that this process has created. The host can open it by its path until [`unlink`](Self::unlink) or drop.
#[derive(Debug)]
pub struct Segment {
    link: Link,
    path: PathBuf,
    backing: Option<Backing>,
    /// The host's process ID, once it is told.
    host: OnceLock<u32>,
}

impl Segment {
    /// Creates a segment in state 0, with empty rings.
    ///
    /// # Errors
    ///
    /// [`CreateError`] for a capacity that is none, and where the system refuses; nothing is left behind.
    pub fn create(plan: &Plan) -> Result<Self, CreateError> {
        if !layout::is_capacity(plan.capacity) {
            return Err(CreateError::Capacity { found: plan.capacity });
        }
        let header = header(plan).encode();
        let backing = Backing::create(&plan.place, &header, layout::segment_size(plan.capacity))?;
        let mapping = Mapping::new(backing.file(), plan.capacity).map_err(|source| CreateError::System {
            what: "map the segment",
            path: Some(backing.path().to_owned()),
            source,
        })?;
        let rings = u32::from(plan.rings);
        mapping.half(Direction::AgentToHost, Side::Producer).rings.store(rings, Ordering::Relaxed);
        mapping.half(Direction::HostToAgent, Side::Consumer).rings.store(rings, Ordering::Relaxed);
        let link = Link::new(mapping, Role::Agent, plan.rings);
        let path = backing.path().to_owned();
        Ok(Self { link, path, backing: Some(backing), host: OnceLock::new() })
    }

    /// What the host is told as `--shared-memory`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A handle on the session.
    #[must_use]
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Says which child process is the host, so that its death is noticed. Call it right after the host is started.
    ///
    /// # Errors
    ///
    /// [`Error::PeerDied`] if this process has no child with that ID (any more), [`Error::System`] if it cannot be watched.
    pub fn watch_host(&self, pid: u32) -> Result<(), Error> {
        let process = Process::open(pid).map_err(Error::system("watch the host's process"))?;
        // An ID that was given to somebody else meanwhile is not that of a child.
        let host = process.filter(Process::is_child).ok_or(Error::PeerDied { peer: Role::Host })?;
        // A second host is refused by `wait_attached`.
        let _ = self.host.set(pid);
        self.link.watch(host);
        Ok(())
    }

    /// Whether a host has attached, and is the one that was started.
    ///
    /// # Errors
    ///
    /// [`Error::Broken`] for a state that is none, and for a host pid that is not that of
    /// [`watch_host`](Self::watch_host).
    pub fn is_attached(&self) -> Result<bool, Error> {
        if self.link.state()? < State::Attached {
            return Ok(false);
        }
        let found = self.link.host_pid();
        match self.host.get() {
            Some(&expected) if expected != found => Err(Broken::HostPid { expected, found }.into()),
            _ => Ok(true),
        }
    }

    /// Waits until a host has attached.
    ///
    /// # Errors
    ///
    /// As [`is_attached`](Self::is_attached); [`Error::PeerDied`] if the host ends before, [`Error::Deadline`].
    pub fn wait_attached(&self, wait: &Wait) -> Result<(), Error> {
        /// Nobody rings before it is attached; to start a process takes about this long.
        const PAUSE: Duration = Duration::from_millis(1);
        loop {
            // Looked at first: a host that attached and died has attached.
            let ended = self.link.peer_has_ended();
            if self.is_attached()? {
                return Ok(());
            }
            if ended {
                return Err(Error::PeerDied { peer: Role::Host });
            }
            match wait.remaining(Instant::now()) {
                Some(remaining) if remaining.is_zero() => return Err(Error::Deadline),
                Some(remaining) => std::thread::sleep(remaining.min(PAUSE)),
                None => std::thread::sleep(PAUSE),
            }
        }
    }

    /// The agent's ends of the two rings.
    ///
    /// # Errors
    ///
    /// [`Error::Taken`] the second time, [`Error::Broken`] if the counts contradict each other already.
    pub fn take_ends(&self) -> Result<(Sender, Receiver), Error> {
        self.link.take_ends()
    }

    /// Takes the path away: nobody can open the segment any more, who has mapped it goes on. To be called once the host is
    /// attached; a second time does nothing.
    pub fn unlink(&mut self) {
        self.backing = None;
    }
}

fn header(plan: &Plan) -> Header {
    Header {
        magic: MAGIC,
        layout: LAYOUT,
        header_size: HEADER_SIZE_FIELD,
        capacity: plan.capacity,
        agent_pid: std::process::id(),
        host_pid: 0,
        state: State::Created as u32,
        session: plan.session,
        agent_type: plan.agent_type,
        nonce: plan.nonce,
    }
}
