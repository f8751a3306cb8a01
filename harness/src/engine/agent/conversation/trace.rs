//! What happened on the connections of a case, kept in case somebody has to read it.

use std::cell::{Cell, RefCell};

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::diaries::DiaryEntry;
use crate::engine::Conversations;
use crate::event::{Exchange, Happening};
use crate::hex_text::{self, Stretch, each_piece};

/// How much of a conversation is kept.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// The bytes of one exchange: the first ones.
    bytes: usize,
    /// The exchanges: the last ones.
    exchanges: usize,
    /// The bytes of what is told or answered: the first ones.
    text: usize,
    /// Whether the rest of the bytes is told by a checksum.
    checksums: bool,
}

impl From<Conversations> for Bounds {
    fn from(conversations: Conversations) -> Self {
        match conversations {
            Conversations::Failed => Self { bytes: 32, exchanges: 64, text: 160, checksums: false },
            Conversations::All => Self { bytes: 512, exchanges: 4096, text: 1024, checksums: true },
        }
    }
}

/// The record of a case: its last exchanges.
#[derive(Debug)]
pub(super) struct Trace {
    bounds: Bounds,
    started: Instant,
    /// The same moment by the clock that other processes have, too.
    began: SystemTime,
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
    crc32: Option<u32>,
    text: String,
}

impl Trace {
    pub(super) fn new(conversations: Conversations) -> Self {
        let bounds = Bounds::from(conversations);
        let (started, began) = (Instant::now(), SystemTime::now());
        Self { bounds, started, began, kept: RefCell::default(), next: Cell::new(0) }
    }

    /// Notes something without bytes.
    pub(super) fn note(&self, connection: &str, what: Happening) {
        self.note_at(connection, what, Instant::now());
    }

    /// Notes that a connection ended at a time: behind the bytes that came over it, which the case may have looked
    /// at later only.
    pub(super) fn note_end(&self, connection: &str, what: Happening, when: Instant) {
        let came = |noted: &&Noted| {
            noted.connection == connection && matches!(noted.what, Happening::Received | Happening::Unread)
        };
        let last = self.kept.borrow().iter().filter(came).map(|noted| noted.when).max();
        self.note_at(connection, what, last.map_or(when, |last| last.max(when)));
    }

    fn note_at(&self, connection: &str, what: Happening, when: Instant) {
        self.note_text(connection, what, "", when);
    }

    /// Notes what a host tells that it received or sent, unless that was before the case.
    pub(super) fn note_host(&self, host: &str, entry: &DiaryEntry) {
        let began = self.began.duration_since(UNIX_EPOCH).unwrap_or_default();
        let Some(since) = Duration::from_micros(entry.micros).checked_sub(began) else { return };
        let (when, connection) = (self.started + since, host.to_owned());
        let (bytes, count, text) = (entry.bytes.clone(), entry.count, String::new());
        self.keep(Noted { when, connection, what: entry.what, count, bytes, crc32: None, text });
    }

    /// Notes what was told or answered.
    pub(super) fn note_text(&self, connection: &str, what: Happening, text: &str, when: Instant) {
        let (connection, bytes) = (connection.to_owned(), Vec::new());
        let mut end = text.len().min(self.bounds.text);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let more = if end < text.len() { "…" } else { "" };
        let text = format!("{}{more}", &text[..end]);
        self.keep(Noted { when, connection, what, count: 0, bytes, crc32: None, text });
    }

    /// Notes bytes that the case takes, or that it did not get to, as of now: so the order is that of the case.
    pub(super) fn note_came(&self, connection: &str, what: Happening, bytes: &[u8]) {
        let (connection, count) = (connection.to_owned(), bytes.len());
        let crc32 = self.tells_checksum(count).then(|| crc32fast::hash(bytes));
        let bytes = bytes[..count.min(self.bounds.bytes)].to_vec();
        let (when, text) = (Instant::now(), String::new());
        self.keep(Noted { when, connection, what, count, bytes, crc32, text });
    }

