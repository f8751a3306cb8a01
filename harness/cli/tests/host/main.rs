//! The probe product as a process: this test plays its agent over a real segment.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

#[path = "../support/mod.rs"]
mod support;

mod agent;
mod attach;
mod commands;
mod ends;
mod rings;
