//! Whom a connection is made for: allowed addresses (HS-14), and how many handshakes run at once (HS-11).

use std::net::{AddrParseError, IpAddr};
use std::str::FromStr;

/// Counts the handshakes under way.
///
/// While there is no [room](Self::has_room), nobody is accepted: further clients wait with the operating
/// system, unanswered, and their time has not begun (HS-17). One that went away while it waited is found gone
/// as soon as it is accepted, and gives its slot back.
///
/// ```
/// use iaspec_reference::agent::core::Admission;
///
/// let mut admission = Admission::new(1);
/// admission.enter();
/// assert!(!admission.has_room());
/// admission.leave();
/// assert!(admission.has_room());
/// ```
#[derive(Debug)]
pub struct Admission {
    limit: usize,
    under_way: usize,
}

impl Admission {
    /// Up to `limit` handshakes at once.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, under_way: 0 }
    }

    /// Whether another handshake may begin.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.under_way < self.limit
    }

    /// A handshake begins. Ask for [room](Self::has_room) first.
    pub fn enter(&mut self) {
        self.under_way += 1;
    }

    /// A handshake is over, whichever way.
    pub fn leave(&mut self) {
        self.under_way -= 1;
    }
}

/// The addresses that clients may come from; none listed means any (HS-14).
///
/// Written as plain addresses with `;` between and no blanks; nothing at all is any address.
///
/// ```
/// use iaspec_reference::agent::core::AllowedAddresses;
///
/// let allowed: AllowedAddresses = "127.0.0.1;::1".parse()?;
/// assert!(allowed.allow("127.0.0.1".parse()?));
/// assert!(!allowed.allow("127.0.0.2".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AllowedAddresses(Vec<IpAddr>);

impl AllowedAddresses {
    /// Whether a client from there is talked to.
    ///
    /// An IPv4 address is the same when it comes by way of an IPv6 socket.
    #[must_use]
    pub fn allow(&self, peer: IpAddr) -> bool {
        self.0.is_empty() || self.0.contains(&peer.to_canonical())
    }
}

impl FromStr for AllowedAddresses {
    type Err = String;

    /// A blank is refused rather than skipped: a list that guards an agent should read the same to everybody.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let address = |word: &str| {
            let parsed: Result<IpAddr, AddrParseError> = word.parse();
            parsed.map(|address| address.to_canonical()).map_err(|_| match word {
                "" => "an address is missing; write addresses with `;` between, such as 10.0.0.1;10.0.0.2"
                    .to_owned(),
                _ => format!("`{word}` is no IP address; write addresses with `;` between and no blanks"),
            })
        };
        text.split(';').map(address).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn allow(list: &str, peer: &str) -> bool {
        list.parse::<AllowedAddresses>().unwrap().allow(peer.parse().unwrap())
    }

    #[rstest]
    #[case::any("", "192.0.2.1", true)]
    #[case::listed("192.0.2.1;192.0.2.2", "192.0.2.2", true)]
    #[case::not_listed("192.0.2.1;192.0.2.2", "192.0.2.3", false)]
    #[case::ipv4_over_ipv6("192.0.2.1", "::ffff:192.0.2.1", true)]
    #[case::listed_as_ipv6("::ffff:192.0.2.1", "192.0.2.1", true)]
    #[case::ipv6("2001:db8::1", "2001:db8:0:0::1", true)]
    #[case::unlike_ipv4("192.0.2.1", "::192.0.2.1", false)]
    fn an_address_is_allowed_if_it_is_listed(#[case] list: &str, #[case] peer: &str, #[case] expected: bool) {
        assert_eq!(allow(list, peer), expected);
    }

    #[rstest]
    #[case("localhost", "`localhost` is no IP address; write addresses with `;` between and no blanks")]
    #[case(
        "10.0.0.1; 10.0.0.2",
        "` 10.0.0.2` is no IP address; write addresses with `;` between and no blanks"
    )]
    #[case("10.0.0.0/8", "`10.0.0.0/8` is no IP address; write addresses with `;` between and no blanks")]
    #[case("10.0.0.1;", "an address is missing; write addresses with `;` between, such as 10.0.0.1;10.0.0.2")]
    fn a_list_with_anything_else_is_refused(#[case] list: &str, #[case] message: &str) {
        assert_eq!(list.parse::<AllowedAddresses>(), Err(message.to_owned()));
    }

    #[test]
    fn no_handshake_begins_beyond_the_limit_and_one_does_for_each_that_ends() {
        let mut admission = Admission::new(2);
        admission.enter();
        assert!(admission.has_room());
        admission.enter();
        assert!(!admission.has_room());
        admission.leave();
        assert!(admission.has_room());
        admission.enter();
        assert!(!admission.has_room());
    }
}
