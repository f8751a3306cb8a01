//! What came in and is not handled yet, and what is to go out.

use bytes::{Bytes, BytesMut};

use crate::protocol::Writer;

/// From this size on a message is handed over in the memory that it arrived in; below, it is copied.
const LARGE: usize = 64 << 10;

/// The memory in bytes that an empty buffer may keep.
const KEPT: usize = 4 << 10;

/// Bytes in the order they came, taken off at the front.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    start: usize,
}

impl Inbox {
    /// What is there.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Appends bytes. The memory grows as they come: to no more than twice what is there, and not beyond
    /// `announced` bytes unless so many have come (FRM-6).
    pub(crate) fn extend(&mut self, bytes: &[u8], announced: usize) {
        self.bytes.drain(..self.start);
        self.start = 0;
        let needed = self.bytes.len() + bytes.len();
        if needed > self.bytes.capacity() {
            let wanted = (2 * self.bytes.capacity()).min(announced).max(needed);
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes off the first `length` bytes, which must be there.
    pub(crate) fn take(&mut self, length: usize) -> BytesMut {
        if length < LARGE {
            let taken = BytesMut::from(&self.bytes()[..length]);
            self.skip(length);
            return taken;
        }
        let rest = self.bytes.split_off(self.start + length);
        let mut whole = Bytes::from(std::mem::replace(&mut self.bytes, rest));
        let _ = whole.split_to(std::mem::take(&mut self.start));
        // Nobody else has it, so that nothing is copied.
        BytesMut::from(whole)
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
        empty(&mut self.bytes);
        self.start = 0;
    }
}

/// Bytes to be sent, in order.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    /// What is still to be sent.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Appends what `write` writes; nothing if it fails.
    pub(crate) fn append<E>(&mut self, write: impl FnOnce(&mut Writer) -> Result<(), E>) -> Result<(), E> {
        let bytes = std::mem::take(self.tail());
        let before = bytes.len();
        let mut writer = Writer::onto(bytes);
        let written = write(&mut writer);
        self.bytes = writer.into_bytes();
        if written.is_err() {
            self.bytes.truncate(before);
        }
        written
    }

    /// Where bytes can be appended to those that are still to be sent.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        self.bytes.drain(..self.sent);
        self.sent = 0;
        &mut self.bytes
    }

    /// The first `count` bytes were sent.
    pub(crate) fn sent(&mut self, count: usize) {
        self.sent = (self.sent + count).min(self.bytes.len());
        if self.bytes().is_empty() {
            empty(&mut self.bytes);
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
        assert!(inbox.bytes.capacity() <= 32);
        while inbox.bytes().len() < 300_000 {
            inbox.extend(&[0; 1000], announced);
            assert!(inbox.bytes.capacity() <= 2 * inbox.bytes().len());
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
                prop_assert!(inbox.bytes.capacity() <= 2 * most);
            }
        }
    }
}
