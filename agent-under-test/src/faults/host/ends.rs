//! A host's ends of the two rings over raw access, each rule of the contract a knob that can be turned wrong.

use std::sync::atomic::{Ordering, fence};
use std::thread;
use std::time::Duration;

use iaspec_shm::raw::{Flag, HeaderField, Raw};
use iaspec_shm::{Direction, Role, Side, State};

/// The ring that a host reads from.
const IN: Direction = Direction::AgentToHost;
/// The ring that it writes into.
const OUT: Direction = Direction::HostToAgent;

/// How a host keeps its rings.
#[derive(Clone, Copy, Debug)]
pub(super) struct RingFault {
    /// What counts are kept in.
    pub(super) counts: Counts,
    /// Whether counts that make no sense are believed.
    pub(super) credulous: bool,
    /// How it waits for bytes.
    pub(super) for_bytes: Falls,
    /// How it waits for room.
    pub(super) for_room: Falls,
    /// How it announces bytes that it has written.
    pub(super) publish: Tells,
    /// How it announces room that it has made.
    pub(super) release: Tells,
    /// How often it looks at an agent that does not ring.
    pub(super) poll: Duration,
    /// How long it sleeps at most before it looks again, whoever rings.
    pub(super) watch: Duration,
    /// What it does at the end.
    pub(super) close: Close,
}

/// What counts of bytes are kept in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Counts {
    Whole,
    /// 32 bits.
    Unsigned32,
    /// 32 bits with a sign.
    Signed32,
    /// 64 bits with a sign.
    Signed64,
    /// A floating-point number.
    Double,
    /// Every segment is taken to begin with zero.
    FromZero,
}

/// How a side falls asleep.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Falls {
    /// Bell, flag, fence, look, sleep.
    Right,
    /// The flag is never set.
    WithoutFlag,
    /// The look, then bell and flag.
    FlagLate,
    /// The flag and the look, then the bell.
    BellLate,
    /// It looks so often, and leaves bells alone.
    Looks(Duration),
}

/// How a side announces a change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tells {
    /// Count, bell, fence, flag, wake.
    Right,
    /// The bell never moves.
    Silent,
    /// The bell moves, and nobody is woken.
    WakesNobody,
    /// The flag is read before the bytes are moved.
    AskedEarly,
    /// The bell is rung before the count is stored.
    BellFirst,
}

/// What is done when all is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Close {
    Right,
    /// Nothing is rung.
    Quiet,
    /// One bell is rung, that of what it writes.
    OneBell,
    /// The writing end stays open.
    WriterOpen,
    /// The reading end stays open.
    ReaderOpen,
    /// The state stays as it is.
    NoState,
}

pub(super) const RIGHT: RingFault = RingFault {
    counts: Counts::Whole,
    credulous: false,
    for_bytes: Falls::Right,
    for_room: Falls::Right,
    publish: Tells::Right,
    release: Tells::Right,
    poll: Duration::from_micros(1500),
    watch: Duration::from_millis(250),
    close: Close::Right,
};

/// The agent has broken its promises.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Broken;

/// Both ends.
#[derive(Debug)]
pub(super) struct Rings {
    pub(super) raw: Raw,
    fault: RingFault,
    capacity: u64,
    /// Whether the agent wakes who sleeps.
    agent_rings: bool,
    read: u64,
    written: u64,
    /// The agent's counts when they were looked at last: of what it has written, of what it has read.
    agent_wrote: u64,
    agent_read: u64,
}

impl Rings {
    pub(super) fn new(raw: Raw, fault: RingFault) -> Self {
        let begins = |direction, side| match fault.counts {
            Counts::FromZero => 0,
            counts => counts.kept(raw.counter(direction, side)),
        };
        let (read, written) = (begins(IN, Side::Consumer), begins(OUT, Side::Producer));
        let (agent_wrote, agent_read) = (begins(IN, Side::Producer), begins(OUT, Side::Consumer));
        let capacity = u64::from(raw.capacity());
        let agent_rings = raw.flag(IN, Side::Producer, Flag::Rings) == 1;
        Self { raw, fault, capacity, agent_rings, read, written, agent_wrote, agent_read }
    }

    /// A count of the agent's, which may not run backwards.
    fn look(&self, direction: Direction, side: Side, before: u64) -> Result<u64, Broken> {
        let count = self.fault.counts.kept(self.raw.counter(direction, side));
        if self.fault.counts.less(count, before) && !self.fault.credulous {
            return Err(Broken);
        }
        Ok(count)
    }

