//! Which session IDs are in use.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::negotiation::FIRST_VERSION_LIKE;
use crate::protocol::SessionId;

/// The sessions that connections belong to, by ID.
///
/// A new session gets an ID that no other connection holds, and none of 1000 or above, which a client of
/// ranges would take for a protocol version (NEG-6).
///
/// ```
/// use iaspec_reference::agent::core::Sessions;
/// use iaspec_reference::protocol::SessionId;
///
/// let mut sessions = Sessions::default();
/// assert_eq!(sessions.join(SessionId(1)), SessionId(1));
/// assert_eq!(sessions.join(SessionId(0)), SessionId(2));
/// ```
#[derive(Debug, Default)]
pub struct Sessions {
    connections: HashMap<i32, usize>,
    newest: i32,
}

impl Sessions {
    /// Counts a connection to the session wanted, or to a new one if that is 0, and tells its ID.
    pub fn join(&mut self, wanted: SessionId) -> SessionId {
        let id = if wanted.0 == 0 { self.new_id() } else { wanted.0 };
        *self.connections.entry(id).or_default() += 1;
        SessionId(id)
    }

    /// Takes back a [`join`](Self::join). A session without connections is gone.
    pub fn leave(&mut self, session: SessionId) {
        if let Entry::Occupied(mut connections) = self.connections.entry(session.0) {
            *connections.get_mut() -= 1;
            if *connections.get() == 0 {
                connections.remove();
            }
        }
    }

    /// The next free ID from 1 to 999, in a circle so that an ID is not given again soon; should all be taken,
    /// a negative one.
    fn new_id(&mut self) -> i32 {
        const COUNT: i32 = FIRST_VERSION_LIKE - 1;
        let free = |id: &i32| !self.connections.contains_key(id);
        let next = (0..COUNT).map(|step| (self.newest + step) % COUNT + 1).find(free);
        if let Some(id) = next {
            self.newest = id;
            return id;
        }
        // There are more IDs than connections could ever be open, so one is free.
        (i32::MIN..0).rev().find(free).unwrap_or(i32::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_sessions_go_round_and_skip_those_in_use() {
        let mut sessions = Sessions::default();
        assert_eq!(sessions.join(SessionId(2)), SessionId(2));
        assert_eq!(sessions.join(SessionId(0)), SessionId(1));
        assert_eq!(sessions.join(SessionId(0)), SessionId(3));
        sessions.leave(SessionId(1));
        assert_eq!(sessions.join(SessionId(0)), SessionId(4));
    }

    #[test]
    fn a_session_lasts_as_long_as_its_last_connection() {
        let mut sessions = Sessions::default();
        sessions.join(SessionId(1));
        sessions.join(SessionId(1));
        sessions.leave(SessionId(1));
        assert_eq!(sessions.join(SessionId(0)), SessionId(2));
        sessions.leave(SessionId(1));
        sessions.newest = 0;
        assert_eq!(sessions.join(SessionId(0)), SessionId(1));
    }

    #[test]
    fn no_new_session_looks_like_a_version_however_many_there_are() {
        let mut sessions = Sessions::default();
        let ids: Vec<i32> = (0..1002).map(|_| sessions.join(SessionId(0)).0).collect();
        assert_eq!(ids[..999], (1..=999).collect::<Vec<i32>>());
        assert_eq!(ids[999..], [-1, -2, -3]);
        sessions.leave(SessionId(500));
        assert_eq!(sessions.join(SessionId(0)), SessionId(500));
    }
}