    /// Notes the first bytes of some stretches as sent.
    pub(super) fn note_sent(&self, connection: &str, stretches: &[Stretch], count: usize) {
        let most = self.bounds.bytes.min(count);
        let mut bytes = Vec::with_capacity(most);
        for stretch in stretches {
            let room = most - bytes.len();
            match stretch {
                Stretch::Bytes(some) => bytes.extend_from_slice(&some[..room.min(some.len())]),
                Stretch::Repeated { byte, count } => bytes.resize(bytes.len() + room.min(*count), *byte),
            }
        }
        let crc32 = self.tells_checksum(count).then(|| checksum(stretches, count));
        let (when, connection, text) = (Instant::now(), connection.to_owned(), String::new());
        self.keep(Noted { when, connection, what: Happening::Sent, count, bytes, crc32, text });
    }

    fn tells_checksum(&self, count: usize) -> bool {
        self.bounds.checksums && count > self.bounds.bytes
    }

    fn keep(&self, noted: Noted) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() < self.bounds.exchanges {
            kept.push(noted);
        } else {
            let place = self.next.get();
            kept[place] = noted;
            self.next.set((place + 1) % self.bounds.exchanges);
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
            crc32: self.crc32,
            text: self.text.clone(),
        }
    }
}

/// The CRC-32 of the first bytes of some stretches.
fn checksum(stretches: &[Stretch], count: usize) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    each_piece(stretches, count, |piece| hasher.update(piece));
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_exchanges_are_kept_in_order() {
        let trace = Trace::new(Conversations::Failed);
        for number in 0..100_u8 {
            trace.note_came("a", Happening::Received, &[number; 40]);
        }
        let exchanges = trace.exchanges();
        assert_eq!(exchanges.len(), 64);
        assert_eq!(exchanges[0].crc32, None);
        assert_eq!((exchanges[0].count, exchanges[0].bytes.as_str()), (40, "24".repeat(32).as_str()));
        assert_eq!(exchanges[63].bytes, "63".repeat(32));
        assert!(exchanges.is_sorted_by_key(|exchange| exchange.micros));
    }

    #[test]
    fn an_end_stands_where_it_happened_but_behind_the_bytes_before_it() {
        let trace = Trace::new(Conversations::Failed);
        trace.note("b", Happening::Connected);
        let early = Instant::now();
        trace.note_came("a", Happening::Received, &[1]);
        trace.note_end("a", Happening::ClosedBySubject, early);
        trace.note_end("b", Happening::ResetBySubject, early);
        let order: Vec<_> = trace.exchanges().into_iter().map(|told| (told.connection, told.what)).collect();
        let expected = [
            ("b", Happening::Connected),
            ("b", Happening::ResetBySubject),
            ("a", Happening::Received),
            ("a", Happening::ClosedBySubject),
        ];
        assert_eq!(order, expected.map(|(name, what)| (name.to_owned(), what)));
    }

    #[test]
    fn of_what_was_sent_the_beginning_is_kept() {
        let trace = Trace::new(Conversations::Failed);
        let stretches = [Stretch::Bytes(vec![1, 2]), Stretch::Repeated { byte: 7, count: 100_000 }];
        trace.note_sent("a", &stretches, 3);
        trace.note_sent("a", &stretches, 100_002);
        let bytes: Vec<String> = trace.exchanges().into_iter().map(|exchange| exchange.bytes).collect();
        assert_eq!(bytes, ["010207".to_owned(), format!("0102{}", "07".repeat(30))]);
    }

    #[test]
    fn where_all_is_told_long_bytes_have_a_checksum() {
        let trace = Trace::new(Conversations::All);
        // The check value of CRC-32 is that of the digits 1 to 9.
        let digits = [Stretch::Bytes(b"123456789".to_vec())];
        trace.note_sent("a", &digits, 9);
        trace.note_sent("a", &[Stretch::Repeated { byte: 0, count: 1_000_000 }], 4 << 10);
        trace.note_came("a", Happening::Received, &[0; 4 << 10]);
        let exchanges = trace.exchanges();
        assert_eq!((exchanges[0].bytes.as_str(), exchanges[0].crc32), ("313233343536373839", None));
        // The CRC-32 of 4096 zero bytes.
        let seen: Vec<_> =
            exchanges[1..].iter().map(|told| (told.count, told.bytes.len(), told.crc32)).collect();
        assert_eq!(seen, [(4096, 1024, Some(0xc71c_0011)); 2]);
        assert_eq!(checksum(&digits, 9), 0xcbf4_3926);
    }
}
