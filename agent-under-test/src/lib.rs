//! The reference implementation of the Inedo Agent protocol, which iaspec tests itself with.
//!
//! # Layout
//!
//! * [`protocol`]: the core. Bytes in, typed values out, and back; no sockets, files, clocks or threads.
//! * [`agent`]: an agent, its core without input and output too.
//! * [`client`]: a client likewise, behind the JSON line protocol that a client subject speaks.
//! * [`host`]: the probe product, a host behind a shared-memory segment.
//! * [`faults`]: implementations with one fault each, which a suite has to find out.
//! * [`codec_driver`]: the core behind the JSON line protocol that a codec subject speaks.
//!
//! The core is written apart from the vectors and from the harness, so that the three can contradict each
//! other. Clause identifiers such as `DAT-2` are those of the protocol description that the project tests.

pub mod agent;
mod channel;
pub mod client;
pub mod codec_driver;
pub mod faults;
mod files;
pub mod host;
mod line_protocol;
mod log;
mod parting;
pub mod protocol;

pub use channel::SystemVectors;
