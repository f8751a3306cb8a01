//! The two ends that a process has: a sender into one ring and a receiver from the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Broken, Error, WriteError};
use crate::layout::{Direction, Role, Side, State};
use crate::link::Link;
use crate::memory::RingMemory;
use crate::ring::{Consumer, Fault, Producer};
use crate::sync::Ordering;
use crate::wait::{Interrupter, Interruption, Wait, other_half, own_half};

/// Bytes after which a long write is published, so that both sides work at once, and after which the room of what was read
/// is given back at the latest: earlier only before a sleep, since each time costs more than a short message. In small rings
/// it is a quarter of the ring.
pub const PUBLICATION: usize = 32 << 10;

/// How often a sleeper looks whether its peer still lives.
const WATCH: Duration = Duration::from_millis(250);
/// How often a peer is looked at that does not ring; the contract says 2 ms at most.
const POLL: Duration = Duration::from_micros(1500);

/// After so many spins in vain, a spin is not worth while,
const FUTILE: u32 = 4;
/// but for one in so many waits.
const RETRIAL: u32 = 256;

/// What both ends need for waiting.
struct End {
    link: Link,
    memory: RingMemory,
    direction: Direction,
    side: Side,
    interruption: Arc<Interruption>,
    /// Spins in vain, and waits without a spin, since the last that was not.
    vain_spins: u32,
}

impl End {
    fn new(link: Link, side: Side) -> Self {
        let direction = match side {
            Side::Producer => link.role().outgoing(),
            Side::Consumer => link.role().peer().outgoing(),
        };
        let memory = RingMemory::new(Arc::clone(link.mapping()), direction);
        Self { link, memory, direction, side, interruption: Arc::default(), vain_spins: 0 }
    }

    fn interrupter(&self) -> Interrupter {
        let interruption = Arc::clone(&self.interruption);
        Interrupter { interruption, memory: self.memory.clone(), side: self.side }
    }

    fn close(&self) {
        own_half(&self.memory, self.side).close();
        self.link.ring_both();
    }

    /// Names what the peer has done; `side` is the one that wrote it.
    fn broken(&self, fault: Fault) -> Error {
        let side = if self.side == Side::Producer { Side::Consumer } else { Side::Producer };
        Broken::new(fault, self.direction, side, self.link.capacity()).into()
    }

    /// Whether the state says that the peer is done with this ring. The host goes on sending while it finishes.
    fn is_ended_by_state(&self) -> bool {
        let limit = match (self.link.role(), self.side) {
            (Role::Host, Side::Producer) => return false,
            (Role::Host, Side::Consumer) => State::Closing,
            (Role::Agent, _) => State::Closed,
        };
        self.link.state_number() >= limit as u32
    }

    /// Whether the peer has closed its side of this ring, expressly or by the state.
    ///
    /// # Errors
    ///
    /// [`Broken::State`] for a number that is no state.
    fn peer_is_done(&self) -> Result<bool, Error> {
        if other_half(&self.memory, self.side).is_closed() {
            return Ok(true);
        }
        let ended = self.is_ended_by_state();
        if ended {
            self.link.state()?;
        }
        Ok(ended)
    }

    /// Whether there is anything that one who has `seen` this count of the peer's should look at.
    fn has_news(&self, seen: u64) -> bool {
        let other = other_half(&self.memory, self.side);
        other.counter.load(Ordering::Acquire) != seen
            || other.is_closed()
            || self.is_ended_by_state()
            || self.interruption.is_requested()
    }