    /// What lies between two counts, no more than the ring holds.
    fn between(&self, less: u64, more: u64) -> Result<usize, Broken> {
        let bytes = self.fault.counts.difference(more, less);
        let bytes = if self.fault.credulous { bytes.min(self.capacity) } else { bytes };
        let fits = bytes <= self.capacity;
        usize::try_from(bytes).ok().filter(|_| fits).ok_or(Broken)
    }

    /// Bytes that can be read.
    fn available(&mut self) -> Result<usize, Broken> {
        self.agent_wrote = self.look(IN, Side::Producer, self.agent_wrote)?;
        self.between(self.read, self.agent_wrote)
    }

    /// Bytes that can be written.
    fn room(&mut self) -> Result<usize, Broken> {
        self.agent_read = self.look(OUT, Side::Consumer, self.agent_read)?;
        let used = self.between(self.agent_read, self.written)?;
        Ok(usize::try_from(self.capacity).unwrap_or(usize::MAX) - used)
    }

    /// Takes what there is, at most so many bytes.
    pub(super) fn take(&mut self, most: usize) -> Result<Vec<u8>, Broken> {
        let count = self.available()?.min(most);
        if count == 0 {
            return Ok(Vec::new());
        }
        let asleep = self.raw.flag(IN, Side::Producer, Flag::Waits) != 0;
        let bytes = self.raw.fetch(IN, self.read, count);
        self.read = self.fault.counts.advanced(self.read, count);
        self.tell(IN, Side::Consumer, self.read, self.fault.release, asleep);
        Ok(bytes)
    }

    /// Puts in what fits, and returns how many bytes that were.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        let count = self.room()?.min(bytes.len());
        if count == 0 {
            return Ok(0);
        }
        let asleep = self.raw.flag(OUT, Side::Consumer, Flag::Waits) != 0;
        self.raw.store(OUT, self.written, &bytes[..count]);
        self.written = self.fault.counts.advanced(self.written, count);
        self.tell(OUT, Side::Producer, self.written, self.fault.publish, asleep);
        Ok(count)
    }

    /// Stores a count and announces it; `asleep` is what the agent's flag said before bytes were moved.
    fn tell(&self, ring: Direction, side: Side, count: u64, tells: Tells, asleep: bool) {
        let store = || self.raw.set_counter(ring, side, count);
        let ring_bell = || self.ring(ring, side);
        match tells {
            Tells::Right => {
                store();
                ring_bell();
            }
            Tells::Silent => store(),
            Tells::WakesNobody => {
                store();
                self.raw.ring(ring, side, false);
            }
            Tells::AskedEarly => {
                store();
                self.raw.ring(ring, side, asleep);
            }
            Tells::BellFirst => {
                ring_bell();
                store();
            }
        }
    }

    /// Rings a bell that this side writes.
    fn ring(&self, ring: Direction, side: Side) {
        self.raw.ring(ring, side, false);
        fence(Ordering::SeqCst);
        if self.raw.flag(ring, other(side), Flag::Waits) != 0 {
            self.raw.wake(ring, side);
        }
    }

    /// Whether the agent will write nothing more.
    pub(super) fn is_input_closed(&self) -> bool {
        self.raw.flag(IN, Side::Producer, Flag::Closed) != 0
    }

    /// Whether the agent will read nothing more.
    pub(super) fn is_output_closed(&self) -> bool {
        self.raw.flag(OUT, Side::Consumer, Flag::Closed) != 0
    }

    /// The state, which may be none.
    pub(super) fn state(&self) -> Option<State> {
        State::from_number(self.raw.state())
    }

    /// Waits until there are bytes, or a reason why there will be none.
    pub(super) fn wait_for_bytes(&self, timeout: Duration) {
        let seen = self.raw.counter(IN, Side::Producer);
        let unread = self.fault.counts.kept(seen) != self.read;
        let was_closed = self.is_input_closed() || self.raw.state() != State::Attached as u32;
        let ready = || {
            unread
                || self.raw.counter(IN, Side::Producer) != seen
                || was_closed
                || self.is_input_closed()
                || self.raw.state() != State::Attached as u32
        };
        self.sleep(IN, Side::Consumer, self.fault.for_bytes, timeout, ready);
    }

    /// Waits until there is room, or a reason why there will be none. `seen` is the room that there is.
    pub(super) fn wait_for_room(&self, timeout: Duration) {
        let seen = self.agent_read;
        let ready = || {
            self.fault.counts.kept(self.raw.counter(OUT, Side::Consumer)) != seen || self.is_output_closed()
        };
        self.sleep(OUT, Side::Producer, self.fault.for_room, timeout, ready);
    }

    /// Whether the agent has read all that was written.
    pub(super) fn is_all_read(&self) -> bool {
        self.raw.counter(OUT, Side::Consumer) == self.written
    }

    /// Whether the agent says that it waits for bytes.
    pub(super) fn is_agent_waiting(&self) -> bool {
        self.raw.flag(OUT, Side::Consumer, Flag::Waits) != 0
    }

    /// Whether it waits for room without a look at anything else meanwhile, as a thread of its own does.
    pub(super) fn writes_apart(&self) -> bool {
        self.fault.for_room != Falls::Right || self.fault.watch > RIGHT.watch
    }

    fn sleep(&self, ring: Direction, side: Side, falls: Falls, timeout: Duration, ready: impl Fn() -> bool) {
        let peer = other(side);
        let announce = |waits| {
            self.raw.set_flag(ring, side, Flag::Waits, waits);
            fence(Ordering::SeqCst);
        };
        if !self.agent_rings {
            if !ready() {
                thread::sleep(self.fault.poll.min(timeout));
            }
            return;
        }
        match falls {
            Falls::Right => {
                let bell = self.raw.bell(ring, peer);
                announce(1);
                if !ready() {
                    self.raw.sleep(ring, peer, bell, timeout);
                }
            }
            Falls::WithoutFlag => {
                let bell = self.raw.bell(ring, peer);
                if !ready() {
                    self.raw.sleep(ring, peer, bell, timeout);
                }
                return;
            }
            Falls::FlagLate => {
                if ready() {
                    return;
                }
                do_other_work();
                let bell = self.raw.bell(ring, peer);
                announce(1);
                self.raw.sleep(ring, peer, bell, timeout);
            }
            Falls::BellLate => {
                announce(1);
                if !ready() {
                    do_other_work();
                    let bell = self.raw.bell(ring, peer);
                    self.raw.sleep(ring, peer, bell, timeout);
                }
            }
            Falls::Looks(pause) => {
                if !ready() {
                    thread::sleep(pause.min(timeout));
                }
                return;
            }
        }
        announce(0);
    }

    /// Closes both directions.
    pub(super) fn close(&self) {
        let close = self.fault.close;
        if close != Close::WriterOpen {
            self.raw.set_flag(OUT, Side::Producer, Flag::Closed, 1);
            self.ring_at_the_end();
        }
        if close != Close::ReaderOpen {
            self.raw.set_flag(IN, Side::Consumer, Flag::Closed, 1);
            self.ring_at_the_end();
        }
    }

    /// Says that the host has finished.
    pub(super) fn set_closed(&self) {
        if self.fault.close != Close::NoState {
            self.raw.set_header(HeaderField::State, State::Closed as u32);
            self.ring_at_the_end();
        }
    }

    fn ring_at_the_end(&self) {
        match self.fault.close {
            Close::Quiet => {}
            Close::OneBell => self.ring(OUT, Side::Producer),
            _ => self.raw.ring_both(Role::Host),
        }
    }
}

