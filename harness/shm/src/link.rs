//! What concerns the whole session: its state, the peer's process, and news for all who wait.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::ends::{Receiver, Sender};
use crate::error::{Broken, Error};
use crate::layout::{Role, Side, State, offset};
use crate::memory::Mapping;
use crate::platform::Process;

/// A handle on the session of a segment, for any thread of the process that created it or attached to it.
#[derive(Clone)]
pub struct Link(Arc<Shared>);

struct Shared {
    mapping: Arc<Mapping>,
    role: Role,
    rings: bool,
    peer: OnceLock<Process>,
    taken: AtomicBool,
}

impl Link {
    pub(crate) fn new(mapping: Mapping, role: Role, rings: bool) -> Self {
        let taken = AtomicBool::new(false);
        Self(Arc::new(Shared { mapping: Arc::new(mapping), role, rings, peer: OnceLock::new(), taken }))
    }

    pub(crate) fn mapping(&self) -> &Arc<Mapping> {
        &self.0.mapping
    }

    pub(crate) fn rings(&self) -> bool {
        self.0.rings
    }

    /// Which side this process is.
    #[must_use]
    pub fn role(&self) -> Role {
        self.0.role
    }

    /// Bytes in each ring.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.0.mapping.capacity()
    }

    /// How far the session has come.
    ///
    /// # Errors
    ///
    /// [`Broken::State`] for a number that is no state.
    pub fn state(&self) -> Result<State, Broken> {
        let found = self.state_number();
        State::from_number(found).ok_or(Broken::State { found })
    }

    pub(crate) fn state_number(&self) -> u32 {
        self.0.mapping.header_word(offset::STATE).load(Ordering::Acquire)
    }

    /// The host's process ID as it stands in the header, 0 until a host has attached.
    #[must_use]
    pub fn host_pid(&self) -> u32 {
        self.0.mapping.header_word(offset::HOST_PID).load(Ordering::Acquire)
    }

    /// The agent asks the host to finish: state 2, unless the host has finished. The host's [`Receiver`] then ends, once
    /// its ring is empty, with [`Error::Closing`].
    pub fn request_close(&self) {
        self.advance(State::Closing);
    }

    /// The host has finished: state 3.
    pub fn set_closed(&self) {
        self.advance(State::Closed);
    }

    /// Advances the state, never back, and rings.
    pub(crate) fn advance(&self, state: State) {
        self.0.mapping.header_word(offset::STATE).fetch_max(state as u32, Ordering::AcqRel);
        self.ring_both();
    }

    /// Rings the two bells that this side writes, so that the peer looks at states and closings.
    pub(crate) fn ring_both(&self) {
        let Shared { mapping, role, rings, .. } = &*self.0;
        let (out, back) = (role.outgoing(), role.peer().outgoing());
        mapping.half(out, Side::Producer).ring(mapping.half(out, Side::Consumer), *rings);
        mapping.half(back, Side::Consumer).ring(mapping.half(back, Side::Producer), *rings);
    }

    /// Watches this process as the peer's from now on; what was watched before stays.
    pub(crate) fn watch(&self, process: Process) {
        // A second one is dropped.
        let _ = self.0.peer.set(process);
    }

    /// Whether the peer's process has ended; never while it is not known ([`Segment::watch_host`](crate::Segment::watch_host)).
    #[must_use]
    pub fn peer_has_ended(&self) -> bool {
        self.0.peer.get().is_some_and(Process::has_ended)
    }

    pub(crate) fn take_ends(&self) -> Result<(Sender, Receiver), Error> {
        if self.0.taken.swap(true, Ordering::Relaxed) {
            return Err(Error::Taken);
        }
        Ok((Sender::new(self.clone())?, Receiver::new(self.clone())?))
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Link")
            .field("role", &self.0.role)
            .field("capacity", &self.capacity())
            .field("state", &self.state_number())
            .finish_non_exhaustive()
    }
}
