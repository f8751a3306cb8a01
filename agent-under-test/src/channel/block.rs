//! The memory of messages. That of large ones is kept for the next, since new memory has to be fetched from the operating
//! system page by page, which takes longer than to copy a message.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// From this size on a message is handed over in the memory that it arrived in, and sent from where it is; below, it is
/// copied.
pub(crate) const LARGE: usize = 64 << 10;

/// Bytes that are kept for the next messages, in the whole process.
const KEPT: usize = 8 << 20;

/// Sizes of large memory are multiples of this, so that it fits messages of similar size.
const STEP: usize = 16 << 10;

/// What is kept, the oldest first.
static SPARE: Mutex<Spare> = Mutex::new(Spare { memories: VecDeque::new(), bytes: 0 });

#[derive(Debug)]
struct Spare {
    memories: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Spare {
    /// Memory for so many bytes, and for not more than twice as many.
    fn take(&mut self, size: usize) -> Option<Vec<u8>> {
        let fits = |memory: &Vec<u8>| (size..=2 * size).contains(&memory.len());
        let found = self.memories.iter().rposition(fits)?;
        let memory = self.memories.remove(found)?;
        self.bytes -= memory.len();
        Some(memory)
    }

    fn keep(&mut self, memory: Vec<u8>) {
        self.bytes += memory.len();
        self.memories.push_back(memory);
        while self.bytes > KEPT
            && let Some(oldest) = self.memories.pop_front()
        {
            self.bytes -= oldest.len();
        }
    }
}

fn spare() -> MutexGuard<'static, Spare> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Memory for a large message of `size` bytes: some that is there already, or new memory of `affordable` bytes, if that
/// is less. What is in it has no meaning.
pub(super) fn memory(size: usize, affordable: usize) -> Vec<u8> {
    let size = size.next_multiple_of(STEP);
    spare().take(size).unwrap_or_else(|| vec![0; size.min(affordable)])
}

/// A message in memory that is its own; large memory is kept for the next when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Block {
    memory: Vec<u8>,
    start: usize,
    end: usize,
}

impl Block {
    /// What lies between two places in memory.
    pub(super) fn new(memory: Vec<u8>, start: usize, end: usize) -> Self {
        Self { memory, start, end }
    }

    /// The same to be shared.
    pub(crate) fn freeze(mut self) -> Bytes {
        if self.memory.len() >= LARGE {
            return Bytes::from_owner(self);
        }
        let bytes = Bytes::from(std::mem::take(&mut self.memory));
        bytes.slice(self.start..self.end)
    }
}

impl From<&[u8]> for Block {
    fn from(bytes: &[u8]) -> Self {
        Self::new(bytes.to_vec(), 0, bytes.len())
    }
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }
}

impl DerefMut for Block {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.end]
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // Very large ones are rare.
        if (LARGE..=KEPT / 2).contains(&self.memory.len()) {
            spare().keep(std::mem::take(&mut self.memory));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Spare {
        Spare { memories: VecDeque::new(), bytes: 0 }
    }

    #[test]
    fn memory_is_used_again_for_what_fits_and_no_more_than_half_wasted() {
        let mut spare = empty();
        spare.keep(vec![1; 200_000]);
        assert_eq!(spare.take(200_001), None);
        assert_eq!(spare.take(99_999), None);
        assert_eq!(spare.take(100_000), Some(vec![1; 200_000]));
        assert_eq!((spare.take(100_000), spare.bytes), (None, 0));
    }

    #[test]
    fn no_more_is_kept_than_the_limit_and_the_oldest_goes_first() {
        let mut spare = empty();
        for value in 1..=5 {
            spare.keep(vec![value; KEPT / 4]);
        }
        assert_eq!(spare.bytes, KEPT);
        let left: Vec<u8> = spare.memories.iter().map(|memory| memory[0]).collect();
        assert_eq!(left, [2, 3, 4, 5]);
    }

    #[test]
    fn what_is_shared_is_what_was_between_the_two_places() {
        for size in [10, LARGE] {
            let mut block = Block::new((0..size).map(|index| index.to_le_bytes()[0]).collect(), 2, 5);
            block[0] = 9;
            assert_eq!(*block, [9, 3, 4]);
            assert_eq!(block.freeze(), [9, 3, 4][..]);
        }
    }
}
