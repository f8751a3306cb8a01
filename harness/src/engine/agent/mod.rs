//! The agent role: byte-exact conversations with an agent that runs as a process, or that runs already.
//!
//! Cases that need the same settings share a subject and run at the same time; those that do something to the
//! subject itself, or look at it alone, get one of their own. [`groups`] starts subjects and finds out who is to
//! blame when one dies, [`conversation`] runs one case, [`health`] tells a refusal from a crash.

mod client;
mod connection;
mod conversation;
mod dialect;
mod driver;
mod groups;
mod health;
mod lateness;
mod modes;
mod ports;
mod running;
mod secure;
mod settings;
mod subject;
mod support;

pub(super) use groups::run;
pub(super) use modes::modes;
pub(super) use support::unsupported;
