//! The probe product: a host that tells and does what a test wants to know, so that forwarding can be observed
//! through any agent.
//!
//! [`core`] is the product without input and output; [`attach`] makes this process the host of a segment, and
//! [`Session::run`] serves it to its end.
//!
//! Each request starts with an int32 token. Each answer has the command of its request and starts with the token and
//! a status: 0, or 1 for an exception, followed by string type and string message. Beside the types that the product
//! promises, a request whose numbers make no sense (a negative time, count or size) is `Malformed` too.

pub mod core;
mod diary;
mod options;
pub(crate) mod report;
pub(crate) mod runtime;
mod sleeper;

pub use diary::FOLDER as DIARY_FOLDER;
pub use options::{Nonce, UnsuitableNonce};
pub use runtime::{Ended, Session, Start, attach};
pub use sleeper::Sleeper;
