//! A client without a socket, and bytes that agents send.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use iaspec_reference::client::core::{
    Answer, Connection, Established, Failure, Kind, NoTrust, NoVector, Offer, Operation, OperationId, Terms,
    VectorSource,
};
use iaspec_reference::protocol::{
    AgentType, Command, InitializationVector, OpenSession, ProtocolVersion, ServerVersion, SessionId,
};

pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);
pub(crate) const NOW: Duration = Duration::ZERO;

/// The protocol ID, 1000, 2000.
pub(crate) const OFFER_BOTH: &str = "4ed2eb6c f74a134a b9af81d3 dfc644be e8030000 d0070000";
/// No encryption, 2000, server version 51.
pub(crate) const PICKED_2000: &str = "00 d0070000 33000000";
/// No encryption, session 7, server version 51.
pub(crate) const SESSION_7: &str = "00 07000000 33000000";

/// Get Agent Root Path of Otter, v2: 1 byte of data, command 3, type 1.
pub(crate) const OTTER: &str = "01000000 03000000 01";
/// The answer: 3 bytes of data, command 3, a string of 2 bytes.
pub(crate) const OTTER_ROOT: &str = "03000000 03000000 02 2f6f";
pub(crate) const BUILDMASTER_ROOT: &str = "03000000 03000000 02 2f62";
/// A message that answers nothing: 2 bytes of data, command 200.
pub(crate) const UNSOLICITED: &str = "02000000 c8000000 aabb";

pub(crate) type Outcome = Result<Answer, Failure>;

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex.replace(char::is_whitespace, "")).unwrap()
}

/// 01…01, 02…02 and so on.
#[derive(Debug, Default)]
pub(crate) struct Counted(AtomicU8);

impl VectorSource for Counted {
    fn vector(&self) -> Result<InitializationVector, NoVector> {
        Ok(InitializationVector([self.0.fetch_add(1, Ordering::Relaxed).wrapping_add(1); 16]))
    }
}

pub(crate) fn range(min: i32, max: i32) -> Offer {
    Offer::Versions { min: ProtocolVersion(min), max: ProtocolVersion(max) }
}

pub(crate) fn terms(offer: Offer) -> Terms {
    Terms::new(offer, Arc::new(Counted::default()), Arc::new(NoTrust))
}

pub(crate) fn send(target: AgentType, command: i32, data: &str) -> Operation {
    Operation::Send { target: Ok(target), command: Command(command), data: bytes(data).into() }
}

pub(crate) fn open_session(session: i32) -> Operation {
    Operation::OpenSession(OpenSession { agent_type: AgentType::OTTER, session: SessionId(session) })
}

pub(crate) fn path(path: &str) -> Outcome {
    Ok(Answer::RootPath(path.to_owned()))
}

pub(crate) fn message(command: i32, data: &str) -> Outcome {
    Ok(Answer::Message { command: Command(command), data: Bytes::from(bytes(data)) })
}

pub(crate) fn connected(encryption: i8, speaks: i32, session: Option<i32>) -> Outcome {
    Ok(Answer::Connected(Established {
        encryption,
        speaks: ProtocolVersion(speaks),
        session: session.map(SessionId),
        server_version: ServerVersion::Number(51),
    }))
}

/// A connection whose output is taken as it comes.
pub(crate) struct Client {
    pub(crate) connection: Connection,
    /// What was sent since the last look.
    sent: Vec<u8>,
    /// Whether output is taken at all.
    pub(crate) stuck: bool,
    count: u64,
}

/// What `connect` is called.
pub(crate) const CONNECT: OperationId = OperationId(0);

impl Client {
    pub(crate) fn new(terms: Terms) -> Self {
        let connection = Connection::new(terms, CONNECT, TIMEOUT, NOW);
        let mut client = Self { connection, sent: Vec::new(), stuck: false, count: 0 };
        client.settle(NOW);
        client
    }

    /// One that has had its acknowledgement.
    pub(crate) fn acknowledged(terms: Terms, acknowledgement: &str) -> Self {
        let mut client = Self::new(terms);
        client.sent();
        client.hears(acknowledgement);
        let (id, outcome) = client.connection.take_outcome().expect("an outcome");
        assert!(id == CONNECT && outcome.is_ok(), "{outcome:?}");
        client
    }

    /// One of version 2 in clear.
    pub(crate) fn v2() -> Self {
        Self::acknowledged(terms(range(1000, 2000)), PICKED_2000)
    }

    /// One of version 1 in clear.
    pub(crate) fn v1() -> Self {
        Self::acknowledged(terms(Offer::Session(SessionId(0))), SESSION_7)
    }

    pub(crate) fn hears(&mut self, hex: &str) {
        self.hears_bytes(&bytes(hex), NOW);
    }

    pub(crate) fn hears_bytes(&mut self, bytes: &[u8], now: Duration) {
        self.connection.handle_input(bytes, now);
        self.settle(now);
    }

    pub(crate) fn hears_the_end(&mut self) {
        self.connection.handle_end_of_input(NOW);
        self.settle(NOW);
    }

    pub(crate) fn asks(&mut self, operation: Operation) -> OperationId {
        self.asks_within(operation, TIMEOUT, NOW)
    }

    pub(crate) fn asks_within(
        &mut self,
        operation: Operation,
        timeout: Duration,
        now: Duration,
    ) -> OperationId {
        self.count += 1;
        let id = OperationId(self.count);
        self.connection.perform(id, operation, timeout, now);
        self.settle(now);
        id
    }

    pub(crate) fn settle(&mut self, now: Duration) {
        while !self.stuck && !self.connection.output().is_empty() {
            self.sent.extend_from_slice(self.connection.output());
            self.connection.handle_sent(self.connection.output().len(), now);
        }
        if self.connection.ends_output() {
            self.connection.handle_output_ended();
        }
    }

    /// What was sent since the last look.
    pub(crate) fn sent(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.sent)
    }

    /// What became of operations since the last look.
    pub(crate) fn outcomes(&mut self) -> Vec<(OperationId, Outcome)> {
        std::iter::from_fn(|| self.connection.take_outcome()).collect()
    }

    /// The same by the kinds of failure alone.
    pub(crate) fn kinds(&mut self) -> Vec<(OperationId, Result<(), Kind>)> {
        let outcomes = self.outcomes().into_iter();
        outcomes.map(|(id, outcome)| (id, outcome.map(drop).map_err(|failure| failure.kind))).collect()
    }
}
