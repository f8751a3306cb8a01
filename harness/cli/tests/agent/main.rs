//! The reference agent as a process: how it starts and ends, and what clients see of it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

#[path = "../support/mod.rs"]
mod support;

mod aes;
mod clients;
mod hosts;
mod process;
mod starting;
mod tls;
mod updates;
