//! The reference client: what `iaspec client` runs.
//!
//! # Layout
//!
//! * [`core`]: a connection to an agent as a machine without input, output and clock.
//! * [`driver`]: the core behind sockets and timers, told what to do by lines of JSON.
//!
//! It speaks protocol versions 1000 and 2000 in all modes of encryption.

pub mod core;
pub mod driver;
