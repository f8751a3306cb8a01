//! The protocol core: every message as a typed value, with its encoding.
//!
//! Nothing in here does input or output; a `clippy.toml` beside the crate holds that. A value that has one
//! encoding implements [`Encode`] and [`Decode`]; a frame that is encrypted needs a [`Cipher`] and an
//! initialization vector as well, see [`SealedFrame`].
//!
//! ```
//! use iaspec_reference::protocol::{AgentType, Decode, Encode, GetRootPath};
//!
//! let request = GetRootPath { agent_type: AgentType::OTTER };
//! assert_eq!(request.encode()?, [0x01]);
//!
//! // Bytes after the last known field are left over, not refused (CMP-2).
//! let (decoded, rest) = GetRootPath::decode(&[0x01, 0xff])?;
//! assert_eq!((decoded, rest), (request, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Structure alone is checked here. Whether an agent type is served, a version is spoken or a file name is
//! allowed is for the agent or the client to decide, and so every value of those fields decodes.

mod cipher;
mod error;
mod frame;
mod handshake;
mod meta;
mod sealed;
mod types;
mod wire;

pub use cipher::{Cipher, InitializationVector, Key, Padding, UnsuitableKey};
pub use error::{AesFailure, Malformed, OpenError, Reason, SealError, TooLong, Undecryptable};
pub use frame::{AgentFrame, ClientFrameV1, ClientFrameV2, CommandHeader, Frame, Header, TargetedHeader};
pub use handshake::{
    Acknowledgement, Encryption, HandshakeV1, HandshakeV2, PROTOCOL_ID, ServerVersion, ServerVersionForm,
};
pub use meta::{GetRootPath, OpenSession, UpdateAgent, UpdateFile};
pub use sealed::SealedFrame;
pub use types::{AgentType, Command, ProtocolVersion, SessionId, Ticks, TicksOutOfRange};
pub use wire::{Decode, Encode, Reader, Writer};
