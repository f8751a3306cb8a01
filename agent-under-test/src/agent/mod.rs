//! The reference agent: what `iaspec agent` runs.
//!
//! # Layout
//!
//! * [`core`]: the agent as a machine without input, output and clock.
//! * [`settings`]: its configuration file and the options over it.
//! * [`update_store`]: the files that updates bring.
//! * [`server`]: the core behind sockets, timers and signals, and the processes of product hosts.
//!
//! It serves protocol versions 1000 and 2000 in all modes of encryption, meta messages, and product hosts if it is told a
//! program for them.

pub mod core;
pub mod server;
pub mod settings;
pub mod update_store;
