//! What a fault is: where it meddles with an agent, a client, or the bytes between them.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use serde_json::Value;

use super::relay::Wire;
use super::talk::{Facts, Message};
use super::veil::Early;
use crate::agent::core::VectorSource;
use crate::agent::server::Seams;
use crate::agent::settings::{Choices, Settings};
use crate::protocol::ServerVersion;

/// What is done with a length, given what begins with it.
pub(super) type OfLength = fn(i32, &mut BytesMut, &mut Facts, &mut Wire) -> bool;

/// What an agent or a client with a fault does otherwise than a correct one. Whatever is `None` is done correctly.
pub(super) struct Fault {
    /// Its name in the catalogue.
    pub(super) name: &'static str,
    /// Changes the text of the configuration file before it is read.
    pub(super) config: Option<fn(&str) -> String>,
    /// Changes what the configuration file says, before options are put over it.
    pub(super) choices: Option<fn(&mut Choices)>,
    /// Changes the settings that the correct agent gets.
    pub(super) settings: Option<fn(&mut Settings)>,
    /// Changes how the correct agent works with its processes.
    pub(super) seams: Option<fn(&mut Seams)>,
    /// Works beside the agent, on a thread of its own.
    pub(super) beside: Option<fn(&Surroundings)>,
    /// TLS ends at the relay, behind which everything is in clear; says what becomes of bytes that come before TLS.
    pub(super) ends_tls: Option<Early>,
    /// Nobody is accepted any more once accepting has failed.
    pub(super) gives_up_accepting: bool,
    /// How many handshakes run at once; further ones wait.
    pub(super) at_once: Option<usize>,
    /// A connection was accepted.
    pub(super) begin: Option<fn(&mut Facts, &mut Wire)>,
    /// Changes what was read from a client, as it came.
    pub(super) read: Option<fn(&mut Vec<u8>, &mut Facts, &mut Wire)>,
    /// Changes what was read from an agent, as it came.
    pub(super) agent_read: Option<fn(&mut Vec<u8>, &mut Facts, &mut Wire)>,
    /// Changes the 24 bytes of a handshake; what is left of them goes to the agent.
    pub(super) hello: Option<fn(&mut Vec<u8>, &mut Facts, &mut Wire)>,
    /// Waits for all 24 bytes even where they begin wrongly.
    pub(super) reads_any_id: bool,
    /// Changes an acknowledgement; what is left of it goes to the client.
    pub(super) acknowledgement: Option<fn(&mut Vec<u8>, &mut Facts, &mut Wire)>,
    /// Does with a client's message what the client, or the agent that gets it, does with it.
    pub(super) request: Option<fn(Message, &mut Facts, &mut Wire)>,
    /// Meets a length that no message has; tells whether there may be messages behind it.
    pub(super) strange: Option<OfLength>,
    /// Meets a length that no message of an agent has, likewise.
    pub(super) strange_response: Option<OfLength>,
    /// Does with an agent's message what the agent, or the client that gets it, does with it.
    pub(super) response: Option<fn(Message, &mut Facts, &mut Wire)>,
    /// A client has ended its side, in front of which a part of a message was left.
    pub(super) client_ended: Option<fn(&[u8], &mut Facts, &mut Wire)>,
    /// A client has broken the connection off.
    pub(super) client_broke: Option<fn(&mut Facts)>,
    /// The agent has ended its side.
    pub(super) agent_ended: Option<fn(&mut Facts, &mut Wire)>,
    /// When the connection is ended, given when the client was heard last; both counted from its begin.
    pub(super) deadline: Option<fn(&Facts, Duration) -> Option<Duration>>,
    /// Where a client gets the vectors of its messages from.
    pub(super) vectors: Option<fn() -> Arc<dyn VectorSource>>,
    /// Changes what a client is told to do, before it does it.
    pub(super) told: Option<fn(&mut Value)>,
    /// Changes what a client answers, given what it was told.
    pub(super) answered: Option<fn(&mut Value, &Value)>,
    /// What a client prints in place of a line.
    pub(super) prints: Option<fn(&str) -> Vec<String>>,
    /// The agent runs on after the stop signal.
    pub(super) runs_on: bool,
}

impl Fault {
    /// Whether messages have to be taken apart for it.
    pub(super) fn looks_at_messages(&self) -> bool {
        self.request.is_some() || self.response.is_some()
    }
}

/// No fault.
pub(super) const CORRECT: Fault = Fault {
    name: "",
    config: None,
    choices: None,
    settings: None,
    seams: None,
    beside: None,
    ends_tls: None,
    gives_up_accepting: false,
    at_once: None,
    begin: None,
    read: None,
    agent_read: None,
    hello: None,
    reads_any_id: false,
    acknowledgement: None,
    request: None,
    strange: None,
    strange_response: None,
    response: None,
    client_ended: None,
    client_broke: None,
    agent_ended: None,
    deadline: None,
    vectors: None,
    told: None,
    answered: None,
    prints: None,
    runs_on: false,
};

/// What all conversations of an agent share.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// What it was told to be.
    pub(super) settings: Settings,
    /// Bytes of the server version in acknowledgements.
    pub(super) server_version_size: usize,
    pub(super) connections: AtomicUsize,
    /// What a fault counts, by a name of its own.
    pub(super) counts: Mutex<HashMap<String, usize>>,
    /// Messages that nobody has heard, by the name of a session.
    pub(super) missed: Mutex<HashMap<String, Vec<Message>>>,
}

impl Surroundings {
    pub(super) fn new(settings: Settings) -> Self {
        let server_version_size = match settings.policy.server_version {
            ServerVersion::Number(_) => 4,
            ServerVersion::Parts(_) => 16,
        };
        Self {
            settings,
            server_version_size,
            connections: AtomicUsize::new(0),
            counts: Mutex::default(),
            missed: Mutex::default(),
        }
    }

    pub(super) fn counts(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn missed(&self) -> MutexGuard<'_, HashMap<String, Vec<Message>>> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one to a count, and gives what it was.
    pub(super) fn count(&self, name: &str) -> usize {
        let mut counts = self.counts();
        let count = counts.entry(name.to_owned()).or_default();
        *count += 1;
        *count - 1
    }
}

/// Ends this process as a crash does, without a core file.
pub(super) fn die() {
    // Where that fails, a core file is all that comes of it.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    std::process::abort();
}
