//! `iaspec probe` against the reference agent in every mode, and against what is no agent, or a bad one.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

#[path = "../agent/process.rs"]
#[allow(dead_code, reason = "clients of its own are for the tests of the agent")]
mod process;
#[path = "../support/mod.rs"]
mod support;

mod reference;
mod strangers;
