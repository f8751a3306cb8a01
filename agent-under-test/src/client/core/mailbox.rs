//! Messages that came and were not asked for yet.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::protocol::Command;

/// With so many bytes waiting, nothing more is read from the agent until some are taken.
const LIMIT: usize = 64 << 20;

/// What a message counts beyond its data, so that empty ones are bounded too.
const OVERHEAD: usize = 64;

/// Messages in the order they came.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    messages: VecDeque<(Command, Bytes)>,
    size: usize,
}

impl Mailbox {
    /// Adds a message.
    pub(super) fn push(&mut self, command: Command, data: Bytes) {
        self.size += data.len() + OVERHEAD;
        self.messages.push_back((command, data));
    }

    /// Takes the oldest message.
    pub(super) fn pop(&mut self) -> Option<(Command, Bytes)> {
        let (command, data) = self.messages.pop_front()?;
        self.size -= data.len() + OVERHEAD;
        Some((command, data))
    }

    /// Whether no more should come for now.
    pub(super) fn is_full(&self) -> bool {
        self.size >= LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_full_by_bytes_and_by_number_and_has_room_again() {
        let mut mailbox = Mailbox::default();
        mailbox.push(Command(1), vec![0; LIMIT - OVERHEAD - 1].into());
        assert!(!mailbox.is_full());
        mailbox.push(Command(2), Bytes::new());
        assert!(mailbox.is_full());
        assert_eq!(mailbox.pop().map(|(command, _)| command), Some(Command(1)));
        assert!(!mailbox.is_full());
        let mut empty = Mailbox::default();
        (0..LIMIT / OVERHEAD).for_each(|_| empty.push(Command(0), Bytes::new()));
        assert!(empty.is_full());
    }
}
