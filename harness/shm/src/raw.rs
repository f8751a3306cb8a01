//! For testing subjects: any field of a segment, read and written without any check, and segments that are wrong from the
//! beginning.
//!
//! The harness plays agents that break their promises with this, and looks on at what a subject does. Nothing here keeps
//! to the contract by itself: a count can be set without its bell, bytes stored without being published.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::backing::{Backing, Place};
use crate::error::{CreateError, Error};
use crate::layout::{Direction, HEADER_SIZE, Header, Role, Side, is_capacity, offset};
use crate::memory::{Mapping, RingMemory};
use crate::platform;
use crate::{Attached, Segment};

/// A flag of one half of a ring control: 0 or 1 where everybody is sound.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flag {
    /// This side has closed.
    Closed,
    /// This side rings.
    Rings,
    /// This side waits.
    Waits,
}

/// A header field that changes during a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HeaderField {
    /// The host's process ID.
    HostPid,
    /// The state.
    State,
}

/// All of a segment's fields and bytes.
#[derive(Clone)]
pub struct Raw {
    mapping: Arc<Mapping>,
}

impl Raw {
    /// Those of a segment that this process has created.
    #[must_use]
    pub fn of(segment: &Segment) -> Self {
        Self { mapping: Arc::clone(segment.link().mapping()) }
    }

    /// Those of a segment that this process has attached to.
    #[must_use]
    pub fn of_attached(attached: &Attached) -> Self {
        Self { mapping: Arc::clone(attached.link().mapping()) }
    }

    /// Those of any segment, to look on without attaching.
    ///
    /// # Errors
    ///
    /// [`Error::System`] if it cannot be opened or mapped, or is shorter than its header says.
    pub fn open(path: &Path) -> Result<Self, Error> {
        use std::os::unix::fs::FileExt;
        let what = "look at the segment";
        let file = platform::open_shared(path).map_err(Error::system(what))?;
        let mut page = [0; HEADER_SIZE];
        file.read_exact_at(&mut page, 0).map_err(Error::system(what))?;
        let capacity = Header::decode(&page).capacity;
        if !is_capacity(capacity) {
            let invalid = std::io::Error::new(std::io::ErrorKind::InvalidData, "its capacity is none");
            return Err(Error::System { what, source: invalid });
        }
        let mapping = Mapping::new(&file, capacity).map_err(Error::system(what))?;
        Ok(Self { mapping: Arc::new(mapping) })
    }

    /// The header as it stands.
    #[must_use]
    pub fn header(&self) -> Header {
        let mut page = [0; HEADER_SIZE];
        for (byte, offset) in page.iter_mut().zip(0..) {
            *byte = self.mapping.byte(offset).map_or(0, |byte| byte.load(Ordering::Relaxed));
        }
        Header::decode(&page)
    }

    /// The number that stands for the state.
    #[must_use]
    pub fn state(&self) -> u32 {
        self.mapping.header_word(offset::STATE).load(Ordering::SeqCst)
    }

    /// `length` bytes from an offset of the segment; `None` if that is beyond its end.
    #[must_use]
    pub fn bytes(&self, offset: usize, length: usize) -> Option<Vec<u8>> {
        let end = offset.checked_add(length)?;
        (offset..end).map(|offset| Some(self.mapping.byte(offset)?.load(Ordering::Relaxed))).collect()
    }

    /// Overwrites bytes at an offset of the segment, one by one; what is beyond its end is left out.
    pub fn set_bytes(&self, offset: usize, bytes: &[u8]) {
        for (value, offset) in bytes.iter().zip(offset..) {
            if let Some(byte) = self.mapping.byte(offset) {
                byte.store(*value, Ordering::Relaxed);
            }
        }
    }

    /// Sets a header field and rings nothing.
    pub fn set_header(&self, field: HeaderField, value: u32) {
        let offset = match field {
            HeaderField::HostPid => offset::HOST_PID,
            HeaderField::State => offset::STATE,
        };
        self.mapping.header_word(offset).store(value, Ordering::SeqCst);
    }

