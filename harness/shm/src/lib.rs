//! The shared-memory segment between an agent and a product host, with a ring of bytes in each direction.
//!
//! The agent creates a [`Segment`] and hands its [path](Segment::path) to the host it starts; the host checks it and
//! becomes [`Attached`]. Both then take their ends: a [`Sender`] and a [`Receiver`] of plain bytes, which may live on two
//! threads, and a [`Link`] for what concerns the whole session. What the bytes mean is not dealt with here.
//!
//! ```
//! use iaspec_shm::{Attached, Expected, Place, Plan, Segment, Wait};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let nonce = iaspec_shm::random_nonce()?;
//! let plan = Plan { place: Place::Memory, capacity: 4096, session: 7, agent_type: 1, nonce, rings: true };
//! let segment = Segment::create(&plan)?;
//!
//! // In the host, which takes what it expects from its command line, and `parent_pid()` as the agent's ID.
//! let agent_pid = std::process::id();
//! let expected = Expected { nonce, agent_pid, session: 7, agent_type: 1 };
//! let host = Attached::open(segment.path(), &expected, true)?;
//!
//! segment.wait_attached(&Wait::forever())?;
//! let (mut to_host, _) = segment.take_ends()?;
//! let (_, mut from_agent) = host.take_ends()?;
//! to_host.write_all(b"bytes", &Wait::forever())?;
//! let mut buffer = [0; 16];
//! let read = from_agent.read(&mut buffer, &Wait::forever())?;
//! assert_eq!(&buffer[..read], b"bytes");
//! # Ok(())
//! # }
//! ```
//!
//! This is the only crate of the project with `unsafe` code, and `memory` is where nearly all of it is.

mod attach;
mod backing;
mod ends;
mod error;
pub mod layout;
mod link;
mod memory;
mod parent;
mod platform;
pub mod raw;
mod ring;
mod segment;
mod sync;
mod wait;

pub use attach::{Attached, Expected};
pub use backing::Place;
pub use ends::{PUBLICATION, Receiver, Sender};
pub use error::{AttachError, Broken, CreateError, Error, Field, WriteError};
pub use layout::{Direction, Role, Side, State};
pub use link::Link;
pub use parent::end_with_this_thread;
pub use platform::{inherit_nothing, parent_pid, random_nonce};
pub use segment::{Plan, Segment};
pub use wait::{Interrupter, Wait};
