//! A subject that runs, of either role: started for a group of cases, stopped behind them.

use super::client::Client;
use super::conversation::Counterpart;
use super::health::Ailment;
use super::running::{Agent, NotRunning};
use super::settings::Asked;
use crate::subject::{Manifest, Role, Stopped};

/// A subject that runs.
#[derive(Debug)]
pub(super) enum Subject<'a> {
    /// An agent, with a port.
    Agent(Agent<'a>),
    /// A client, with lines.
    Client(Client<'a>),
}

impl<'a> Subject<'a> {
    /// Starts a subject, with the settings that its cases ask for if it is an agent.
    ///
    /// # Errors
    ///
    /// It cannot be started, or is never ready.
    pub(super) async fn start(manifest: &'a Manifest, asked: &Asked) -> Result<Self, NotRunning> {
        match manifest.role {
            Role::Client => Client::start(manifest).map(Self::Client),
            _ => Agent::start(manifest, asked).await.map(Self::Agent),
        }
    }

    /// The subject as cases see it that share it.
    pub(super) fn counterpart(&self) -> Counterpart<'_> {
        match self {
            Self::Agent(agent) => Counterpart::Shared(agent),
            Self::Client(client) => Counterpart::Client(client),
        }
    }

    /// Waits until its process ends, or says what is no answer.
    pub(super) async fn broken(&self) -> Ailment {
        match self {
            Self::Agent(agent) => Ailment::Died(agent.ended().await),
            Self::Client(client) => client.broken().await.into(),
        }
    }

    /// How it broke down, if it did.
    pub(super) fn breakdown(&self) -> Option<Ailment> {
        match self {
            Self::Agent(agent) => agent.ending().map(Ailment::Died),
            Self::Client(client) => client.breakdown().map(Ailment::from),
        }
    }

    /// Whether the harness started it.
    pub(super) fn is_ours(&self) -> bool {
        match self {
            Self::Agent(agent) => agent.process().is_some(),
            Self::Client(_) => true,
        }
    }

    /// What it logged.
    pub(super) async fn log(&self) -> Option<String> {
        self.log_since(0).await
    }

    /// What it logged after so many bytes.
    pub(super) async fn log_since(&self, length: u64) -> Option<String> {
        match self {
            Self::Agent(agent) => agent.log_since(length).await,
            Self::Client(client) => client.log_since(length).await,
        }
    }

    /// How many bytes its log has so far.
    pub(super) fn log_length(&self) -> u64 {
        match self {
            Self::Agent(agent) => agent.log_length(),
            Self::Client(client) => client.process().log_length(),
        }
    }

    /// Stops it as its manifest has it.
    pub(super) async fn stop(self) -> Option<Stopped> {
        match self {
            Self::Agent(agent) => agent.stop().await,
            Self::Client(client) => Some(client.stop().await),
        }
    }

    /// Kills it with all that it started.
    pub(super) async fn kill(self) {
        match self {
            Self::Agent(agent) => agent.kill().await,
            Self::Client(client) => client.kill().await,
        }
    }
}
