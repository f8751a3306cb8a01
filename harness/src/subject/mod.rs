//! Subjects: what a manifest says of them, and the processes they run as.

pub mod certificate;
pub mod ground;
pub mod listener;
pub mod manifest;
pub mod memory;
pub mod placeholders;
pub mod process;
pub(crate) mod strain;
mod tree;

pub use certificate::{Certificate, Certificates};
pub use ground::Ground;
pub use manifest::{Manifest, Role};
pub use process::{Ending, Process, Stopped, Wiring};
pub use tree::{become_subreaper, reap_orphans};
