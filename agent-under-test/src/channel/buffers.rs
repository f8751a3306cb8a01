//! What came in and is not handled yet, and what is to go out.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use crate::protocol::Writer;

/// From this size on a message is handed over in the memory that it arrived in, and sent from where it is; below, it is
/// copied.
pub(crate) const LARGE: usize = 16 << 10;

/// The memory in bytes that an empty buffer may keep.
const KEPT: usize = 4 << 10;

/// How much memory is made for a frame under way, in terms of what has come of it.
const GROWTH: usize = 4;

/// Bytes in the order they came, taken off at the front.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    start: usize,
    /// What came last, where it shares memory with messages taken before; then there is nothing in `bytes`.
    shared: BytesMut,
}

impl Inbox {
    /// What is there.
    pub(crate) fn bytes(&self) -> &[u8] {
        if self.shared.is_empty() { &self.bytes[self.start..] } else { &self.shared }
    }

    /// How many bytes to read next, where `most` can be: of a large frame no more than is missing of its `announced`
    /// bytes, so that nothing behind it has to be moved.
    pub(crate) fn wanted(&self, announced: usize, most: usize) -> usize {
        match announced.saturating_sub(self.bytes().len()) {
            missing @ 1.. if announced >= LARGE => missing.min(most),
            _ => most,
        }
    }

    /// Appends bytes. The memory grows as they come: to no more than four times what is there, and not beyond
    /// `announced` bytes unless so many have come (FRM-6).
    pub(crate) fn extend(&mut self, bytes: &[u8], announced: usize) {
        let shared = std::mem::take(&mut self.shared);
        self.bytes.drain(..self.start);
        self.start = 0;
        let needed = self.bytes.len() + shared.len() + bytes.len();
        if needed > self.bytes.capacity() {
            let wanted = (GROWTH * needed).min(announced).max(needed);
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
        self.bytes.extend_from_slice(&shared);
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes off the first `length` bytes, which must be there.
    pub(crate) fn take(&mut self, length: usize) -> BytesMut {
        if length < LARGE {
            let taken = BytesMut::from(&self.bytes()[..length]);
            self.skip(length);
            return taken;
        }
        if self.shared.is_empty() {
            let mut whole = Bytes::from(std::mem::take(&mut self.bytes));
            whole.advance(std::mem::take(&mut self.start));
            // Nobody else has it, so that nothing is copied.
            self.shared = BytesMut::from(whole);
        }
        let taken = self.shared.split_to(length);
        // A small rest must not keep a large message's memory.
        if self.shared.len() < length {
            self.bytes = std::mem::take(&mut self.shared).to_vec();
        }
        taken
    }

    /// Drops the first `length` bytes, which must be there.
    pub(crate) fn skip(&mut self, length: usize) {
        if self.shared.is_empty() {
            self.start += length;
        } else {
            self.shared.advance(length);
        }
        if self.bytes().is_empty() {
            self.clear();
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        empty(&mut self.bytes);
        self.start = 0;
        self.shared = BytesMut::new();
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
        assert_eq!(inbox.take(2), "ab".as_bytes());
        inbox.extend(b"de", 0);
        assert_eq!(inbox.bytes(), b"cde");
        assert_eq!(inbox.take(3), "cde".as_bytes());
        assert_eq!(inbox.bytes(), b"");
    }

    #[test]
    fn a_large_message_is_taken_with_bytes_before_and_behind_it() {
        let mut inbox = Inbox::default();
        let large: Vec<u8> = (0..LARGE).map(|index| index.to_le_bytes()[1]).collect();
        inbox.extend(b"before", 0);
        inbox.extend(&large, 0);
        inbox.extend(b"behind", 0);
        assert_eq!(inbox.take(6), "before".as_bytes());
        assert_eq!(inbox.take(LARGE), large);
        assert_eq!(inbox.bytes(), b"behind");
        assert_eq!(inbox.take(6), "behind".as_bytes());
    }

    #[test]
    fn memory_grows_with_what_has_come_and_is_given_back() {
        let mut inbox = Inbox::default();
        let announced = 64 << 20;
        inbox.extend(&[0; 16], announced);
        assert!(inbox.bytes.capacity() <= 64);
        while inbox.bytes().len() < 300_000 {
            inbox.extend(&[0; 1000], announced);
            assert!(inbox.bytes.capacity() <= GROWTH * inbox.bytes().len());
        }
        inbox.clear();
        assert!(inbox.bytes.capacity() <= KEPT);
    }

    #[test]
    fn memory_does_not_grow_beyond_a_frame_that_is_nearly_there() {
        let mut inbox = Inbox::default();
        for _ in 0..100 {
            inbox.extend(&[0; 1000], 100_000);
        }
        assert_eq!((inbox.bytes().len(), inbox.bytes.capacity()), (100_000, 100_000));
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
    fn messages_that_came_together_are_not_moved_and_a_small_rest_keeps_no_memory() {
        let mut inbox = Inbox::default();
        inbox.extend(&[7; 3 * LARGE + 5], LARGE);
        let there = inbox.bytes().as_ptr() as usize;
        for number in 0..2 {
            assert_eq!(inbox.take(LARGE).as_ptr() as usize, there + number * LARGE);
        }
        let last = inbox.take(LARGE);
        assert_eq!(last.as_ptr() as usize, there + 2 * LARGE);
        assert_eq!((inbox.bytes(), inbox.bytes.capacity(), inbox.shared.capacity()), (&[7; 5][..], 5, 0));
        inbox.extend(&[8; 2], 0);
        assert_eq!(inbox.bytes(), [7, 7, 7, 7, 7, 8, 8]);
    }

    #[test]
    fn of_a_large_frame_no_more_is_wanted_than_is_missing() {
        let mut inbox = Inbox::default();
        inbox.extend(&[0; 1000], 0);
        assert_eq!(inbox.wanted(0, 4096), 4096);
        assert_eq!(inbox.wanted(2000, 4096), 4096);
        assert_eq!(inbox.wanted(LARGE, 4096), 4096);
        assert_eq!(inbox.wanted(LARGE, 1 << 20), LARGE - 1000);
        inbox.extend(&vec![0; LARGE - 1000], LARGE);
        assert_eq!(inbox.wanted(LARGE, 4096), 4096);
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
                    prop_assert!(inbox.take(count) == taken);
                }
                prop_assert!(expected == inbox.bytes());
                most = most.max(expected.len());
                prop_assert!(inbox.bytes.capacity() <= GROWTH * most);
            }
        }
    }
}
