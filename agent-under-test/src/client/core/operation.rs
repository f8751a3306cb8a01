//! What a client can be told to do on a connection, and what comes of it.

use bytes::Bytes;

use super::failure::Failure;
use crate::protocol::{
    AgentType, Command, Encode, OpenSession, ProtocolVersion, ServerVersion, SessionId, TooLong, UpdateAgent,
};

/// What tells the operations of a connection apart; whoever gives them chooses it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct OperationId(pub u64);

/// Something to be done on a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Operation {
    /// Send a message. It is done when the bytes are handed on.
    Send {
        /// Who it is for, or why that is not known. Only version 1 tells it, so only there it matters.
        target: Result<AgentType, Failure>,
        /// What is asked of it.
        command: Command,
        /// What the recipient of the command reads.
        data: Bytes,
    },
    /// Wait for the next message that answers no request.
    Receive,
    /// Ask for the root path of a product (MTA-3).
    GetRootPath(AgentType),
    /// Ask for a session (RTE-2).
    OpenSession(OpenSession),
    /// End the connection after what was given before.
    Close,
}

impl Operation {
    /// Update Agent, which has no response (MTA-1, MTA-2).
    ///
    /// # Errors
    ///
    /// [`TooLong`] if a length or a count does not fit its field.
    pub fn update_agent(update: &UpdateAgent<'_>) -> Result<Self, TooLong> {
        let data = update.encode()?.into();
        Ok(Self::Send { target: Ok(AgentType::META), command: Command::UPDATE_AGENT, data })
    }
}

/// What an operation gave.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// The connection is ready for messages.
    Connected(Established),
    /// It is done.
    Done,
    /// A message came.
    Message {
        /// What it answers or asks.
        command: Command,
        /// Its data.
        data: Bytes,
    },
    /// The root path asked for.
    RootPath(String),
    /// The session asked for, or 0 if it cannot be served.
    Session(SessionId),
}

/// What handshake and acknowledgement came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Established {
    /// The mode that the agent requires: 0 none, 1 SSL, 2 AES (HS-4).
    pub encryption: i8,
    /// The version spoken from here on: 1000 or 2000.
    pub speaks: ProtocolVersion,
    /// The session that an agent of version 1 told (HS-6).
    pub session: Option<SessionId>,
    /// The agent's version.
    pub server_version: ServerVersion,
}
