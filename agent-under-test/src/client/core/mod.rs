//! The client as a machine: bytes, operations and a time go in; bytes, deadlines and outcomes come out.
//!
//! Nothing in here does input or output or reads a clock. A time is a [`Duration`](std::time::Duration) since
//! any moment that stays the same. [`Terms`] say what a client comes with; [`Connection`] carries
//! [`Operation`]s out.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use iaspec_reference::SystemVectors;
//! use iaspec_reference::client::core::{Answer, Connection, NoTrust, Offer, Operation, OperationId, Terms};
//! use iaspec_reference::protocol::{AgentType, ProtocolVersion};
//!
//! let offer = Offer::Versions { min: ProtocolVersion::V1, max: ProtocolVersion::V2 };
//! let terms = Terms::new(offer, Arc::new(SystemVectors), Arc::new(NoTrust));
//! let (now, timeout) = (Duration::ZERO, Duration::from_secs(2));
//! let mut connection = Connection::new(terms, OperationId(1), timeout, now);
//! assert_eq!(connection.output().len(), 24);
//! connection.handle_sent(24, now);
//!
//! connection.handle_input(&[0, 0xd0, 0x07, 0, 0, 51, 0, 0, 0], now);
//! let (id, outcome) = connection.take_outcome().unwrap();
//! assert!(id == OperationId(1) && matches!(outcome, Ok(Answer::Connected(_))));
//!
//! connection.perform(OperationId(2), Operation::GetRootPath(AgentType::OTTER), timeout, now);
//! assert_eq!(connection.output(), [1, 0, 0, 0, 3, 0, 0, 0, 1]);
//! connection.handle_input(&[3, 0, 0, 0, 3, 0, 0, 0, 2, b'/', b'o'], now);
//! assert_eq!(connection.take_outcome(), Some((OperationId(2), Ok(Answer::RootPath("/o".to_owned())))));
//! ```

mod connection;
mod failure;
mod mailbox;
mod operation;
mod requests;
mod terms;
mod timers;

pub use crate::channel::{NoVector, VectorSource};
pub use connection::Connection;
pub use failure::{Failure, Kind};
pub use operation::{Answer, Established, Operation, OperationId};
pub use terms::{NoTrust, Offer, Requirement, ResponseCode, Terms, Trust, TrustSource};
