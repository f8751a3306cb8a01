//! Which sessions there are, who is in them, and how long they last without anybody.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::negotiation::FIRST_VERSION_LIKE;
use super::policy::Product;
use crate::protocol::SessionId;

/// The sessions of an agent, by ID: of v1, which connections are part of from their handshake on and which may have a host
/// for each product (RTE-12), and of v2, which belong to one product and are opened by a message (RTE-2).
///
/// A new session gets an ID that no other has, and none of 1000 or above, which a client of ranges would take for a
/// protocol version (NEG-6). A session is gone when it has neither connections nor hosts; its hosts are ended when it has
/// had no client for its timeout (SES-2).
///
/// ```
/// use std::time::Duration;
///
/// use iaspec_reference::agent::core::{Opening, Product, Sessions};
/// use iaspec_reference::protocol::SessionId;
///
/// let mut sessions = Sessions::new(Duration::from_secs(30 * 60));
/// assert_eq!(sessions.join(SessionId(1)), SessionId(1));
/// let now = Duration::from_secs(5);
/// assert_eq!(sessions.open(Product::Otter, SessionId(0), now), Opening::New(SessionId(2)));
/// ```
#[derive(Debug)]
pub struct Sessions {
    sessions: HashMap<i32, Session>,
    newest: i32,
    timeout: Duration,
}

/// What a client gets that asks for a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Opening {
    /// A place in this session, whose host is to be started.
    New(SessionId),
    /// A place in this session, which is there already.
    Found(SessionId),
    /// Nothing: the session of that ID is another product's (RTE-2).
    OfAnotherProduct,
}

#[derive(Debug)]
struct Session {
    kind: Kind,
    /// Connections that are part of it, clients or not.
    connections: usize,
    /// Those that count as clients (RTE-4).
    clients: usize,
    /// Products whose hosts run, or are being started.
    hosts: BTreeSet<Product>,
    /// Since when it has had no client.
    idle_since: Duration,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    V1,
    V2(Product),
}

