//! The agent's core in virtual time: what it answers, when it gives up, and that neither the pieces in which
//! bytes come nor what other connections do make any difference.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod aes;
mod conversations;
mod forwarding;
mod properties;
mod support;
mod time;
mod tls;
