//! The client's core in virtual time: the bytes that it sends, what it makes of those that come, when it gives
//! up, and that the pieces in which bytes come make no difference.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

mod aes;
mod conversations;
mod ends;
mod properties;
mod support;
mod time;
mod tls;