impl Sessions {
    /// No sessions; those to come last that long without a client.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self { sessions: HashMap::new(), newest: 0, timeout }
    }

    /// Makes a v1 connection part of the session wanted, or of a new one if that is 0 or a session of v2, and tells its ID
    /// (SES-1).
    pub fn join(&mut self, wanted: SessionId) -> SessionId {
        let taken = self.sessions.get(&wanted.0).is_some_and(|session| session.kind != Kind::V1);
        let id = if wanted.0 == 0 || taken { self.new_id() } else { wanted.0 };
        self.add_connection(id, Kind::V1)
    }

    /// Makes a v2 connection part of a product's session: the one wanted, or a new one with a host if there is none with that
    /// ID whose host lives (RTE-2, RTE-8).
    pub fn open(&mut self, product: Product, wanted: SessionId, now: Duration) -> Opening {
        let found = self.sessions.get(&wanted.0).filter(|session| !session.hosts.is_empty());
        match found.map(|session| session.kind) {
            Some(Kind::V2(found)) if found != product => Opening::OfAnotherProduct,
            Some(Kind::V2(_)) => Opening::Found(self.add_connection(wanted.0, Kind::V2(product))),
            Some(Kind::V1) | None => {
                let id = self.new_id();
                let session = self.add_connection(id, Kind::V2(product));
                self.add_host(session, product, now);
                Opening::New(session)
            }
        }
    }

    fn add_connection(&mut self, id: i32, kind: Kind) -> SessionId {
        let session = self.sessions.entry(id).or_insert_with(|| Session {
            kind,
            connections: 0,
            clients: 0,
            hosts: BTreeSet::new(),
            idle_since: Duration::ZERO,
        });
        session.connections += 1;
        SessionId(id)
    }

    /// A connection is part of a session no more. `as_client` says whether it [counted](Self::enter) as a client.
    pub fn leave(&mut self, session: SessionId, as_client: bool, now: Duration) {
        if let Some(entry) = self.sessions.get_mut(&session.0) {
            entry.connections -= 1;
            if as_client {
                entry.clients -= 1;
                entry.idle_since = now;
            }
        }
        self.drop_if_empty(session);
    }

    /// A connection that is part of a session counts as a client from now on (RTE-4).
    pub fn enter(&mut self, session: SessionId) {
        if let Some(entry) = self.sessions.get_mut(&session.0) {
            entry.clients += 1;
        }
    }

    /// A product's host in a session runs, or is being started.
    pub fn add_host(&mut self, session: SessionId, product: Product, now: Duration) {
        if let Some(entry) = self.sessions.get_mut(&session.0)
            && entry.hosts.insert(product)
            && entry.clients == 0
        {
            entry.idle_since = now;
        }
    }

    /// A product's host in a session is gone, or could not be started.
    pub fn remove_host(&mut self, session: SessionId, product: Product) {
        if let Some(entry) = self.sessions.get_mut(&session.0) {
            entry.hosts.remove(&product);
        }
        self.drop_if_empty(session);
    }

    /// Whether a session of that ID is there.
    #[must_use]
    pub fn exists(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session.0)
    }

    /// When the next session will have been without a client for too long, as things are.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.sessions.values().filter_map(|session| session.deadline(self.timeout)).min()
    }

    /// Takes away the hosts of sessions that have been without a client for too long; they are to be ended.
    pub fn take_expired(&mut self, now: Duration) -> Vec<(SessionId, Product)> {
        let mut expired = Vec::new();
        for (id, session) in &mut self.sessions {
            if session.deadline(self.timeout).is_some_and(|deadline| deadline <= now) {
                let hosts = std::mem::take(&mut session.hosts);
                expired.extend(hosts.into_iter().map(|product| (SessionId(*id), product)));
            }
        }
        self.sessions.retain(|_, session| !session.is_empty());
        expired
    }

    fn drop_if_empty(&mut self, session: SessionId) {
        if self.sessions.get(&session.0).is_some_and(Session::is_empty) {
            self.sessions.remove(&session.0);
        }
    }

    /// The next free ID from 1 to 999, in a circle so that an ID is not given again soon; should all be taken,
    /// a negative one.
    fn new_id(&mut self) -> i32 {
        const COUNT: i32 = FIRST_VERSION_LIKE - 1;
        let free = |id: &i32| !self.sessions.contains_key(id);
        let next = (0..COUNT).map(|step| (self.newest + step) % COUNT + 1).find(free);
        if let Some(id) = next {
            self.newest = id;
            return id;
        }
        // There are more IDs than connections could ever be open, so one is free.
        (i32::MIN..0).rev().find(free).unwrap_or(i32::MIN)
    }
}

impl Session {
    fn is_empty(&self) -> bool {
        self.connections == 0 && self.hosts.is_empty()
    }

