//! What is to be sent: messages in order, some of them made only while they are sent.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::protocol::{Command, Writer};

use super::request::BURST;

/// Messages up to this size are put together, larger ones are sent from where they are.
const LARGE: usize = 16 << 10;

/// Bytes of a burst that are made at a time.
const MADE: usize = 64 << 10;

/// Messages waiting to be sent.
#[derive(Debug, Default)]
pub(super) struct Answers {
    parts: VecDeque<Part>,
    /// Bytes of the first part that are sent.
    sent: usize,
    /// Bytes that are kept, sent ones included as long as they are.
    held: usize,
}

#[derive(Debug)]
enum Part {
    /// Messages one behind the other.
    Collected(Vec<u8>),
    /// The end of a large message.
    Large(Bytes),
    Burst(Burst),
}

impl Part {
    /// What is there of it.
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Collected(bytes) => bytes,
            Self::Large(bytes) => bytes,
            Self::Burst(burst) => &burst.made,
        }
    }
}

impl Answers {
    /// Appends a message: its command, and its data in two pieces, the second of which is not copied if it is large.
    pub(super) fn push(&mut self, command: Command, head: &[u8], body: Bytes) {
        let mut writer = Writer::onto(self.collected());
        let before = writer.bytes().len();
        // The length of what was taken, and of texts made here, fits with a margin.
        let length = i32::try_from(head.len() + body.len()).unwrap_or(i32::MAX);
        writer.int32(length);
        writer.int32(command.0);
        writer.raw(head);
        let apart = body.len() > LARGE;
        if !apart {
            writer.raw(&body);
        }
        let collected = writer.into_bytes();
        self.held += collected.len() - before;
        self.parts.push_back(Part::Collected(collected));
        if apart {
            self.held += body.len();
            self.parts.push_back(Part::Large(body));
        }
    }

    /// Takes out the messages that another can be put behind.
    fn collected(&mut self) -> Vec<u8> {
        match self.parts.pop_back() {
            Some(Part::Collected(bytes)) if bytes.len() < LARGE => bytes,
            Some(part) => {
                self.parts.push_back(part);
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// Appends the messages of a burst.
    pub(super) fn push_burst(&mut self, token: i32, count: i32, size: i32) {
        if count > 0 {
            self.parts.push_back(Part::Burst(Burst::new(token, count, size)));
        }
    }

    /// The next bytes to be sent, in up to two pieces; those behind none are none.
    pub(super) fn next(&mut self) -> [&[u8]; 2] {
        let is_burst = match self.parts.front_mut() {
            Some(Part::Burst(burst)) => {
                burst.make_some();
                true
            }
            _ => false,
        };
        let [first, second] = [0, 1].map(|index| self.parts.get(index).map(Part::bytes).unwrap_or_default());
        // Behind what is made of a burst there may be more of it to be made.
        [&first[self.sent.min(first.len())..], if is_burst { &[] } else { second }]
    }

    /// So many of the bytes that [`next`](Self::next) gave are sent.
    pub(super) fn sent(&mut self, count: usize) {
        let mut left = count;
        while let Some(part) = self.parts.front_mut() {
            let there = part.bytes().len() - self.sent;
            if left < there {
                self.sent += left;
                return;
            }
            left -= there;
            self.sent = 0;
            match part {
                Part::Burst(burst) => {
                    burst.made.clear();
                    if !burst.is_over() {
                        return;
                    }
                }
                kept => self.held -= kept.bytes().len(),
            }
            self.parts.pop_front();
            if left == 0 {
                return;
            }
        }
    }

    /// Bytes of memory that the messages take.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Messages with a sequence number, and bytes that count up from it.
#[derive(Debug)]
struct Burst {
    token: i32,
    count: i32,
    size: i32,
    /// The message under way.
    sequence: i32,
    /// How many bytes of its value are made; `None` before its header is.
    position: Option<i32>,
    made: Vec<u8>,
}

impl Burst {
    fn new(token: i32, count: i32, size: i32) -> Self {
        Self { token, count, size, sequence: 0, position: None, made: Vec::new() }
    }

    fn is_over(&self) -> bool {
        self.sequence == self.count
    }

    /// Makes more if nothing is made that is not sent.
    fn make_some(&mut self) {
        if self.made.is_empty() {
            while self.made.len() < MADE && !self.is_over() {
                self.make();
            }
        }
    }

    /// Makes a header or a piece of a value.
    fn make(&mut self) {
        let Some(position) = self.position else {
            let mut writer = Writer::onto(std::mem::take(&mut self.made));
            // Token, status and sequence number take 9 bytes.
            writer.int32(9 + self.size);
            writer.int32(BURST.0);
            writer.int32(self.token);
            writer.byte(super::machine::DONE);
            writer.int32(self.sequence);
            self.made = writer.into_bytes();
            self.position = Some(0);
            return;
        };
        let room = i32::try_from(MADE - self.made.len().min(MADE)).unwrap_or(i32::MAX);
        let end = position + room.min(self.size - position);
        self.made.extend((position..end).map(|index| {
            let [low, ..] = self.sequence.wrapping_add(index).to_le_bytes();
            low
        }));
        self.position = Some(end);
        if end == self.size {
            self.sequence += 1;
            self.position = None;
        }
    }
}
