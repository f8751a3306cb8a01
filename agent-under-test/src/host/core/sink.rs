//! What was sunk: counted and summed up, never kept.

use crc32fast::Hasher;

/// The messages sunk since the last total. A message counts once it is there whole.
#[derive(Debug, Default)]
pub(super) struct Sink {
    total: Total,
    under_way: Option<(Total, usize)>,
}

#[derive(Clone, Debug, Default)]
struct Total {
    messages: i64,
    bytes: i64,
    sum: Hasher,
}

impl Sink {
    /// A message of so many bytes begins.
    pub(super) fn begin(&mut self, length: usize) {
        self.under_way = Some((self.total.clone(), length));
        self.take(&[]);
    }

    /// Bytes of the message under way that are still to come; `None` if there is no such message.
    pub(super) fn wanted(&self) -> Option<usize> {
        self.under_way.as_ref().map(|(_, left)| *left)
    }

    /// Takes the next bytes of the message under way, and says how many were part of it.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        let Some((total, left)) = &mut self.under_way else { return 0 };
        let taken = &bytes[..bytes.len().min(*left)];
        total.sum.update(taken);
        total.bytes = total.bytes.saturating_add(i64::try_from(taken.len()).unwrap_or(i64::MAX));
        *left -= taken.len();
        if *left == 0 {
            total.messages += 1;
            self.total = total.clone();
            self.under_way = None;
        }
        taken.len()
    }

    /// Messages, bytes and CRC-32 since the last time.
    pub(super) fn total(&mut self) -> (i64, i64, u32) {
        let Total { messages, bytes, sum } = std::mem::take(&mut self.total);
        (messages, bytes, sum.finalize())
    }
}
