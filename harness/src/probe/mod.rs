//! What a live agent speaks, found out by a few good conversations.
//!
//! [`survey`] collects all that `iaspec probe` prints. The engine asks [`detect`] for the readings that a manifest
//! leaves to `auto`, before the cases of a subject run. Both are careful with an agent that somebody relies on: one
//! connection at a time, each ended properly, nothing sent but handshakes, TLS and Get Agent Root Path.
//!
//! How the readings are found: the module `reading` looks where the first response begins. Nothing is concluded from a pause.

mod asking;
mod certificate;
mod detection;
mod facts;
mod greeting;
mod offer;
mod reading;
mod survey;
mod times;

pub(crate) use asking::Asker;
pub use certificate::{CertificateFacts, Roots, Trust};
pub(crate) use detection::{Detection, Knob, detect};
pub use facts::{Answer, Facts, NotProbed, NotProbedKind, OfferFacts, ReadingFacts, TlsFacts};
pub(crate) use greeting::{Target, greet};
pub use offer::Offer;
pub use survey::{Options, survey};
pub use times::{Span, Times};
