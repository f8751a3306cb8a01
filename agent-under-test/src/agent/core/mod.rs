//! The agent as a machine: bytes and a time go in; bytes, deadlines and requests come out.
//!
//! Nothing in here does input or output, reads a clock or makes anything random but what TLS needs. A time is a [`Duration`](std::time::Duration) since
//! the agent started, so that a test lets half an hour pass in no time. [`Connection`] is what a client talks
//! to; [`Admission`] decides whom a connection is made for at all; [`Sessions`] knows which sessions there are and
//! when their hosts are to be ended.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use iaspec_reference::agent::core::{Connection, Policy, RequiredEncryption, RootPaths, Versions};
//! use iaspec_reference::protocol::ServerVersion;
//!
//! let policy = Arc::new(Policy {
//!     versions: Versions::BOTH,
//!     server_version: ServerVersion::Number(51),
//!     encryption: RequiredEncryption::None,
//!     handshake_timeout: Duration::from_secs(30),
//!     max_message: 64 << 20,
//!     roots: RootPaths { otter: "/o".into(), buildmaster: "/b".into(), hedgehog: "/h".into() },
//! });
//! let accepted = Duration::from_secs(5);
//! let mut connection = Connection::new(policy, accepted);
//! assert_eq!(connection.deadline(), Some(Duration::from_secs(35)));
//!
//! let offer = b"\x4e\xd2\xeb\x6c\xf7\x4a\x13\x4a\xb9\xaf\x81\xd3\xdf\xc6\x44\xbe\xe8\x03\0\0\xd0\x07\0\0";
//! connection.handle_input(offer, accepted);
//! assert_eq!(connection.output(), [0, 0xd0, 0x07, 0, 0, 51, 0, 0, 0]);
//! ```

mod admission;
mod connection;
mod end;
mod file_name;
mod framing;
mod negotiation;
mod policy;
mod sessions;
mod update;

pub use crate::channel::{NoVector, VectorSource};
pub use admission::{Admission, AllowedAddresses};
pub use connection::{Connection, Forwarded, Request};
pub use end::End;
pub use file_name::{FileName, UnsuitableName};
pub use negotiation::{Agreement, Refusal, negotiate};
pub use policy::{Policy, Product, RequiredEncryption, RootPaths, UnsupportedVersion, Versions};
pub use sessions::{Opening, Sessions};
pub use update::{FileKind, MAX_FILES, NewFile, RefusedUpdate, Update};
