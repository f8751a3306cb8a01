//! What a case knows of one of its connections.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::Instant;

use super::super::connection::Connection;
use super::fence::GET_ROOT_PATH;
use crate::hex_text::{Stretch, each_piece};

/// The bytes of a handshake (HS-1): protocol ID, two numbers.
const HANDSHAKE: usize = 24;

/// When a step ended: just before and just after what the harness did, or twice the time at which something came.
/// The command of Open Session (RTE-2).
const OPEN_SESSION: i32 = 1;

#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// From here lower bounds count.
    pub(super) before: Instant,
    /// From here upper bounds count.
    pub(super) after: Instant,
}

impl Moment {
    pub(super) fn at(when: Instant) -> Self {
        Self { before: when, after: when }
    }
}

/// What the harness can still do with a connection at the end of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No acknowledgement was seen yet.
    Handshake,
    /// Messages go both ways.
    Open,
    /// The harness sends no more.
    HalfClosed,
    /// It ended, or was ended.
    Ended,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Talk {
    /// From where it was made, where that is not left to the system.
    pub(super) from: Option<IpAddr>,
    connection: RefCell<Option<Rc<Connection>>>,
    /// The end of the last step.
    pub(super) last: Cell<Moment>,
    /// How far it has come.
    pub(super) phase: Cell<Phase>,
    /// Whether its end stands in the record of the case.
    pub(super) end_told: Cell<bool>,
    /// The version spoken, once the acknowledgement tells.
    pub(super) version: Cell<Option<i32>>,
    /// The session that it was bound to by Open Session (RTE-2).
    pub(super) session: Cell<Option<i32>>,
    /// Whether the client was told to speak the oldest version: then the number of an acknowledgement is a session (HS-6).
    pub(super) speaks_oldest: Cell<bool>,
    /// How many requests of the client the harness has not answered.
    pub(super) unanswered: Cell<usize>,
    /// Whether a message answers a request whatever its command is.
    pub(super) any_answers: Cell<bool>,
    sent: RefCell<SentSoFar>,
}

/// What was sent: the handshake, by whomever, and how much of a message of the harness is under way.
#[derive(Debug, Default)]
struct SentSoFar {
    handshake: Vec<u8>,
    /// The beginning of a message whose header is not complete.
    header: Vec<u8>,
    /// The command of the last message.
    command: i32,
    /// Data bytes that still belong to the last message.
    owed: usize,
    /// Bytes after which nobody can tell where a message begins.
    lost: bool,
}

impl SentSoFar {
    /// Takes in bytes; gives the commands of the messages that they bring to an end.
    fn take(&mut self, mut bytes: &[u8], header: usize) -> Vec<i32> {
        let room = HANDSHAKE.saturating_sub(self.handshake.len()).min(bytes.len());
        self.handshake.extend_from_slice(&bytes[..room]);
        bytes = &bytes[room..];
        let mut ended = Vec::new();
        while !bytes.is_empty() && !self.lost {
            let missing = if self.owed > 0 { self.owed } else { header - self.header.len() };
            let (part, rest) = bytes.split_at(missing.min(bytes.len()));
            bytes = rest;
            if self.owed > 0 {
                self.owed -= part.len();
            } else {
                self.header.extend_from_slice(part);
                if part.len() < missing {
                    break;
                }
                self.begin_message();
            }
            if self.owed == 0 && !self.lost {
                ended.push(self.command);
            }
        }
        ended
    }

    /// Takes a header that is complete: the length stands first, the command last.
    fn begin_message(&mut self) {
        let length = self.header.first_chunk().map_or(0, |bytes| i32::from_le_bytes(*bytes));
        self.command = self.header.last_chunk().map_or(0, |bytes| i32::from_le_bytes(*bytes));
        self.header.clear();
        match usize::try_from(length) {
            Ok(length) => self.owed = length,
            Err(_) => self.lost = true,
        }
    }
}

/// A state of a connection to come back to.
#[derive(Debug)]
pub(super) struct Snapshot {
    talk: Rc<Talk>,
    taken: Option<usize>,
    last: Moment,
    phase: Phase,
    version: Option<i32>,
}

