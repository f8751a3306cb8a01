//! One ring: the counters, closing, and the hand-shake of bells and sleep, without waiting policy or errors' names.
//!
//! [`Producer`] and [`Consumer`] are the two ends. Each keeps its own count in private memory and believes nothing that
//! the other writes: a count that runs backwards or claims more than the ring holds is a [`Fault`].
//!
//! Everything here is written over `crate::sync` and `crate::memory` only, so that `tests/loom.rs` compiles this same
//! file over the model checker's atomics and searches the orders in which the two ends may see each other's writes.

use std::time::Duration;

use crate::memory::RingMemory;
use crate::sync::{AtomicU32, AtomicU64, Bell, Ordering, fence};

/// What one side of a ring writes: the producer's half is at +00 of the ring control, the consumer's at +40.
#[repr(C)]
pub(crate) struct Half {
    /// Total of bytes written or read.
    pub(crate) counter: AtomicU64,
    /// Grows with each publication or each time room is made.
    pub(crate) bell: Bell,
    /// Not 0: no more bytes will come, or no more will be read.
    pub(crate) closed: AtomicU32,
    /// 1 if this side wakes those who sleep on its bell.
    pub(crate) rings: AtomicU32,
    /// 1 while this side sleeps on the other's bell.
    pub(crate) waits: AtomicU32,
}

impl Half {
    /// Tells the other side that something of this half has changed, after the change: one more ring of the bell, then a
    /// wake-up if the other waits and this side rings.
    pub(crate) fn ring(&self, other: &Half, rings: bool) {
        self.bell.advance();
        // Against the fence in `sleep`: either this side sees `waits`, or the other sees the change.
        fence(Ordering::SeqCst);
        if rings && other.waits.load(Ordering::Relaxed) != 0 {
            self.bell.wake();
        }
    }

    /// Says that no more bytes will come, or that no more will be read.
    pub(crate) fn close(&self) {
        self.closed.store(1, Ordering::Release);
    }

    /// Whether this side has closed. Everything it wrote before is visible after a `true`.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire) != 0
    }

    /// Sleeps on the bell of the `other` side until it rings, unless `ready` says, after this side has announced its
    /// sleep, that there is no need. May end early.
    pub(crate) fn sleep(&self, other: &Half, timeout: Duration, ready: impl FnOnce() -> bool) {
        let bell = other.bell.value();
        self.waits.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if !ready() {
            other.bell.sleep(bell, timeout);
        }
        self.waits.store(0, Ordering::Relaxed);
    }
}

/// What a peer has done to its count that no sound peer does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// It ran backwards.
    Backwards { was: u64, is: u64 },
    /// More is written than read and the ring together allow, or more read than written.
    Excess { written: u64, read: u64 },
}

fn filling(written: u64, read: u64, capacity: usize) -> Result<usize, Fault> {
    match usize::try_from(written.wrapping_sub(read)) {
        Ok(filling) if filling <= capacity => Ok(filling),
        _ => Err(Fault::Excess { written, read }),
    }
}

/// The writing end.
pub(crate) struct Producer {
    pub(crate) memory: RingMemory,
    rings: bool,
    written: u64,
    /// The consumer's count when it was last looked at.
    read: u64,
}

impl Producer {
    /// Goes on from where the counts stand.
    pub(crate) fn new(memory: RingMemory, rings: bool) -> Result<Self, Fault> {
        let written = memory.producer().counter.load(Ordering::Relaxed);
        let read = memory.consumer().counter.load(Ordering::Acquire);
        filling(written, read, memory.capacity())?;
        Ok(Self { memory, rings, written, read })
    }

    /// The consumer's count when it was last looked at.
    pub(crate) fn peer_counter(&self) -> u64 {
        self.read
    }

    /// Bytes that fit now. The consumer's count is looked at again only if fewer than `wanted` are known to fit: the less
    /// often its cache line is fetched, the faster the ring.
    pub(crate) fn room(&mut self, wanted: usize) -> Result<usize, Fault> {
        let capacity = self.memory.capacity();
        let known = capacity - filling(self.written, self.read, capacity)?;
        if known >= wanted {
            return Ok(known);
        }
        let read = self.memory.consumer().counter.load(Ordering::Acquire);
        if read < self.read {
            return Err(Fault::Backwards { was: self.read, is: read });
        }
        let room = capacity - filling(self.written, read, capacity)?;
        self.read = read;
        Ok(room)
    }

    /// Stores bytes behind those stored before; they must fit into the room. The consumer sees them once published.
    pub(crate) fn store(&mut self, bytes: &[u8]) {
        self.memory.copy_in(self.written, bytes);
        self.written += bytes.len() as u64;
    }

    /// Publishes what is stored.
    pub(crate) fn publish(&mut self) {
        self.memory.producer().counter.store(self.written, Ordering::Release);
        self.memory.producer().ring(self.memory.consumer(), self.rings);
    }
}

/// The reading end.
pub(crate) struct Consumer {
    pub(crate) memory: RingMemory,
    rings: bool,
    read: u64,
    /// What of `read` the producer has been told.
    released: u64,
    /// The producer's count when it was last looked at.
    written: u64,
}

impl Consumer {
    /// Goes on from where the counts stand.
    pub(crate) fn new(memory: RingMemory, rings: bool) -> Result<Self, Fault> {
        let read = memory.consumer().counter.load(Ordering::Relaxed);
        let written = memory.producer().counter.load(Ordering::Acquire);
        filling(written, read, memory.capacity())?;
        Ok(Self { memory, rings, read, released: read, written })
    }

    /// The producer's count when it was last looked at.
    pub(crate) fn peer_counter(&self) -> u64 {
        self.written
    }

    /// Bytes that can be taken now. The producer's count is looked at again only if fewer than `wanted` are known.
    pub(crate) fn available(&mut self, wanted: usize) -> Result<usize, Fault> {
        let capacity = self.memory.capacity();
        let known = filling(self.written, self.read, capacity)?;
        if known >= wanted {
            return Ok(known);
        }
        let written = self.memory.producer().counter.load(Ordering::Acquire);
        if written < self.written {
            return Err(Fault::Backwards { was: self.written, is: written });
        }
        let available = filling(written, self.read, capacity)?;
        self.written = written;
        Ok(available)
    }

    /// Takes the next bytes, which must be available. Their room is the producer's once released.
    pub(crate) fn take(&mut self, buffer: &mut [u8]) {
        self.memory.copy_out(self.read, buffer);
        self.read += buffer.len() as u64;
    }

    /// Bytes taken whose room is not released.
    pub(crate) fn unreleased(&self) -> u64 {
        self.read - self.released
    }

    /// Gives the room of all that is taken back to the producer.
    pub(crate) fn release(&mut self) {
        if self.unreleased() > 0 {
            self.released = self.read;
            self.memory.consumer().counter.store(self.read, Ordering::Release);
            self.memory.consumer().ring(self.memory.producer(), self.rings);
        }
    }
}