    fn check_interruption(&self) -> Result<(), Error> {
        if self.interruption.take() { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Waits for news without sleeping; false if none came that soon. Where that has failed again and again, since the
    /// peer is slow or has to share this processor, it is tried but now and then.
    fn spin(&mut self, seen: u64, wait: &Wait) -> bool {
        let worthwhile = self.vain_spins < FUTILE || self.vain_spins.is_multiple_of(RETRIAL);
        let found = worthwhile && wait.spin_until(|| self.has_news(seen));
        self.vain_spins = if found { 0 } else { self.vain_spins.wrapping_add(1) };
        found
    }

    /// Waits for news, asleep.
    fn sleep_until_news(&self, seen: u64, wait: &Wait) -> Result<(), Error> {
        let mut watched = None::<Instant>;
        while !self.has_news(seen) {
            let now = Instant::now();
            let remaining = wait.remaining(now);
            if remaining.is_some_and(|remaining| remaining.is_zero()) {
                return Err(Error::Deadline);
            }
            if watched.is_none_or(|watched| now.duration_since(watched) >= WATCH) {
                watched = Some(now);
                self.check_peer(seen)?;
            }
            self.sleep(seen, remaining);
        }
        Ok(())
    }

    /// Fails if the peer has died, unless it had left news before.
    fn check_peer(&self, seen: u64) -> Result<(), Error> {
        if self.link.peer_has_ended() && !self.has_news(seen) {
            return Err(Error::PeerDied { peer: self.link.role().peer() });
        }
        Ok(())
    }

    fn sleep(&self, seen: u64, remaining: Option<Duration>) {
        let other = other_half(&self.memory, self.side);
        let rings = other.rings.load(Ordering::Relaxed) == 1;
        let slice = if rings { WATCH } else { POLL };
        let timeout = remaining.map_or(slice, |remaining| remaining.min(slice));
        self.interruption.while_asleep(|| {
            own_half(&self.memory, self.side).sleep(other, timeout, || self.has_news(seen));
        });
    }
}

/// Where the bytes go in: the end of the ring that this process writes into. Dropped, it is closed.
pub struct Sender {
    producer: Producer,
    end: End,
    publication: usize,
}

impl Sender {
    pub(crate) fn new(link: Link) -> Result<Self, Error> {
        let rings = link.rings();
        let end = End::new(link, Side::Producer);
        let producer = Producer::new(end.memory.clone(), rings).map_err(|fault| end.broken(fault))?;
        let publication = publication(&end.link);
        Ok(Self { producer, end, publication })
    }

    /// Writes what fits now, and says how many bytes that was; 0 if the ring is full.
    ///
    /// # Errors
    ///
    /// [`Error::PeerClosed`] and [`Error::Broken`], when nothing was written.
    pub fn try_write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let parts = [bytes];
        let mut parts = Parts::new(&parts);
        let mut written = 0;
        while !parts.is_empty() {
            match self.push(&mut parts) {
                Ok(0) => break,
                Ok(pushed) => written += pushed,
                Err(_) if written > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// Writes all bytes, however small the ring, waiting for room where need be.
    ///
    /// # Errors
    ///
    /// [`WriteError`] with how many bytes went before, and why no more: [`Error::PeerClosed`], [`Error::PeerDied`],
    /// [`Error::Broken`], [`Error::Deadline`], [`Error::Interrupted`]. The peer's death and the deadline show only where
    /// there is something to wait for.
    pub fn write_all(&mut self, bytes: &[u8], wait: &Wait) -> Result<(), WriteError> {
        self.write_all_parts(&[bytes], wait)
    }

    /// Writes several slices as if they were one: what fits together is published together.
    ///
    /// # Errors
    ///
    /// As [`write_all`](Self::write_all).
    pub fn write_all_parts(&mut self, parts: &[&[u8]], wait: &Wait) -> Result<(), WriteError> {
        let mut parts = Parts::new(parts);
        let mut written = 0;
        let outcome = self.write_parts(&mut parts, &mut written, wait);
        outcome.map_err(|cause| WriteError { written, cause })
    }

    fn write_parts(&mut self, parts: &mut Parts<'_>, written: &mut usize, wait: &Wait) -> Result<(), Error> {
        self.end.check_interruption()?;
        while !parts.is_empty() {
            match self.push(parts)? {
                0 => self.wait(wait)?,
                pushed => *written += pushed,
            }
        }
        Ok(())
    }

    /// Waits for room, or for a reason why there will be none.
    fn wait(&mut self, wait: &Wait) -> Result<(), Error> {
        let seen = self.producer.peer_counter();
        if !self.end.spin(seen, wait) {
            self.end.sleep_until_news(seen, wait)?;
        }
        self.end.check_interruption()
    }

    /// Puts in one publication of what is left, or nothing if the ring is full.
    fn push(&mut self, parts: &mut Parts<'_>) -> Result<usize, Error> {
        if self.end.peer_is_done()? {
            return Err(Error::PeerClosed { peer: self.end.link.role().peer() });
        }
        let wanted = parts.left.min(self.publication);
        let room = self.producer.room(wanted).map_err(|fault| self.end.broken(fault))?;
        let pushed = wanted.min(room);
        let mut left = pushed;
        while left > 0 {
            let part = parts.next(left);
            self.producer.store(part);
            left -= part.len();
        }
        if pushed > 0 {
            self.producer.publish();
        }
        Ok(pushed)
    }

    /// A handle that ends this sender's waits.
    #[must_use]
    pub fn interrupter(&self) -> Interrupter {
        self.end.interrupter()
    }

    /// The session it belongs to.
    #[must_use]
    pub fn link(&self) -> &Link {
        &self.end.link
    }

    /// Says that no more bytes will come: the peer gets what is in the ring, then the end of the stream.
    pub fn close(self) {}
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.end.close();
    }
}

/// Where the bytes come out: the end of the ring that this process reads from. Dropped, it is closed.
pub struct Receiver {
    consumer: Consumer,
    end: End,
    publication: usize,
}

impl Receiver {
    pub(crate) fn new(link: Link) -> Result<Self, Error> {
        let rings = link.rings();
        let end = End::new(link, Side::Consumer);
        let consumer = Consumer::new(end.memory.clone(), rings).map_err(|fault| end.broken(fault))?;
        let publication = publication(&end.link);
        Ok(Self { consumer, end, publication })
    }

    /// Reads what is there now, at most a buffer full: `None` if there is nothing yet, `Some(0)` at the end of the
    /// stream, when the peer has closed and its bytes are read, and for an empty buffer.
    ///
    /// # Errors
    ///
    /// [`Error::Broken`]; on the host's side [`Error::Closing`] where the ring is empty and the agent asks to finish.
    pub fn try_read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Error> {
        let read = self.take(buffer)?;
        if read.is_none() {
            self.consumer.release();
        }
        Ok(read)
    }

    /// As [`try_read`](Self::try_read), but keeps what room there is to give back, since more may come at once.
    fn take(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Error> {
        let mut available = self.available(buffer.len())?;
        if available == 0 && !buffer.is_empty() {
            if !self.end.peer_is_done()? {
                return Ok(None);
            }
            // Bytes that it published before it was done are visible now.
            available = self.available(buffer.len())?;
            if available == 0 {
                return self.end_of_stream().map(|()| Some(0));
            }
        }
        let length = available.min(buffer.len());
        for piece in buffer[..length].chunks_mut(self.publication) {
            self.consumer.take(piece);
            if self.consumer.unreleased() >= self.publication as u64 {
                self.consumer.release();
            }
        }
        Ok(Some(length))
    }

    /// Reads what is there, at most a buffer full, and waits for it if nothing is: 0 is the end of the stream.
    ///
    /// # Errors
    ///
    /// As [`try_read`](Self::try_read); [`Error::PeerDied`] once what the peer had published is read;
    /// [`Error::Deadline`] and [`Error::Interrupted`], which lose nothing.
    pub fn read(&mut self, buffer: &mut [u8], wait: &Wait) -> Result<usize, Error> {
        self.end.check_interruption()?;
        loop {
            if let Some(read) = self.take(buffer)? {
                return Ok(read);
            }
            self.wait(wait)?;
        }
    }

    /// Waits until [`try_read`](Self::try_read) has something to say: bytes, the end of the stream, or an error.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn wait_readable(&mut self, wait: &Wait) -> Result<(), Error> {
        self.end.check_interruption()?;
        while self.available(1)? == 0 && !self.end.peer_is_done()? {
            self.wait(wait)?;
        }
        Ok(())
    }

    /// Waits for bytes, or for a reason why there will be none.
    fn wait(&mut self, wait: &Wait) -> Result<(), Error> {
        let seen = self.consumer.peer_counter();
        if !self.end.spin(seen, wait) {
            self.consumer.release();
            self.end.sleep_until_news(seen, wait)?;
        }
        self.end.check_interruption()
    }

    fn available(&mut self, wanted: usize) -> Result<usize, Error> {
        self.consumer.available(wanted).map_err(|fault| self.end.broken(fault))
    }

    /// The peer is done and the ring is empty.
    fn end_of_stream(&self) -> Result<(), Error> {
        let closed = other_half(&self.end.memory, self.end.side).is_closed();
        match self.end.link.role() {
            Role::Host if !closed => Err(Error::Closing),
            _ => Ok(()),
        }
    }

    /// A handle that ends this receiver's waits.
    #[must_use]
    pub fn interrupter(&self) -> Interrupter {
        self.end.interrupter()
    }

    /// The session it belongs to.
    #[must_use]
    pub fn link(&self) -> &Link {
        &self.end.link
    }

    /// Says that no more will be read: the peer's next write fails.
    pub fn close(self) {}
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.consumer.release();
        self.end.close();
    }
}

fn publication(link: &Link) -> usize {
    PUBLICATION.min(link.mapping().capacity() as usize / 4)
}

/// What is left of slices that are written one behind the other.
struct Parts<'a> {
    parts: std::slice::Iter<'a, &'a [u8]>,
    current: &'a [u8],
    left: usize,
}

impl<'a> Parts<'a> {
    fn new(parts: &'a [&'a [u8]]) -> Self {
        Self { parts: parts.iter(), current: &[], left: parts.iter().map(|part| part.len()).sum() }
    }

    fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// The next bytes of one slice, `most` at most; there must be some left.
    fn next(&mut self, most: usize) -> &'a [u8] {
        while self.current.is_empty() {
            match self.parts.next() {
                Some(part) => self.current = part,
                None => break,
            }
        }
        let (now, later) = self.current.split_at(most.min(self.current.len()));
        self.current = later;
        self.left -= now.len();
        now
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Sender").field("link", &self.end.link).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Receiver").field("link", &self.end.link).finish_non_exhaustive()
    }
}
