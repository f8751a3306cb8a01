//! What the two int32 of a handshake come to (NEG-1 to NEG-7).

use thiserror::Error;

use super::policy::Versions;
use crate::protocol::{ProtocolVersion, SessionId};

/// The lowest session ID that a client of ranges takes for a protocol version (NEG-6).
pub(super) const FIRST_VERSION_LIKE: i32 = 1000;

/// What a client and the agent go on with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Agreement {
    /// Version 1; the acknowledgement tells a session ID (HS-6).
    Session {
        /// The session asked for, 0 for a new one; always below 1000.
        wanted: SessionId,
    },
    /// A version out of the client's range, which the acknowledgement tells (HS-7).
    Version(ProtocolVersion),
}

/// Why there is nothing to go on with (NEG-2).
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Refusal {
    /// A v1 handshake, and version 1000 is not spoken.
    #[error("a v1 client (1000), and the agent speaks {0} only")]
    VersionOne(Versions),
    /// A range, or a single version, without a version that is spoken.
    #[error("the versions {min} to {max} are offered, and the agent speaks {versions}")]
    NoVersionInCommon {
        /// The lowest version offered, or to an agent of version 1000 alone the only one.
        min: i32,
        /// The highest version offered, or to an agent of version 1000 alone a session ID.
        max: i32,
        /// What the agent speaks.
        versions: Versions,
    },
}

/// Takes the two int32 of a handshake for what an agent of these versions takes them for.
///
/// An agent that knows version 1000 alone has never heard of ranges and reads a version and a session ID
/// (NEG-5). Any other tells the two forms apart by the second number (NEG-3).
///
/// # Errors
///
/// [`Refusal`] if agent and client share no version.
pub fn negotiate(versions: Versions, first: i32, second: i32) -> Result<Agreement, Refusal> {
    let refused = Refusal::NoVersionInCommon { min: first, max: second, versions };
    let asks_for_v1 = ProtocolVersion(first) == ProtocolVersion::V1;
    if versions == Versions::V1 {
        // To return such an ID would tell a client of ranges that its version is spoken (NEG-H2).
        let wanted = if second < FIRST_VERSION_LIKE { second } else { 0 };
        return if asks_for_v1 { Ok(Agreement::Session { wanted: SessionId(wanted) }) } else { Err(refused) };
    }
    if asks_for_v1 && second < FIRST_VERSION_LIKE {
        return if versions.contain(ProtocolVersion::V1) {
            Ok(Agreement::Session { wanted: SessionId(second) })
        } else {
            Err(Refusal::VersionOne(versions))
        };
    }
    let highest = versions.highest_within(ProtocolVersion(first), ProtocolVersion(second));
    highest.map(Agreement::Version).ok_or(refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const NEW: Agreement = Agreement::Session { wanted: SessionId(0) };
    const V1: Agreement = Agreement::Version(ProtocolVersion(1000));
    const V2: Agreement = Agreement::Version(ProtocolVersion(2000));

    /// The matrix of CMP-6: what agents of 1000, of both, and of 2000 make of each offer.
    #[rstest]
    #[case::v1(1000, 0, Some(NEW), Some(NEW), None)]
    #[case::v2_up_to_1000(1000, 1000, Some(NEW), Some(V1), None)]
    #[case::v2(1000, 2000, Some(NEW), Some(V2), Some(V2))]
    #[case::v2_alone(2000, 2000, None, Some(V2), Some(V2))]
    #[case::later(1000, 3000, Some(NEW), Some(V2), Some(V2))]
    #[case::later_alone(3000, 3000, None, None, None)]
    #[case::between(1001, 1999, None, None, None)]
    #[case::from_between(1500, 2000, None, Some(V2), Some(V2))]
    #[case::up_to_between(1000, 1999, Some(NEW), Some(V1), None)]
    #[case::reversed(2000, 1000, None, None, None)]
    #[case::everything(i32::MIN, i32::MAX, None, Some(V2), Some(V2))]
    #[case::reversed_everything(i32::MAX, i32::MIN, None, None, None)]
    fn each_agent_makes_its_own_of_an_offer(
        #[case] first: i32,
        #[case] second: i32,
        #[case] v1: Option<Agreement>,
        #[case] both: Option<Agreement>,
        #[case] v2: Option<Agreement>,
    ) {
        let of = |versions| negotiate(versions, first, second).ok();
        assert_eq!((of(Versions::V1), of(Versions::BOTH), of(Versions::V2)), (v1, both, v2));
    }

    #[rstest]
    #[case(1)]
    #[case(999)]
    #[case(-1)]
    #[case(i32::MIN)]
    fn a_session_that_is_no_version_is_wanted_as_it_stands(#[case] session: i32) {
        let wanted = Ok(Agreement::Session { wanted: SessionId(session) });
        assert_eq!(negotiate(Versions::V1, 1000, session), wanted);
        assert_eq!(negotiate(Versions::BOTH, 1000, session), wanted);
    }

    #[test]
    fn refusals_say_what_was_offered_and_what_is_spoken() {
        let said = |versions, first, second| {
            negotiate(versions, first, second).map_err(|refusal| refusal.to_string()).unwrap_err()
        };
        assert_eq!(said(Versions::V2, 1000, 7), "a v1 client (1000), and the agent speaks 2000 only");
        let said = said(Versions::BOTH, 3000, 4000);
        assert_eq!(said, "the versions 3000 to 4000 are offered, and the agent speaks 1000,2000");
    }
}
