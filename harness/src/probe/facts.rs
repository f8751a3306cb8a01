//! What is known of a live agent, and why one is not known.

use std::fmt;

use serde::{Serialize, Serializer};

use super::certificate::{CertificateFacts, Trust};
use super::offer::Offer;
use super::times::Times;
use crate::hex_text::spaced;
use crate::terms::Encryption;

/// What a live agent speaks. Serialized, it is what `iaspec probe --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    /// HOST:PORT as it was asked for.
    pub address: String,
    /// The mode of encryption that its acknowledgements name.
    pub encryption: Encryption,
    /// The protocol versions that it speaks, as far as they were offered.
    pub versions: Vec<i32>,
    /// The server version of its acknowledgements: one int32 N reads `N.0.0.0`.
    pub server_version: Option<String>,
    /// How its server version is written (knob `server_version`).
    pub server_version_form: ReadingFacts,
    /// How its AES frames are padded (knob `aes_padding`); only in mode aes.
    pub aes_padding: Option<ReadingFacts>,
    /// The root path that it told for Otter.
    pub root_path: Option<String>,
    /// Why it told none.
    pub unanswered: Option<String>,
    /// What it made of each offer, in the order in which they were made.
    pub offers: Vec<OfferFacts>,
    /// TLS; only in mode ssl.
    pub tls: Option<TlsFacts>,
    /// How many connections were made.
    pub connections: usize,
    /// How long it took.
    pub times: Times,
    /// What is worth knowing besides.
    pub notes: Vec<String>,
}

/// The reading of a knob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReadingFacts {
    /// The value of the knob; `None` where it could not be found out.
    pub reading: Option<String>,
    /// How it was found out, or why not.
    pub how: String,
}

/// What an agent made of an offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OfferFacts {
    /// The offer.
    pub offer: Offer,
    /// What came of it.
    #[serde(flatten)]
    pub answer: Answer,
}

/// What came of an offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Answer {
    /// It was acknowledged.
    Acknowledged {
        /// The number of the acknowledgement.
        number: i32,
        /// The version that is spoken from then on.
        speaks: i32,
    },
    /// The connection ended without an acknowledgement.
    Refused {
        /// How.
        how: String,
    },
    /// Something else happened.
    Odd {
        /// What.
        what: String,
    },
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Acknowledged { number, speaks } if number == speaks => write!(f, "version {speaks}"),
            Answer::Acknowledged { number, speaks } => write!(f, "session {number}, version {speaks}"),
            Answer::Refused { how } => write!(f, "refused: {how}"),
            Answer::Odd { what } => f.write_str(what),
        }
    }
}

/// What TLS came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TlsFacts {
    /// Its version, `TLS 1.3`.
    pub version: Option<String>,
    /// The cipher suite.
    pub cipher: Option<String>,
    /// The agent's certificate.
    pub certificate: Option<CertificateFacts>,
    /// Whether it is trusted, where roots were given.
    pub trust: Option<Trust>,
    /// Why there is no TLS, or why its certificate cannot be read.
    pub failure: Option<String>,
}

/// Why there is nothing to tell of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotProbed {
    /// HOST:PORT as it was asked for.
    pub address: String,
    /// The sort of reason.
    pub kind: NotProbedKind,
    /// The reason, a sentence.
    pub message: String,
    /// What came instead of an acknowledgement.
    pub came: Vec<u8>,
}

/// The sorts of reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotProbedKind {
    /// It has no address, or cannot be connected to.
    Unreachable,
    /// It accepts connections, and says nothing.
    Silent,
    /// It ends every connection.
    Ended,
    /// It is something else than an Inedo agent.
    Foreign,
}

impl Serialize for NotProbed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut whole = serializer.serialize_struct("NotProbed", 4)?;
        whole.serialize_field("address", &self.address)?;
        whole.serialize_field("error", &self.kind)?;
        whole.serialize_field("message", &self.message)?;
        whole.serialize_field("came", &spaced(&self.came))?;
        whole.end()
    }
}

impl fmt::Display for NotProbed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.message)
    }
}
