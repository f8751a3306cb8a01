//! The probe product as a machine: bytes and a time go in; bytes, deadlines and tasks come out.
//!
//! Nothing in here does input or output or reads a clock. A time is a [`Duration`](std::time::Duration) since any
//! moment that stays the same. What a request wants of the world (a report, a file, a child, an end) is a [`Task`],
//! which whoever runs the machine carries out.
//!
//! Messages up to [`MAX_DATA`] bytes are taken. What is sunk is not kept, a burst is made while it is sent, and
//! nothing more is read while answers of [`MAX_HELD`] bytes wait to be sent or to fall due: memory stays bounded
//! whatever the agent does.
//!
//! ```
//! use std::time::Duration;
//!
//! use iaspec_reference::host::core::Host;
//!
//! let mut host = Host::new();
//! // Echo (101) with token 7 and two bytes.
//! host.handle_input(&[6, 0, 0, 0, 101, 0, 0, 0, 7, 0, 0, 0, 0xca, 0xfe], Duration::ZERO);
//! assert_eq!(host.output(), [7, 0, 0, 0, 101, 0, 0, 0, 7, 0, 0, 0, 0, 0xca, 0xfe]);
//! ```

mod answers;
mod machine;
mod request;
mod sink;

pub use machine::{Host, MAX_DATA, MAX_HELD, Outcome, Task};