impl Counts {
    /// What is kept of a count.
    fn kept(self, count: u64) -> u64 {
        match self {
            Self::Whole | Self::Signed64 | Self::FromZero => count,
            #[allow(clippy::cast_possible_truncation, reason = "that is the fault")]
            Self::Unsigned32 => u64::from(count as u32),
            #[allow(clippy::cast_possible_truncation, reason = "that is the fault")]
            Self::Signed32 => i64::from((count as u32).cast_signed()).cast_unsigned(),
            Self::Double => rounded(count),
        }
    }

    fn advanced(self, count: u64, by: usize) -> u64 {
        self.kept(count.wrapping_add(by as u64))
    }

    fn difference(self, more: u64, less: u64) -> u64 {
        let difference = more.wrapping_sub(less);
        match self {
            // Whose count has begun anew is not noticed.
            Self::Unsigned32 | Self::Signed32 => difference & u64::from(u32::MAX),
            // Below zero nothing is there.
            Self::Signed64 if more.cast_signed() < 0 => 0,
            _ => difference,
        }
    }

    fn less(self, count: u64, before: u64) -> bool {
        match self {
            Self::Whole | Self::Double | Self::FromZero => count < before,
            Self::Signed64 => count.cast_signed() < before.cast_signed(),
            // They begin anew now and then.
            Self::Unsigned32 | Self::Signed32 => false,
        }
    }
}

/// A count as it comes out of a floating-point number.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "that is the fault"
)]
fn rounded(count: u64) -> u64 {
    count as f64 as u64
}

fn other(side: Side) -> Side {
    match side {
        Side::Producer => Side::Consumer,
        Side::Consumer => Side::Producer,
    }
}

/// What a host does between a look and its sleep that has its order wrong: it sees to its children and its agent.
fn do_other_work() {
    for _ in 0..4 {
        std::hint::black_box(iaspec_shm::parent_pid());
    }
}
