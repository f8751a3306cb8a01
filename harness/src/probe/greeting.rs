//! Connecting to an agent, up to the first bytes of its acknowledgement's server version.

use std::cell::Cell;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::offer::Offer;
use crate::engine::agent::connection::{Connection, Inbox};
use crate::format::{AES_BLOCK, Formats};
use crate::hex_text::spaced;
use crate::terms::{Encryption, TimeSpan};

/// All that is asked of an agent may take as long as so many answers.
pub(super) const MOST_WAITS: u32 = 4;

/// How many bytes of something that is no acknowledgement are shown.
const SHOWN: usize = 64;

/// Where an agent is, and how long it may take.
#[derive(Clone, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) formats: &'a Formats,
    pub(crate) address: SocketAddr,
    /// How long each answer may take.
    pub(crate) patience: Duration,
    /// When all of it must be over.
    pub(crate) until: Instant,
    /// How many connections were made to it.
    pub(crate) connections: Cell<usize>,
}

impl<'a> Target<'a> {
    /// An agent to which no connection was made yet.
    pub(crate) fn new(formats: &'a Formats, address: SocketAddr, patience: Duration) -> Self {
        let until = Instant::now() + patience * MOST_WAITS;
        Self { formats, address, patience, until, connections: Cell::new(0) }
    }

    /// How long the next answer may take.
    pub(super) fn patience(&self) -> Duration {
        self.patience.min(self.until.saturating_duration_since(Instant::now()))
    }

    /// When the next answer must have come.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.patience()
    }
}

/// A connection whose acknowledgement has come up to its server version, which has 4 bytes at least.
#[derive(Debug)]
pub(crate) struct Greeted {
    /// What has not been taken from it begins with the server version.
    pub(super) connection: Connection,
    pub(super) encryption: Encryption,
    /// The acknowledgement up to its number.
    pub(super) head: Vec<u8>,
    /// Its number: a version or a session.
    pub(super) number: i32,
    /// The version that is spoken from now on.
    pub(super) version: i32,
    /// How long connecting took.
    pub(super) connect: Duration,
    /// How long the acknowledgement took from then on.
    pub(super) acknowledgement: Duration,
}

/// Why a handshake was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotGreeted {
    /// It cannot be connected to.
    Unreachable(String),
    /// The connection ended: in words, and what had come before.
    Ended(String, Vec<u8>),
    /// Nothing came in time, or not all of it.
    Silent(Duration, Vec<u8>),
    /// Something came that is no acknowledgement, and why it is none.
    Foreign(String, Vec<u8>),
}

impl NotGreeted {
    /// What came instead of an acknowledgement.
    pub(super) fn came(&self) -> &[u8] {
        match self {
            Self::Unreachable(_) => &[],
            Self::Ended(_, came) | Self::Silent(_, came) | Self::Foreign(_, came) => came,
        }
    }
}

impl fmt::Display for NotGreeted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "it cannot be connected to: {error}"),
            Self::Ended(how, came) if came.is_empty() => {
                write!(f, "the connection was {how} without an acknowledgement")
            }
            Self::Ended(how, came) => {
                write!(f, "the connection was {how} within the acknowledgement, after {}", spaced(came))
            }
            Self::Silent(patience, came) if came.is_empty() => {
                write!(f, "a good handshake was not acknowledged within {}", TimeSpan(*patience))
            }
            Self::Silent(patience, came) => {
                let within = TimeSpan(*patience);
                write!(f, "the acknowledgement was not complete within {within}: {}", spaced(came))
            }
            Self::Foreign(why, came) => {
                write!(f, "what came is no acknowledgement, because {why}: {}", spaced(came))
            }
        }
    }
}

/// The size of an acknowledgement up to its server version, by its first byte; only modes have one (HS-4).
fn head_size(mode: u8) -> Option<usize> {
    match mode {
        0 | 1 => Some(5),
        2 => Some(5 + AES_BLOCK),
        _ => None,
    }
}

/// Connects, makes an offer, and waits for the acknowledgement up to 4 bytes of its server version: those come
/// whatever its form.
///
/// # Errors
///
/// It is not acknowledged.
pub(crate) async fn greet(target: &Target<'_>, offer: Offer) -> Result<Greeted, NotGreeted> {
    let bytes = offer.bytes(target.formats).map_err(NotGreeted::Unreachable)?;
    target.connections.set(target.connections.get() + 1);
    let began = Instant::now();
    let connection = Connection::open(target.address, None, target.patience())
        .await
        .map_err(|error| NotGreeted::Unreachable(told(&error, target.patience)))?;
    let connected = Instant::now();
    let patience = target.patience();
    // Whether it was taken the answer tells.
    connection.send(&bytes, patience).await;
    let came = connection.watch(target.deadline(), |inbox| beginning(inbox)).await;
    let acknowledgement = connected.elapsed();
    let failed = match came {
        Some(Ok(head)) => match Acknowledged::read(&head, offer, target.formats) {
            Ok(read) => {
                connection.inbox().take(head.len());
                let Acknowledged { encryption, number, version } = read;
                let connect = connected - began;
                return Ok(Greeted {
                    connection,
                    encryption,
                    head,
                    number,
                    version,
                    connect,
                    acknowledgement,
                });
            }
            Err(why) => NotGreeted::Foreign(why, head),
        },
        Some(Err(failed)) => failed,
        None => NotGreeted::Silent(patience, shown(&connection.inbox())),
    };
    connection.close().await;
    Err(failed)
}

/// What the system says of a connection that cannot be made.
fn told(error: &std::io::Error, patience: Duration) -> String {
    match error.kind() {
        std::io::ErrorKind::TimedOut => format!("it does not accept within {}", TimeSpan(patience)),
        _ => error.to_string(),
    }
}

/// The first bytes of what came.
fn shown(inbox: &Inbox) -> Vec<u8> {
    inbox.unread().iter().take(SHOWN).copied().collect()
}

/// Waits for the acknowledgement up to its number, and 4 bytes more.
fn beginning(inbox: &Inbox) -> Option<Result<Vec<u8>, NotGreeted>> {
    let unread = inbox.unread();
    let Some(first) = unread.first() else {
        return inbox.end().map(|(end, _)| Err(NotGreeted::Ended(end.to_string(), Vec::new())));
    };
    let Some(size) = head_size(*first) else {
        let why = format!("{first:02x} is no mode of encryption");
        return Some(Err(NotGreeted::Foreign(why, shown(inbox))));
    };
    if unread.len() >= size + 4 {
        return Some(Ok(unread[..size].to_vec()));
    }
    inbox.end().map(|(end, _)| Err(NotGreeted::Ended(end.to_string(), unread.to_vec())))
}

/// What an acknowledgement says before its server version.
struct Acknowledged {
    encryption: Encryption,
    number: i32,
    version: i32,
}

impl Acknowledged {
    fn read(head: &[u8], offer: Offer, formats: &Formats) -> Result<Self, String> {
        let encryption = match head.first() {
            Some(1) => Encryption::Ssl,
            Some(2) => Encryption::Aes,
            _ => Encryption::None,
        };
        let number = head.last_chunk().map_or(0, |number| i32::from_le_bytes(*number));
        let version = offer.spoken(number, formats);
        let version =
            version.ok_or_else(|| format!("its number {number} is no answer to the offer of {offer}"))?;
        Ok(Self { encryption, number, version })
    }
}
