//! The reference client: what `iaspec client` runs.
//!
//! # Layout
//!
//! * [`core`]: a connection to an agent as a machine without input, output and clock.
//!
//! It speaks protocol versions 1000 and 2000 in all modes of encryption.

pub mod core;
