//! Every message that tells a user of a mistake or of something that did not work, as the terminal shows it.
//!
//! A test is a list of command lines over a folder of files; its snapshot holds each with what it printed and its
//! exit code. A message says who is wrong, where, what was expected and what came: that is what a changed snapshot is
//! read for. Findings in vectors and manifests have tests of their own beside their readers.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test, a panic is the verdict"
)]

#[path = "../support/mod.rs"]
mod support;

mod command_line;
mod desk;
mod floors;
mod manifests;
mod reference;
mod reports;
mod subjects;
mod vectors;
mod waivers;
