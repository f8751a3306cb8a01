//! The roles that are tested over the network: byte-exact conversations with an agent that runs as a process, or that
//! runs already, and with a client that is told by lines what to do.
//!
//! Cases that need the same settings share a subject and run at the same time; those that do something to the
//! subject itself, or look at it alone, get one of their own. [`groups`] starts subjects and finds out who is to
//! blame when one dies, [`conversation`] runs one case from either side, [`health`] tells a refusal from a crash.

mod client;
pub(crate) mod connection;
mod conversation;
mod detected;
mod dialect;
mod driver;
mod groups;
mod health;
mod host;
mod inbox;
mod modes;
mod ports;
mod ring;
mod running;
mod schedule;
pub(crate) mod secure;
mod settings;
mod subject;
mod support;

pub(super) use groups::run;
pub(super) use modes::modes;
pub(super) use support::unsupported;
