//! Ports for subjects: none that the system gives to outgoing connections, none that another run uses.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::subject::listener::ephemeral_ports;

/// Ports below this belong to well-known services.
const LOWEST: u16 = 10_000;

/// How many ports are looked at before there is said to be none.
const MOST_TRIED: u32 = 2_000;

/// A port that no other run of the harness on this machine uses while this lives.
///
/// The lock is the UDP port of the same number: it holds between runs and users, and ends with the process however
/// that ends.
#[derive(Debug)]
pub(super) struct ReservedPort {
    number: u16,
    _lock: UdpSocket,
}

impl ReservedPort {
    /// Reserves a port on which nobody listens now.
    ///
    /// # Errors
    ///
    /// A sentence for people: there is none.
    pub(super) fn any() -> Result<Self, String> {
        let candidates = Candidates::outside(ephemeral_ports());
        for _ in 0..MOST_TRIED {
            let number = candidates.next();
            let Ok(lock) = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)) else { continue };
            if TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self { number, _lock: lock });
            }
        }
        Err(format!(
            "no free port was found among {MOST_TRIED}, from {LOWEST} up and outside the ephemeral range"
        ))
    }

    /// Its number.
    pub(super) fn number(&self) -> u16 {
        self.number
    }
}

/// The ports from [`LOWEST`] up without the ephemeral ones, one after the other from a random start: so a port
/// is not used again while connections of its last use may linger.
struct Candidates {
    first: u16,
    last: u16,
}

/// How many ports were tried so far, in this process, on top of where it began.
static TRIED: AtomicU16 = AtomicU16::new(0);

impl Candidates {
    fn outside((first, last): (u16, u16)) -> Self {
        Self { first, last }
    }

    fn next(&self) -> u16 {
        let below = u32::from(self.first.saturating_sub(LOWEST));
        let above = u32::from(u16::MAX - self.last);
        // Where the ephemeral range leaves nothing free, the whole of it has to do.
        let (below, above) =
            if below + above < 100 { (u32::from(u16::MAX - LOWEST), 0) } else { (below, above) };
        let step = u32::from(TRIED.fetch_add(1, Ordering::Relaxed));
        let place = (start().wrapping_add(step)) % (below + above);
        let port =
            if place < below { u32::from(LOWEST) + place } else { u32::from(self.last) + 1 + place - below };
        u16::try_from(port).unwrap_or(u16::MAX)
    }
}

/// Where this process begins: somewhere else than others that run now.
fn start() -> u32 {
    std::process::id().wrapping_mul(2_654_435_761) >> 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_avoid_the_ephemeral_range_and_differ() {
        let candidates = Candidates::outside((32768, 60999));
        let ports: Vec<u16> = (0..500).map(|_| candidates.next()).collect();
        assert!(ports.iter().all(|port| *port >= LOWEST && !(32768..=60999).contains(port)));
        let different: std::collections::HashSet<_> = ports.iter().collect();
        assert_eq!(different.len(), 500);
    }

    #[test]
    fn an_ephemeral_range_of_everything_leaves_ports_all_the_same() {
        let candidates = Candidates::outside((1024, 65535));
        assert!((0..500).all(|_| candidates.next() >= LOWEST));
    }

    #[test]
    fn a_reserved_port_is_not_given_again() {
        let ports: Vec<ReservedPort> = (0..8).map(|_| ReservedPort::any().unwrap()).collect();
        let different: std::collections::HashSet<_> = ports.iter().map(ReservedPort::number).collect();
        assert_eq!(different.len(), 8);
        assert!(UdpSocket::bind((Ipv4Addr::LOCALHOST, ports[0].number())).is_err());
    }
}
