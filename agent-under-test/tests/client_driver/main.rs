//! The client behind its line protocol, and agents that play a script: every kind of error, the order of
//! operations, and the reading of lines.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict; scripted agents have sockets and threads"
)]

mod errors;
mod lines;
mod order;
mod support;
