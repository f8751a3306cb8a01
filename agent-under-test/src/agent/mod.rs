//! The reference agent: what `iaspec agent` runs.
//!
//! # Layout
//!
//! * [`core`]: the agent as a machine without input, output and clock.
//! * [`settings`]: its configuration file and the options over it.
//! * [`update_store`]: the files that updates bring.
//! * [`server`]: the core behind sockets, timers and signals.
//!
//! It serves protocol versions 1000 and 2000 in all modes of encryption, and meta messages. It has no product
//! hosts yet: what needs one is refused the way the protocol says (RTE-2, RTE-8).

pub mod core;
pub mod server;
pub mod settings;
pub mod update_store;
