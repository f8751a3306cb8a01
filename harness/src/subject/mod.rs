//! Subjects: what a manifest says of them, and the processes they run as.

pub mod manifest;
pub mod placeholders;
pub mod process;
mod tree;

pub use manifest::{Manifest, Role};
pub use process::{Ending, Process, Stopped};
pub use tree::become_subreaper;
