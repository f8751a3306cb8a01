//! What came in and is not handled yet, and what is to go out.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use super::block::{self, Block, LARGE};
use crate::protocol::Writer;

/// The memory in bytes that an empty buffer may keep.
const KEPT: usize = 4 << 10;

/// How much is copied at once. What is longer the C library leaves to one instruction of the processor, which takes some
/// (AMD Zen 3 and 4) ten times as long where one of the places lies a few bytes behind the other within their pages.
const PIECE: usize = 2 << 10;

/// How much memory is made for a frame under way, in terms of what has come of it.
const GROWTH: usize = 4;

/// Bytes in the order they came, taken off at the front.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    memory: Vec<u8>,
    /// Where what is there begins and ends.
    start: usize,
    end: usize,
}

impl Inbox {
    /// What is there.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    /// Where to read at most so many of the next bytes to, if they are missing of a large frame of `announced` bytes;
    /// [`came`](Self::came) tells how many there were. Other bytes are better read elsewhere and [added](Self::extend).
    pub(crate) fn space(&mut self, announced: usize, most: usize) -> Option<&mut [u8]> {
        let missing = announced.checked_sub(self.bytes().len()).filter(|missing| *missing > 0)?;
        if announced < LARGE {
            return None;
        }
        if self.start + announced > self.memory.len() && self.end == self.memory.len() {
            self.make_room(1, announced);
        }
        let space = &mut self.memory[self.end..];
        let length = space.len().min(missing).min(most);
        Some(&mut space[..length])
    }

    /// So many bytes were read to the [space](Self::space).
    pub(crate) fn came(&mut self, count: usize) {
        self.end = (self.end + count).min(self.memory.len());
    }

    /// Appends bytes.
    pub(crate) fn extend(&mut self, bytes: &[u8], announced: usize) {
        if self.end + bytes.len() > self.memory.len() {
            self.make_room(bytes.len(), announced);
        }
        copy(bytes, &mut self.memory[self.end..self.end + bytes.len()]);
        self.end += bytes.len();
    }

    /// Makes room for more bytes. New memory grows as they come: to no more than four times what is there, and not beyond
    /// `announced` bytes unless so many have come (FRM-6).
    fn make_room(&mut self, more: usize, announced: usize) {
        let needed = self.bytes().len() + more;
        if needed > self.memory.len() {
            let affordable = GROWTH * needed;
            let mut memory = match announced.max(needed) {
                size @ LARGE.. => block::memory(size, affordable.max(needed)),
                size => vec![0; size.min(affordable)],
            };
            copy(self.bytes(), &mut memory);
            self.memory = memory;
        } else {
            self.memory.copy_within(self.start..self.end, 0);
        }
        self.end -= self.start;
        self.start = 0;
    }

    /// Takes off the first `length` bytes, which must be there.
    pub(crate) fn take(&mut self, length: usize) -> Block {
        if length < LARGE {
            let taken = Block::from(&self.bytes()[..length]);
            self.skip(length);
            return taken;
        }
        let behind = &self.bytes()[length..];
        let mut rest = Vec::with_capacity(behind.len());
        behind.chunks(PIECE).for_each(|piece| rest.extend_from_slice(piece));
        let (start, end) = (0, rest.len());
        let whole = std::mem::replace(self, Self { memory: rest, start, end });
        Block::new(whole.memory, whole.start, whole.start + length)
    }

    /// Drops the first `length` bytes, which must be there.
    pub(crate) fn skip(&mut self, length: usize) {
        self.start += length;
        if self.bytes().is_empty() {
            self.clear();
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        if self.memory.len() > KEPT {
            // Large memory is kept elsewhere for whoever needs it next.
            drop(Block::new(std::mem::take(&mut self.memory), 0, 0));
        }
        (self.start, self.end) = (0, 0);
    }
}

/// Copies bytes to the beginning of a place that is large enough, [`PIECE`] by [`PIECE`].
fn copy(bytes: &[u8], place: &mut [u8]) {
    for (from, to) in bytes.chunks(PIECE).zip(place.chunks_mut(PIECE)) {
        to[..from.len()].copy_from_slice(from);
    }
}

/// Bytes to be sent, in order.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// What is sent from where it is, and what lies before and between that.
    pieces: VecDeque<Bytes>,
    /// Bytes in the pieces.
    ahead: usize,
    /// What was put together here, behind the pieces.
    tail: Vec<u8>,
    /// Bytes of the tail that are sent.
    sent: usize,
}

impl Outbox {
    /// How many bytes are still to be sent.
    pub(crate) fn length(&self) -> usize {
        self.ahead + self.tail.len() - self.sent
    }

