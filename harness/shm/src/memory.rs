//! The mapped segment, and the parts of it that the rings work on.
//!
//! The only place where the mapping's address is dealt with. Control fields are handed out as references to atomics,
//! data is copied in and out between raw addresses; there is never a reference to bytes that another process may change.
//!
//! The peer is outside of what Rust's memory model knows, and may write anywhere at any time. That can spoil what is
//! read, but not this process: every bit pattern is a valid byte or integer, all offsets are worked out from the size
//! that was mapped and from counts kept in private memory, and the memory stays mapped while anything points into it.
//! What the model cannot exclude is a file that its owner shrinks: an access behind its end is a `SIGBUS`. Segments in
//! memory are sealed against that.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32};

use memmap2::{MmapOptions, MmapRaw};

use crate::layout::{self, Direction, Side};
use crate::ring::Half;

const _: () = {
    use std::mem::{align_of, offset_of, size_of};
    assert!(offset_of!(Half, counter) == 0x00);
    assert!(offset_of!(Half, bell) == 0x08);
    assert!(offset_of!(Half, closed) == 0x0c);
    assert!(offset_of!(Half, rings) == 0x10);
    assert!(offset_of!(Half, waits) == 0x14);
    assert!(size_of::<Half>() == 0x18 && align_of::<Half>() == 8);
    assert!(cfg!(target_endian = "little"), "the segment is little-endian, its atomics are the machine's");
};

/// How much is copied at once. Longer copies are left to one instruction of the processor by the C library, which takes
/// ten times as long on some (AMD Zen 3 and 4) where the two places lie a little more than whole pages apart, as a page and
/// what stands behind the heading of allocated memory do; shorter ones go by vectors, wherever they lie.
const PIECE: usize = 2048;

/// A mapped segment of known capacity.
pub(crate) struct Mapping {
    map: MmapRaw,
    capacity: u32,
}

impl Mapping {
    /// Maps all of a file that holds two rings of this capacity; a shorter one is refused.
    pub(crate) fn new(file: &File, capacity: u32) -> io::Result<Self> {
        let size = layout::segment_size(capacity);
        if file.metadata()?.len() < size {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than its segment"));
        }
        let length = usize::try_from(size).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        Ok(Self { map: MmapOptions::new().len(length).map_raw(file)?, capacity })
    }

    pub(crate) fn capacity(&self) -> u32 {
        self.capacity
    }

    /// The header field at one of the offsets of [`layout::offset`].
    pub(crate) fn header_word(&self, offset: usize) -> &AtomicU32 {
        assert!(offset <= layout::HEADER_SIZE - 4 && offset.is_multiple_of(4));
        // SAFETY: the offset is within the mapping, which is at least a header long and lives as long as `self`; pages are
        // aligned better than words; nothing in this process accesses the field but through atomics.
        unsafe { &*self.map.as_mut_ptr().add(offset).cast::<AtomicU32>() }
    }

    pub(crate) fn half(&self, direction: Direction, side: Side) -> &Half {
        let offset = direction.control() + side.half();
        // SAFETY: as for `header_word`; the offsets are multiples of 8 below the header's size, and `Half` is nothing but
        // atomics without padding.
        unsafe { &*self.map.as_mut_ptr().add(offset).cast::<Half>() }
    }

    /// One byte anywhere in the segment; `None` behind its end.
    pub(crate) fn byte(&self, offset: usize) -> Option<&AtomicU8> {
        // SAFETY: within the mapping, as for `header_word`.
        (offset < self.map.len()).then(|| unsafe { &*self.map.as_mut_ptr().add(offset).cast::<AtomicU8>() })
    }

    fn data(&self, direction: Direction, position: usize) -> *mut u8 {
        debug_assert!(position <= self.capacity as usize);
        // SAFETY: both rings lie within the mapping, whose size was worked out from the same capacity.
        unsafe { self.map.as_mut_ptr().add(direction.data(self.capacity) + position) }
    }
}

/// One ring of a mapped segment.
#[derive(Clone)]
pub(crate) struct RingMemory {
    mapping: Arc<Mapping>,
    direction: Direction,
}

impl RingMemory {
    pub(crate) fn new(mapping: Arc<Mapping>, direction: Direction) -> Self {
        Self { mapping, direction }
    }

    pub(crate) fn producer(&self) -> &Half {
        self.mapping.half(self.direction, Side::Producer)
    }

    pub(crate) fn consumer(&self) -> &Half {
        self.mapping.half(self.direction, Side::Consumer)
    }

    pub(crate) fn capacity(&self) -> usize {
        self.mapping.capacity as usize
    }

    /// Stores bytes from this count on, around the ring's end where need be.
    pub(crate) fn copy_in(&self, count: u64, bytes: &[u8]) {
        let (position, first) = self.span(count, bytes.len());
        let (before, behind) = bytes.split_at(first);
        for (position, part) in [(position, before), (0, behind)] {
            for (piece, offset) in part.chunks(PIECE).zip((position..).step_by(PIECE)) {
                let target = self.mapping.data(self.direction, offset);
                // SAFETY: `span` has made sure that each part ends within the ring; what a slice points at is never part
                // of a mapping, so the two do not overlap.
                unsafe { target.copy_from_nonoverlapping(piece.as_ptr(), piece.len()) };
            }
        }
    }

    /// Fetches bytes from this count on, around the ring's end where need be.
    pub(crate) fn copy_out(&self, count: u64, buffer: &mut [u8]) {
        let (position, first) = self.span(count, buffer.len());
        let (before, behind) = buffer.split_at_mut(first);
        for (position, part) in [(position, before), (0, behind)] {
            for (piece, offset) in part.chunks_mut(PIECE).zip((position..).step_by(PIECE)) {
                let source = self.mapping.data(self.direction, offset);
                // SAFETY: as in `copy_in`.
                unsafe { source.copy_to_nonoverlapping(piece.as_mut_ptr(), piece.len()) };
            }
        }
    }

    /// Where the count lies in the ring, and how many of `length` bytes lie before the ring's end.
    fn span(&self, count: u64, length: usize) -> (usize, usize) {
        let capacity = self.capacity();
        assert!(length <= capacity, "no more than the ring holds");
        let mask = u64::from(self.mapping.capacity) - 1;
        let position = usize::try_from(count & mask).unwrap_or_default();
        (position, length.min(capacity - position))
    }
}
