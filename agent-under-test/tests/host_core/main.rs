//! The probe product as a machine: every command, with the bytes worked out by hand, and virtual time.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test, a panic is the verdict"
)]

mod commands;
mod limits;
mod properties;
mod support;
mod times;