    /// The next bytes to be sent: all of them unless pieces were [pushed](Self::push).
    pub(crate) fn bytes(&self) -> &[u8] {
        self.pieces().next().unwrap_or_default()
    }

    /// What is still to be sent, piece by piece.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let tail = &self.tail[self.sent..];
        self.pieces.iter().map(Bytes::as_ref).chain(Some(tail).filter(|tail| !tail.is_empty()))
    }

    /// Appends what `write` writes; nothing if it fails.
    pub(crate) fn append<E>(&mut self, write: impl FnOnce(&mut Writer) -> Result<(), E>) -> Result<(), E> {
        let bytes = std::mem::take(self.tail());
        let before = bytes.len();
        let mut writer = Writer::onto(bytes);
        let written = write(&mut writer);
        self.tail = writer.into_bytes();
        if written.is_err() {
            self.tail.truncate(before);
        }
        written
    }

    /// Appends bytes without copying them, which is worth while if they are [`LARGE`].
    pub(crate) fn push(&mut self, bytes: Bytes) {
        let before = Bytes::from(std::mem::take(self.tail()));
        for piece in [before, bytes] {
            if !piece.is_empty() {
                self.ahead += piece.len();
                self.pieces.push_back(piece);
            }
        }
    }

    /// Where bytes can be appended to those that are still to be sent.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        self.tail.drain(..self.sent);
        self.sent = 0;
        &mut self.tail
    }

    /// The first `count` bytes were sent.
    pub(crate) fn sent(&mut self, mut count: usize) {
        while count > 0
            && let Some(piece) = self.pieces.front_mut()
        {
            let of_piece = count.min(piece.len());
            piece.advance(of_piece);
            if piece.is_empty() {
                self.pieces.pop_front();
            }
            self.ahead -= of_piece;
            count -= of_piece;
        }
        self.sent = (self.sent + count).min(self.tail.len());
        if self.sent == self.tail.len() {
            empty(&mut self.tail);
            self.sent = 0;
        }
    }
}

