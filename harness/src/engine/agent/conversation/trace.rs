//! What happened on the connections of a case, kept in case somebody has to read it.

use std::cell::{Cell, RefCell};

use tokio::time::Instant;

use crate::event::{Exchange, Happening};
use crate::hex_text::{self, Stretch};

/// How many of the bytes of one exchange are kept.
const KEPT_BYTES: usize = 32;

/// How many exchanges are kept: the last ones.
const KEPT_EXCHANGES: usize = 64;

/// The record of a case: its last exchanges.
#[derive(Debug)]
pub(super) struct Trace {
    started: Instant,
    /// A ring; `next` is the place of the oldest once it is full.
    kept: RefCell<Vec<Noted>>,
    next: Cell<usize>,
}

/// An exchange before anybody wants to read it.
#[derive(Debug)]
struct Noted {
    when: Instant,
    connection: String,
    what: Happening,
    count: usize,
    bytes: Vec<u8>,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), kept: RefCell::default(), next: Cell::new(0) }
    }

    /// Notes something without bytes.
    pub(super) fn note(&self, connection: &str, what: Happening) {
        self.note_at(connection, what, Instant::now());
    }

    /// Notes something without bytes that happened at a time.
    pub(super) fn note_at(&self, connection: &str, what: Happening, when: Instant) {
        let (connection, bytes) = (connection.to_owned(), Vec::new());
        self.keep(Noted { when, connection, what, count: 0, bytes });
    }

    /// Notes bytes that were received, or that wait to be read, as of when they came.
    pub(super) fn note_came(&self, connection: &str, what: Happening, bytes: &[u8], when: Option<Instant>) {
        let (connection, count) = (connection.to_owned(), bytes.len());
        let bytes = bytes[..count.min(KEPT_BYTES)].to_vec();
        self.keep(Noted { when: when.unwrap_or_else(Instant::now), connection, what, count, bytes });
    }

    /// Notes the first bytes of some stretches as sent.
    pub(super) fn note_sent(&self, connection: &str, stretches: &[Stretch], count: usize) {
        let mut bytes = Vec::with_capacity(KEPT_BYTES);
        for stretch in stretches {
            let room = KEPT_BYTES.min(count) - bytes.len();
            match stretch {
                Stretch::Bytes(some) => bytes.extend_from_slice(&some[..room.min(some.len())]),
                Stretch::Repeated { byte, count } => bytes.resize(bytes.len() + room.min(*count), *byte),
            }
        }
        let (when, connection) = (Instant::now(), connection.to_owned());
        self.keep(Noted { when, connection, what: Happening::Sent, count, bytes });
    }

    fn keep(&self, noted: Noted) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() < KEPT_EXCHANGES {
            kept.push(noted);
        } else {
            let place = self.next.get();
            kept[place] = noted;
            self.next.set((place + 1) % KEPT_EXCHANGES);
        }
    }

    /// The exchanges in the order in which they happened.
    pub(super) fn exchanges(&self) -> Vec<Exchange> {
        let kept = self.kept.borrow();
        let (later, earlier) = kept.split_at(self.next.get());
        let mut all: Vec<&Noted> = earlier.iter().chain(later).collect();
        // What was noticed late stands where it happened.
        all.sort_by_key(|noted| noted.when);
        all.into_iter().map(|noted| noted.exchange(self.started)).collect()
    }
}

impl Noted {
    fn exchange(&self, started: Instant) -> Exchange {
        let micros = self.when.saturating_duration_since(started).as_micros();
        Exchange {
            micros: u64::try_from(micros).unwrap_or(u64::MAX),
            connection: self.connection.clone(),
            what: self.what,
            count: self.count,
            bytes: hex_text::encode(&self.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_exchanges_are_kept_in_order() {
        let trace = Trace::new();
        for number in 0..100_u8 {
            trace.note_came("a", Happening::Received, &[number; 40], None);
        }
        let exchanges = trace.exchanges();
        assert_eq!(exchanges.len(), KEPT_EXCHANGES);
        assert_eq!((exchanges[0].count, exchanges[0].bytes.as_str()), (40, "24".repeat(32).as_str()));
        assert_eq!(exchanges[63].bytes, "63".repeat(32));
        assert!(exchanges.is_sorted_by_key(|exchange| exchange.micros));
    }

    #[test]
    fn of_what_was_sent_the_beginning_is_kept() {
        let trace = Trace::new();
        let stretches = [Stretch::Bytes(vec![1, 2]), Stretch::Repeated { byte: 7, count: 100_000 }];
        trace.note_sent("a", &stretches, 3);
        trace.note_sent("a", &stretches, 100_002);
        let bytes: Vec<String> = trace.exchanges().into_iter().map(|exchange| exchange.bytes).collect();
        assert_eq!(bytes, ["010207".to_owned(), format!("0102{}", "07".repeat(30))]);
    }
}
