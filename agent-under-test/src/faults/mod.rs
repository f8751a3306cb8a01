//! Implementations with one fault each, which the suite has to find out: the mistakes that people make.
//!
//! None is a branch through the correct implementation. Each stands at one of its seams, meddles with the bytes, the time,
//! the settings or the processes that pass there, and leaves the rest to the correct one. The faults are described in
//! `faults.yaml`; what each is for its role is in the module of that role.

#![allow(
    clippy::disallowed_methods,
    reason = "what stands in front of an agent has sockets, threads and files"
)]

pub mod agent;
mod chunks;
pub mod client;
pub mod codec;
mod fault;
pub mod host;
mod relay;
mod talk;
mod vectors;
mod veil;