    /// A total of bytes written or read.
    #[must_use]
    pub fn counter(&self, direction: Direction, side: Side) -> u64 {
        self.mapping.half(direction, side).counter.load(Ordering::SeqCst)
    }

    /// Sets a total of bytes written or read, and rings nothing. Set before ends are taken, it is where they go on from.
    pub fn set_counter(&self, direction: Direction, side: Side, value: u64) {
        self.mapping.half(direction, side).counter.store(value, Ordering::SeqCst);
    }

    /// How often a bell has rung, modulo 2^32.
    #[must_use]
    pub fn bell(&self, direction: Direction, side: Side) -> u32 {
        self.mapping.half(direction, side).bell.value()
    }

    /// A flag.
    #[must_use]
    pub fn flag(&self, direction: Direction, side: Side, flag: Flag) -> u32 {
        self.flag_word(direction, side, flag).load(Ordering::SeqCst)
    }

    /// Sets a flag, and rings nothing.
    pub fn set_flag(&self, direction: Direction, side: Side, flag: Flag, value: u32) {
        self.flag_word(direction, side, flag).store(value, Ordering::SeqCst);
    }

    fn flag_word(&self, direction: Direction, side: Side, flag: Flag) -> &AtomicU32 {
        let half = self.mapping.half(direction, side);
        match flag {
            Flag::Closed => &half.closed,
            Flag::Rings => &half.rings,
            Flag::Waits => &half.waits,
        }
    }

    /// Adds one to a bell, and wakes its sleepers if `wakes`.
    pub fn ring(&self, direction: Direction, side: Side, wakes: bool) {
        let bell = &self.mapping.half(direction, side).bell;
        bell.advance();
        if wakes {
            bell.wake();
        }
    }

    /// Sleeps on a bell as long as it has this value, at most for `timeout`. May end early.
    pub fn sleep(&self, direction: Direction, side: Side, value: u32, timeout: Duration) {
        self.mapping.half(direction, side).bell.sleep(value, timeout);
    }

    /// Wakes all that sleep on a bell, and leaves its value as it is; tells how many there were.
    pub fn wake(&self, direction: Direction, side: Side) -> usize {
        self.mapping.half(direction, side).bell.wake()
    }

    /// Bytes in each ring.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.mapping.capacity()
    }

    /// Stores bytes in a ring's data from this count on, without publishing them; those beyond a ring full are left out.
    pub fn store(&self, direction: Direction, count: u64, bytes: &[u8]) {
        let memory = RingMemory::new(Arc::clone(&self.mapping), direction);
        memory.copy_in(count, &bytes[..bytes.len().min(memory.capacity())]);
    }

    /// What a ring's data hold from this count on, whether published or not; at most a ring full.
    #[must_use]
    pub fn fetch(&self, direction: Direction, count: u64, length: usize) -> Vec<u8> {
        let memory = RingMemory::new(Arc::clone(&self.mapping), direction);
        let mut bytes = vec![0; length.min(memory.capacity())];
        memory.copy_out(count, &mut bytes);
        bytes
    }

    /// Publishes as the producer of that ring would: the count, then the bell, waking sleepers.
    pub fn publish(&self, direction: Direction, written: u64) {
        self.set_counter(direction, Side::Producer, written);
        self.ring(direction, Side::Producer, true);
    }

    /// Rings both bells that a role writes, as for a change of state.
    pub fn ring_both(&self, role: Role) {
        self.ring(role.outgoing(), Side::Producer, true);
        self.ring(role.peer().outgoing(), Side::Consumer, true);
    }
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Raw").field("header", &self.header()).finish()
    }
}

/// A file or memory of any contents and length that is handed to a host as its segment: cut short, or not one at all.
#[derive(Debug)]
pub struct Forgery {
    backing: Backing,
}

impl Forgery {
    /// One that holds these bytes and no more. [`Header::encode`] makes a beginning.
    ///
    /// # Errors
    ///
    /// [`CreateError::System`].
    pub fn create(place: &Place, contents: &[u8]) -> Result<Self, CreateError> {
        Ok(Self { backing: Backing::create(place, contents, contents.len() as u64)? })
    }

    /// What the host is told as `--shared-memory`; gone when this is dropped.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.backing.path()
    }
}
