//! An agent's settings, bytes that clients send, and a client without a socket.

use std::sync::Arc;
use std::time::Duration;

use iaspec_reference::agent::core::{
    Connection, End, Forwarded, Opening, Policy, RefusedUpdate, Request, RequiredEncryption, RootPaths,
    Sessions, Update, Versions,
};
use iaspec_reference::protocol::ServerVersion;
use proptest::prelude::*;
use proptest::sample::Index;

pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);
pub(crate) const LIMIT: usize = 1000;

/// The protocol ID, 1000, 2000.
pub(crate) const OFFER_BOTH: &str = "4ed2eb6c f74a134a b9af81d3 dfc644be e8030000 d0070000";
/// The protocol ID, 1000, session 0.
pub(crate) const V1_NEW_SESSION: &str = "4ed2eb6c f74a134a b9af81d3 dfc644be e8030000 00000000";

/// No encryption, 2000, server version 51.
pub(crate) const PICKED_2000: &str = "00 d0070000 33000000";
/// No encryption, session 1, server version 51.
pub(crate) const SESSION_1: &str = "00 01000000 33000000";

/// The answers to Get Agent Root Path: 3 bytes of data, command 3, a string of 2 bytes.
pub(crate) const OTTER_ROOT: &str = "03000000 03000000 02 2f6f";
pub(crate) const BUILDMASTER_ROOT: &str = "03000000 03000000 02 2f62";
pub(crate) const HEDGEHOG_ROOT: &str = "03000000 03000000 02 2f68";

/// Otter, one assembly `a.dll` of 00 ff, no extensions, in a frame of v2.
pub(crate) const UPDATE_V2: &str =
    "1d000000 02000000 01 01000000 05612e646c6c 00008c1daec9d508 02000000 00ff 00000000";

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex.replace(char::is_whitespace, "")).unwrap()
}

pub(crate) fn policy(versions: Versions) -> Arc<Policy> {
    encrypted(versions, RequiredEncryption::None)
}

pub(crate) fn encrypted(versions: Versions, encryption: RequiredEncryption) -> Arc<Policy> {
    Arc::new(Policy {
        versions,
        server_version: ServerVersion::Number(51),
        encryption,
        handshake_timeout: TIMEOUT,
        max_message: LIMIT,
        roots: RootPaths { otter: "/o".into(), buildmaster: "/b".into(), hedgehog: "/h".into() },
    })
}

/// A connection and what surrounds it: requests are met at once, output is taken as it comes.
pub(crate) struct Client {
    pub(crate) connection: Connection,
    pub(crate) received: Vec<u8>,
    pub(crate) updates: Vec<Update>,
    pub(crate) refused: Vec<RefusedUpdate>,
    /// Whether there is a program for hosts.
    pub(crate) serves: bool,
    pub(crate) forwarded: Vec<Forwarded>,
}

impl Client {
    pub(crate) fn new(versions: Versions, now: Duration) -> Self {
        Self::of(policy(versions), now)
    }

    pub(crate) fn of(policy: Arc<Policy>, now: Duration) -> Self {
        let connection = Connection::new(policy, now);
        Self {
            connection,
            received: Vec::new(),
            updates: Vec::new(),
            refused: Vec::new(),
            serves: false,
            forwarded: Vec::new(),
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8], sessions: &mut Sessions, now: Duration) {
        self.connection.handle_input(bytes, now);
        self.settle(sessions, now);
    }

    pub(crate) fn end_input(&mut self, sessions: &mut Sessions, now: Duration) {
        self.connection.handle_end_of_input(now);
        self.settle(sessions, now);
    }

    fn settle(&mut self, sessions: &mut Sessions, now: Duration) {
        loop {
            self.refused.extend(self.connection.take_refusals());
            let count = self.connection.output().len();
            if count > 0 {
                self.received.extend_from_slice(self.connection.output());
                self.connection.handle_sent(count, now);
                continue;
            }
            match self.connection.take_request() {
                Some(Request::Session(wanted)) => self.connection.handle_session(sessions.join(wanted), now),
                Some(Request::Update(update)) => {
                    self.updates.push(update);
                    self.connection.handle_update_over(now);
                }
                Some(Request::Open(product, wanted)) => {
                    let session = self.serves.then(|| match sessions.open(product, wanted, now) {
                        Opening::New(session) | Opening::Found(session) => Some(session),
                        Opening::OfAnotherProduct => None,
                    });
                    self.connection.handle_opened(product, session.flatten(), now);
                }
                Some(Request::Forward(message)) if self.serves => {
                    self.forwarded.push(message);
                    self.connection.handle_forwarded(now);
                }
                Some(Request::Forward(message)) => self.connection.handle_no_host(message.product, now),
                None => return,
            }
        }
    }

    pub(crate) fn end(&self) -> Option<&End> {
        self.connection.end()
    }
}

/// The sessions of an agent that has just started, with the default timeout.
pub(crate) fn no_sessions() -> Sessions {
    Sessions::new(Duration::from_secs(30 * 60))
}

/// All of it in one piece to an agent of these versions.
pub(crate) fn converse(versions: Versions, hex: &str) -> Client {
    converse_with(policy(versions), hex)
}

/// The same to an agent of any policy.
pub(crate) fn converse_with(policy: Arc<Policy>, hex: &str) -> Client {
    let mut client = Client::of(policy, Duration::ZERO);
    client.send(&bytes(hex), &mut no_sessions(), Duration::ZERO);
    client
}

/// A stream cut into pieces, empty ones left out.
pub(crate) fn pieces<'a>(stream: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    places.dedup();
    places.windows(2).map(|place| &stream[place[0]..place[1]]).collect()
}

pub(crate) fn cuts() -> impl Strategy<Value = Vec<Index>> {
    proptest::collection::vec(any::<Index>(), 0..12)
}

/// Everything that shows of a connection once all was sent and its input ended.
pub(crate) fn outcome(policy: Arc<Policy>, pieces: &[&[u8]]) -> (Vec<u8>, Vec<Update>, Option<End>) {
    let mut client = Client::of(policy, Duration::ZERO);
    let mut sessions = no_sessions();
    for piece in pieces {
        client.send(piece, &mut sessions, Duration::ZERO);
    }
    client.end_input(&mut sessions, Duration::ZERO);
    (client.received, client.updates, client.connection.end().cloned())
}
