//! The handshakes that a client can begin with.

use std::fmt;

use serde::Serialize;
use serde_json::json;

use crate::format::Formats;

/// What a handshake offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Offer {
    /// The handshake of a v1 client, with the session it asks for; 0 is a new one (HS-6, SES-1).
    Session(i32),
    /// The handshake of a v2 client: all versions of a range (HS-7).
    Range {
        /// The lowest.
        min: i32,
        /// The highest.
        max: i32,
    },
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Offer::Session(0) => f.write_str("v1, a new session"),
            Offer::Session(session) => write!(f, "v1, session {session}"),
            Offer::Range { min, max } => write!(f, "{min} to {max}"),
        }
    }
}

impl Offer {
    /// The offer of one version alone.
    pub(crate) fn of_version(version: i32, formats: &Formats) -> Self {
        if version <= formats.oldest_version() {
            Offer::Session(0)
        } else {
            Offer::Range { min: version, max: version }
        }
    }

    /// The 24 bytes of the handshake.
    ///
    /// # Errors
    ///
    /// The formats describe no such handshake.
    pub(crate) fn bytes(self, formats: &Formats) -> Result<Vec<u8>, String> {
        let (format, value) = match self {
            Offer::Session(session) => {
                (formats.iter().next(), json!({"version": formats.oldest_version(), "session": session}))
            }
            Offer::Range { min, max } => (formats.iter().last(), json!({"min": min, "max": max})),
        };
        let format = format.ok_or("no protocol version is described")?;
        let bytes = formats.encode(&format.conversation.handshake, &value, None);
        bytes.map_err(|error| error.to_string())
    }

    /// The version that is spoken behind an acknowledgement with a number; `None` where the number is no answer to
    /// this offer (NEG-6).
    pub(super) fn spoken(self, number: i32, formats: &Formats) -> Option<i32> {
        let oldest = formats.oldest_version();
        match self {
            Offer::Session(_) => Some(oldest),
            Offer::Range { min, max } if (min..=max).contains(&number) => Some(number),
            // The session of an agent that took the lower end for a version.
            Offer::Range { min, .. } => (number < oldest && min == oldest).then_some(oldest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::CorpusFiles;

    #[test]
    fn offers_are_the_24_bytes_of_a_handshake() {
        let formats = Formats::read(&CorpusFiles::embedded()).unwrap();
        let hex = |offer: Offer| crate::hex_text::encode(&offer.bytes(&formats).unwrap());
        assert_eq!(hex(Offer::Session(7)), "4ed2eb6cf74a134ab9af81d3dfc644bee803000007000000");
        let range = Offer::Range { min: 1000, max: i32::MAX };
        assert_eq!(hex(range), "4ed2eb6cf74a134ab9af81d3dfc644bee8030000ffffff7f");
        assert_eq!(Offer::of_version(1000, &formats), Offer::Session(0));
        assert_eq!(Offer::of_version(3000, &formats), Offer::Range { min: 3000, max: 3000 });
    }

    #[test]
    fn a_number_means_a_version_a_session_or_nothing() {
        let formats = Formats::read(&CorpusFiles::embedded()).unwrap();
        let spoken = |min, max, number| Offer::Range { min, max }.spoken(number, &formats);
        assert_eq!(spoken(1000, 2000, 2000), Some(2000));
        assert_eq!(spoken(1000, 2000, 7), Some(1000), "a session");
        assert_eq!(spoken(1000, 2000, -1), Some(1000), "a session all the same");
        assert_eq!(spoken(2000, 2000, 7), None, "v1 was not offered");
        assert_eq!(spoken(1000, 2000, 3000), None);
        assert_eq!(Offer::Session(0).spoken(3000, &formats), Some(1000));
    }
}