impl Talk {
    /// Connects.
    ///
    /// # Errors
    ///
    /// As of [`Connection::open`].
    pub(super) async fn open(
        to: SocketAddr,
        from: Option<IpAddr>,
        within: Duration,
    ) -> std::io::Result<Rc<Self>> {
        let before = Instant::now();
        let connection = Connection::open(to, from, within).await?;
        Ok(Self::over(connection, from, Moment { before, after: Instant::now() }))
    }

    /// Takes the connection that a client makes.
    ///
    /// # Errors
    ///
    /// As of [`Connection::accept`].
    pub(super) async fn accept(listener: &TcpListener, deadline: Instant) -> std::io::Result<Rc<Self>> {
        let connection = Connection::accept(listener, deadline).await?;
        Ok(Self::over(connection, None, Moment::at(Instant::now())))
    }

    /// Takes the rings of a host that has attached: there is no handshake.
    pub(super) fn with_host(connection: Connection) -> Rc<Self> {
        let talk = Self::over(connection, None, Moment::at(Instant::now()));
        talk.phase.set(Phase::Open);
        talk.sent.borrow_mut().handshake = vec![0; HANDSHAKE];
        talk
    }

    fn over(connection: Connection, from: Option<IpAddr>, last: Moment) -> Rc<Self> {
        Rc::new(Self {
            from,
            connection: RefCell::new(Some(Rc::new(connection))),
            last: Cell::new(last),
            phase: Cell::new(Phase::Handshake),
            end_told: Cell::new(false),
            version: Cell::new(None),
            session: Cell::new(None),
            speaks_oldest: Cell::new(false),
            unanswered: Cell::new(0),
            any_answers: Cell::new(false),
            sent: RefCell::default(),
        })
    }

    /// The connection, unless the harness ended it.
    pub(super) fn connection(&self) -> Option<Rc<Connection>> {
        self.connection.borrow().clone()
    }

    /// Takes the connection, to end it.
    pub(super) fn take(&self) -> Option<Rc<Connection>> {
        self.phase.set(Phase::Ended);
        self.connection.borrow_mut().take()
    }

    /// Notes the first bytes of some stretches as sent. `header` is the size of what stands before the data of a
    /// message.
    pub(super) fn note_all_sent(&self, stretches: &[Stretch], count: usize, header: usize) {
        each_piece(stretches, count, |piece| self.note_sent(piece, header));
    }

    /// Notes the bytes of the handshake that came from a client.
    pub(super) fn note_handshake(&self, bytes: &[u8]) {
        let mut sent = self.sent.borrow_mut();
        let room = HANDSHAKE.saturating_sub(sent.handshake.len()).min(bytes.len());
        sent.handshake.extend_from_slice(&bytes[..room]);
    }

    /// Notes what was sent. `header` is the size of what stands before the data of a message.
    fn note_sent(&self, bytes: &[u8], header: usize) {
        let commands = self.sent.borrow_mut().take(bytes, header);
        commands.into_iter().for_each(|command| self.note_answer(command));
    }

    /// Notes that a message was sent to its end: it answers a request if one with its command is open.
    fn note_answer(&self, command: i32) {
        if command == GET_ROOT_PATH || self.any_answers.get() {
            self.unanswered.set(self.unanswered.get().saturating_sub(1));
        }
    }

    /// Notes that bytes were sent of which nobody can tell where a message begins.
    pub(super) fn note_raw(&self) {
        self.sent.borrow_mut().lost = true;
    }

    /// Whether the next byte sent would begin a message.
    pub(super) fn is_between_messages(&self) -> bool {
        let sent = self.sent.borrow();
        sent.handshake.len() == HANDSHAKE && sent.header.is_empty() && sent.owed == 0 && !sent.lost
    }

    /// Notes a message that an agent sent, where it answers Open Session: int32 length, int32 command 1, int32 session.
    pub(super) fn note_opened(&self, message: &[u8], oldest_version: i32) {
        let number = |at: usize| message.get(at..at + 4)?.try_into().ok().map(i32::from_le_bytes);
        let speaks_newer = self.version.get().is_some_and(|version| version > oldest_version);
        if speaks_newer && self.session.get().is_none() && number(4) == Some(OPEN_SESSION) {
            self.session.set(number(8).filter(|session| *session != 0));
        }
    }