fn empty(bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.shrink_to(KEPT);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_taken_is_what_came_first() {
        let mut inbox = Inbox::default();
        inbox.extend(b"abc", 0);
        assert_eq!(*inbox.take(2), *b"ab");
        inbox.extend(b"de", 0);
        assert_eq!(inbox.bytes(), b"cde");
        assert_eq!(*inbox.take(3), *b"cde");
        assert_eq!(inbox.bytes(), b"");
    }

    #[test]
    fn a_large_message_is_taken_with_bytes_before_and_behind_it() {
        let mut inbox = Inbox::default();
        let large: Vec<u8> = (0..LARGE).map(|index| index.to_le_bytes()[1]).collect();
        inbox.extend(b"before", 0);
        inbox.extend(&large, 0);
        inbox.extend(b"behind", 0);
        assert_eq!(*inbox.take(6), *b"before");
        assert_eq!(*inbox.take(LARGE), large);
        assert_eq!(inbox.bytes(), b"behind");
        assert_eq!(*inbox.take(6), *b"behind");
    }

    #[test]
    fn memory_grows_with_what_has_come_and_is_given_back() {
        let mut inbox = Inbox::default();
        let announced = 64 << 20;
        inbox.extend(&[0; 16], announced);
        assert!(inbox.memory.len() <= 64);
        while inbox.bytes().len() < 300_000 {
            inbox.extend(&[0; 1000], announced);
            assert!(inbox.memory.len() <= GROWTH * inbox.bytes().len());
        }
        inbox.clear();
        assert!(inbox.memory.len() <= KEPT);
    }

    #[test]
    fn memory_does_not_grow_beyond_a_frame_that_is_nearly_there() {
        let mut inbox = Inbox::default();
        for _ in 0..100 {
            inbox.extend(&[0; 1000], 100_000);
        }
        // The next multiple of 16 KiB, or memory that was there already and is at most twice as large.
        let fitting = 114_688..=2 * 114_688;
        assert!(
            inbox.bytes().len() == 100_000 && fitting.contains(&inbox.memory.len()),
            "{}",
            inbox.memory.len()
        );
    }

    #[test]
    fn a_large_message_is_not_copied() {
        let mut inbox = Inbox::default();
        inbox.extend(b"before", 6 + LARGE);
        inbox.extend(&[7; LARGE], 6 + LARGE);
        inbox.take(6);
        let there = inbox.bytes().as_ptr();
        assert_eq!(inbox.take(LARGE).as_ptr(), there);
    }

    #[test]
    fn a_small_rest_keeps_no_memory_of_a_large_message() {
        let mut inbox = Inbox::default();
        inbox.extend(&[7; LARGE + 5], LARGE);
        assert_eq!(*inbox.take(LARGE), [7; LARGE]);
        assert_eq!((inbox.bytes(), inbox.memory.capacity()), (&[7; 5][..], 5));
        inbox.extend(&[8; 2], 0);
        assert_eq!(inbox.bytes(), [7, 7, 7, 7, 7, 8, 8]);
    }

    #[test]
    fn there_is_space_for_what_is_missing_of_a_large_frame_alone() {
        let mut inbox = Inbox::default();
        inbox.extend(&[0; 1000], 0);
        assert_eq!(inbox.space(0, 4096), None);
        assert_eq!(inbox.space(LARGE - 1, 4096), None);
        assert_eq!(inbox.space(1000, 4096), None);
        while inbox.bytes().len() < LARGE {
            let there = inbox.bytes().len();
            let space = inbox.space(LARGE, 10_000).expect("bytes are missing");
            let length = space.len();
            assert!((1..=10_000.min(LARGE - there)).contains(&length));
            space.fill(9);
            inbox.came(length);
        }
        assert_eq!(inbox.space(LARGE, 10_000), None);
        let message = inbox.take(LARGE);
        assert!(
            message[..1000].iter().all(|byte| *byte == 0) && message[1000..].iter().all(|byte| *byte == 9)
        );
    }

    #[test]
    fn what_is_pushed_is_sent_from_where_it_is_between_what_is_appended() {
        let mut outbox = Outbox::default();
        append(&mut outbox, b"abc");
        outbox.sent(1);
        let large = Bytes::from_static(b"large");
        outbox.push(large.clone());
        outbox.push(Bytes::new());
        append(&mut outbox, b"d");
        append(&mut outbox, b"e");
        assert_eq!(outbox.pieces().collect::<Vec<_>>(), [&b"bc"[..], b"large", b"de"]);
        assert_eq!((outbox.length(), outbox.bytes()), (9, &b"bc"[..]));
        outbox.sent(4);
        assert_eq!(outbox.bytes().as_ptr(), large[2..].as_ptr());
        assert_eq!((outbox.length(), outbox.bytes()), (5, &b"rge"[..]));
        outbox.sent(4);
        assert_eq!((outbox.length(), outbox.bytes()), (1, &b"e"[..]));
        outbox.sent(1);
        assert_eq!((outbox.length(), outbox.pieces().count()), (0, 0));
    }

    fn append(outbox: &mut Outbox, bytes: &[u8]) {
        let appended: Result<(), ()> = outbox.append(|writer| {
            writer.raw(bytes);
            Ok(())
        });
        assert_eq!(appended, Ok(()));
    }

    #[test]
    fn what_cannot_be_written_whole_leaves_nothing() {
        let mut outbox = Outbox::default();
        append(&mut outbox, b"abc");
        outbox.sent(1);
        let failed = outbox.append(|writer| {
            writer.raw(b"def");
            Err("no")
        });
        assert_eq!((failed, outbox.bytes()), (Err("no"), &b"bc"[..]));
    }

    #[test]
    fn what_was_sent_is_gone_and_the_rest_follows() {
        let mut outbox = Outbox::default();
        append(&mut outbox, b"abc");
        outbox.sent(1);
        append(&mut outbox, b"d");
        assert_eq!(outbox.bytes(), b"bcd");
        outbox.sent(3);
        assert_eq!(outbox.bytes(), b"");
    }

    proptest! {
        /// Bytes leave as they came, in whatever pieces; the memory is bounded by the most that was there.
        #[test]
        fn nothing_is_lost_and_memory_is_bounded(
            steps in proptest::collection::vec((any::<bool>(), 0..200_000_usize), 1..20),
            announced in 0..1_000_000_usize,
        ) {
            let mut inbox = Inbox::default();
            let (mut expected, mut most) = (Vec::new(), KEPT);
            for ((comes, count), byte) in steps.into_iter().zip(0..) {
                if comes {
                    let piece = vec![byte; count];
                    inbox.extend(&piece, announced);
                    expected.extend(piece);
                } else {
                    let count = count.min(expected.len());
                    let taken: Vec<u8> = expected.drain(..count).collect();
                    prop_assert!(*inbox.take(count) == taken);
                }
                prop_assert!(expected == inbox.bytes());
                most = most.max(expected.len());
                // Memory that was there already is at most twice as large as it needs to be.
                let fitting = 2 * announced.max(most).next_multiple_of(16 << 10);
                prop_assert!(inbox.memory.len() <= (GROWTH * most).max(fitting));
            }
        }
    }
}