    fn deadline(&self, timeout: Duration) -> Option<Duration> {
        (self.clients == 0 && !self.hosts.is_empty()).then(|| self.idle_since.saturating_add(timeout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30 * 60);

    fn at(minutes: u64) -> Duration {
        Duration::from_secs(60 * minutes)
    }

    fn sessions() -> Sessions {
        Sessions::new(TIMEOUT)
    }

    #[test]
    fn new_sessions_go_round_and_skip_those_in_use() {
        let mut sessions = sessions();
        assert_eq!(sessions.join(SessionId(2)), SessionId(2));
        assert_eq!(sessions.join(SessionId(0)), SessionId(1));
        assert_eq!(sessions.join(SessionId(0)), SessionId(3));
        sessions.leave(SessionId(1), false, at(0));
        assert_eq!(sessions.join(SessionId(0)), SessionId(4));
    }

    #[test]
    fn a_session_without_hosts_lasts_as_long_as_its_last_connection() {
        let mut sessions = sessions();
        sessions.join(SessionId(1));
        sessions.join(SessionId(1));
        sessions.leave(SessionId(1), false, at(0));
        assert_eq!(sessions.join(SessionId(0)), SessionId(2));
        sessions.leave(SessionId(1), false, at(0));
        sessions.newest = 0;
        assert_eq!(sessions.join(SessionId(0)), SessionId(1));
    }

    #[test]
    fn no_new_session_looks_like_a_version_however_many_there_are() {
        let mut sessions = sessions();
        let ids: Vec<i32> = (0..1002).map(|_| sessions.join(SessionId(0)).0).collect();
        assert_eq!(ids[..999], (1..=999).collect::<Vec<i32>>());
        assert_eq!(ids[999..], [-1, -2, -3]);
        sessions.leave(SessionId(500), false, at(0));
        assert_eq!(sessions.join(SessionId(0)), SessionId(500));
    }

    #[test]
    fn a_session_that_is_opened_is_found_again_by_its_product_alone() {
        let mut sessions = sessions();
        assert_eq!(sessions.open(Product::Otter, SessionId(0), at(0)), Opening::New(SessionId(1)));
        assert_eq!(sessions.open(Product::Otter, SessionId(1), at(0)), Opening::Found(SessionId(1)));
        assert_eq!(sessions.open(Product::Hedgehog, SessionId(1), at(0)), Opening::OfAnotherProduct);
        assert_eq!(sessions.open(Product::Otter, SessionId(77), at(0)), Opening::New(SessionId(2)));
    }

    #[test]
    fn sessions_of_the_two_versions_have_different_ids() {
        let mut sessions = sessions();
        assert_eq!(sessions.join(SessionId(5)), SessionId(5));
        assert_eq!(sessions.open(Product::Otter, SessionId(5), at(0)), Opening::New(SessionId(1)));
        assert_eq!(sessions.join(SessionId(1)), SessionId(2));
    }

    #[test]
    fn hosts_are_ended_thirty_minutes_after_the_last_client() {
        let mut sessions = sessions();
        let session = sessions.join(SessionId(7));
        sessions.enter(session);
        sessions.add_host(session, Product::Otter, at(1));
        sessions.add_host(session, Product::Hedgehog, at(1));
        assert_eq!(sessions.deadline(), None);
        sessions.leave(session, true, at(5));
        assert_eq!(sessions.deadline(), Some(at(35)));
        assert_eq!(sessions.take_expired(at(35) - Duration::from_millis(1)), []);
        let both = [(SessionId(7), Product::Otter), (SessionId(7), Product::Hedgehog)];
        assert_eq!(sessions.take_expired(at(35)), both);
        assert_eq!((sessions.deadline(), sessions.sessions.len()), (None, 0));
    }

    #[test]
    fn a_client_that_returns_in_time_finds_the_session_and_stops_the_clock() {
        let mut sessions = sessions();
        sessions.open(Product::Otter, SessionId(0), at(0));
        sessions.enter(SessionId(1));
        sessions.leave(SessionId(1), true, at(10));
        assert_eq!(sessions.open(Product::Otter, SessionId(1), at(39)), Opening::Found(SessionId(1)));
        sessions.enter(SessionId(1));
        assert_eq!(sessions.take_expired(at(60)), []);
        sessions.leave(SessionId(1), true, at(60));
        assert_eq!(sessions.deadline(), Some(at(90)));
    }

    #[test]
    fn a_host_that_never_had_a_client_is_ended_too() {
        let mut sessions = sessions();
        sessions.open(Product::Otter, SessionId(0), at(2));
        sessions.leave(SessionId(1), false, at(3));
        assert_eq!(sessions.deadline(), Some(at(32)));
    }

    #[test]
    fn a_session_whose_host_died_is_found_no_more() {
        let mut sessions = sessions();
        sessions.open(Product::Otter, SessionId(0), at(0));
        sessions.enter(SessionId(1));
        sessions.remove_host(SessionId(1), Product::Otter);
        assert_eq!(sessions.take_expired(at(90)), []);
        assert_eq!(sessions.open(Product::Otter, SessionId(1), at(1)), Opening::New(SessionId(2)));
        sessions.leave(SessionId(1), true, at(1));
        assert_eq!(sessions.sessions.len(), 1);
    }
}