    /// Whether requests and answers can go both ways, as far as the harness knows from what it did itself.
    pub(super) fn takes_requests(&self) -> bool {
        self.phase.get() == Phase::Open && self.is_between_messages()
    }

    /// The same where the subject has not ended it either.
    pub(super) fn is_open(&self) -> bool {
        let connection = self.connection();
        self.takes_requests() && connection.is_some_and(|connection| connection.inbox().end().is_none())
    }

    /// The handshake as it was sent.
    pub(super) fn handshake(&self) -> Vec<u8> {
        self.sent.borrow().handshake.clone()
    }

    /// The two numbers of the handshake, once it was sent whole.
    pub(super) fn offered(&self) -> Option<(i32, i32)> {
        self.offered_with(&[])
    }

    /// The two numbers of the handshake, once some bytes more are sent.
    pub(super) fn offered_with(&self, more: &[u8]) -> Option<(i32, i32)> {
        let mut handshake = self.sent.borrow().handshake.clone();
        handshake.extend_from_slice(&more[..more.len().min(HANDSHAKE - handshake.len())]);
        let number = |at: usize| handshake.get(at..at + 4)?.try_into().ok().map(i32::from_le_bytes);
        Some((number(16)?, number(20)?))
    }

    /// Takes note of the number in an acknowledgement: the version that is spoken from now on. A number that is no
    /// version of the range offered is the session of v1 (NEG-6).
    pub(super) fn acknowledged(&self, value: i32, oldest: i32) {
        let in_range = self.offered().is_some_and(|(min, max)| (min..=max).contains(&value));
        let is_version = value >= oldest && in_range && !self.speaks_oldest.get();
        self.version.set(Some(if is_version { value } else { oldest }));
        if self.phase.get() == Phase::Handshake {
            self.phase.set(Phase::Open);
        }
    }

    /// A state to come back to.
    pub(super) fn snapshot(self: &Rc<Self>) -> Snapshot {
        Snapshot {
            taken: self.connection().map(|connection| connection.inbox().mark()),
            last: self.last.get(),
            phase: self.phase.get(),
            version: self.version.get(),
            talk: Rc::clone(self),
        }
    }
}

impl Snapshot {
    /// Goes back to it.
    pub(super) fn restore(&self) {
        if let (Some(connection), Some(taken)) = (self.talk.connection(), self.taken) {
            connection.inbox().go_back(taken);
        }
        self.talk.last.set(self.last);
        self.talk.phase.set(self.phase);
        self.talk.version.set(self.version);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(hex: &str, pieces: usize, header: usize) -> (Vec<i32>, bool) {
        let mut sent = SentSoFar { handshake: vec![0; HANDSHAKE], ..SentSoFar::default() };
        let bytes = crate::hex_text::parse(hex).unwrap();
        let commands = bytes.chunks(pieces).flat_map(|piece| sent.take(piece, header)).collect();
        (commands, sent.header.is_empty() && sent.owed == 0 && !sent.lost)
    }

    #[test]
    fn messages_that_were_sent_are_counted_however_they_were_cut() {
        let three = "01000000 03000000 01 00000000 c8000000 02000000 03000000 0102";
        for pieces in 1..30 {
            assert_eq!(sent(three, pieces, 8), (vec![3, 200, 3], true), "{pieces}");
        }
        assert_eq!(sent("01000000 00 03000000 01", 4, 9), (vec![3], true), "of a v1 client");
    }

    #[test]
    fn what_was_not_sent_whole_is_no_message() {
        assert_eq!(sent("01000000 03000000", 3, 8), (vec![], false));
        assert_eq!(sent("01000000 03000000 01 0200", 3, 8), (vec![3], false));
        assert_eq!(sent("ffffffff 03000000 01", 5, 8), (vec![], false), "nobody can tell where it ends");
    }
}
