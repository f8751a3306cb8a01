//! What came over a connection, when, and how it ended.

use std::io;

use tokio::time::Instant;

use super::secure::Layer;

/// How many arrivals are told apart; later ones are taken together.
const MOST_ARRIVALS: usize = 4096;

/// How many bytes are read ahead of what the case looks at.
pub(super) const READ_AHEAD: usize = 256 << 10;

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By a FIN.
    Fin,
    /// By an RST.
    Rst,
    /// By something else that the system reports.
    Broken(String),
    /// Not at all: what came cannot be opened, and nothing behind it can.
    Unopened(String),
    /// Not yet: the peer gave TLS up by an alert.
    Refused(String),
    /// By nothing: the process at the other end of the segment died.
    Died,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            End::Fin => f.write_str("closed (FIN)"),
            End::Rst => f.write_str("reset (RST)"),
            End::Broken(error) => write!(f, "broken off ({error})"),
            End::Unopened(reason) => write!(f, "left behind: what came cannot be decrypted ({reason})"),
            End::Refused(alert) => write!(f, "given up by a TLS alert ({alert})"),
            End::Died => f.write_str("left behind: the process ended without closing it"),
        }
    }
}

impl From<&io::Error> for End {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
                End::Rst
            }
            _ => End::Broken(error.to_string()),
        }
    }
}

/// What came.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    pub(super) bytes: Vec<u8>,
    /// How many bytes before those of `bytes` were looked at and dropped.
    dropped: usize,
    /// Up to where the case has looked, counted from the first byte of the connection.
    taken: usize,
    /// Up to where the record of the case has what came.
    recorded: usize,
    /// Up to which byte what had come when.
    arrivals: Vec<(usize, Instant)>,
    end: Option<(End, Instant)>,
    /// How many bytes the case waits for.
    pub(super) wanted: usize,
    /// Whether what was taken may be put back.
    kept: bool,
    /// What opens the bytes that come, once the connection is encrypted.
    pub(super) layer: Option<Layer>,
    /// Bytes that the layer has not opened yet.
    pub(super) raw: Vec<u8>,
}

impl Inbox {
    /// The bytes that the case has not taken yet.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.taken - self.dropped..]
    }

    /// Takes bytes from the front.
    pub(crate) fn take(&mut self, count: usize) {
        self.taken += count;
    }

    /// Those of the next bytes to be taken that the record of the case does not have yet, which now it has. Bytes
    /// that were put back are taken again.
    pub(super) fn record(&mut self, count: usize) -> &[u8] {
        let from = self.recorded.max(self.taken);
        self.recorded = from.max(self.taken + count);
        &self.bytes[from - self.dropped..self.recorded - self.dropped]
    }

    /// Up to where the case has looked; from now on nothing of what comes is forgotten.
    pub(super) fn mark(&mut self) -> usize {
        self.kept = true;
        self.taken
    }

    /// Goes back to a place that [`Inbox::mark`] gave.
    pub(super) fn go_back(&mut self, to: usize) {
        self.taken = to;
    }

    /// When the first and the last of the bytes taken last came.
    pub(super) fn arrival_of_last(&self, count: usize) -> (Option<Instant>, Option<Instant>) {
        let when = |place: usize| {
            let at = self.arrivals.partition_point(|(upto, _)| *upto <= place);
            self.arrivals.get(at).map(|(_, when)| *when)
        };
        (when(self.taken.saturating_sub(count)), when(self.taken.saturating_sub(1)))
    }

    /// How and when the connection ended.
    pub(crate) fn end(&self) -> Option<(&End, Instant)> {
        self.end.as_ref().map(|(end, when)| (end, *when))
    }

    /// What has been put between this connection and its messages, if it is encrypted.
    pub(crate) fn layer(&mut self) -> Option<&mut Layer> {
        self.layer.as_mut()
    }

    /// From here on what comes is opened by a layer: also what came already and was not taken.
    pub(super) fn put_on(&mut self, layer: Layer) -> Result<(), String> {
        self.raw = self.bytes.split_off(self.taken - self.dropped);
        let total = self.total();
        self.arrivals.iter_mut().for_each(|(upto, _)| *upto = total.min(*upto));
        self.layer = Some(layer);
        self.open()
    }

    /// Opens the bytes that came, as far as that is possible.
    pub(super) fn open(&mut self) -> Result<(), String> {
        match &mut self.layer {
            Some(layer) => layer.receive(&mut self.raw, &mut self.bytes),
            None => Ok(()),
        }
    }

    fn total(&self) -> usize {
        self.dropped + self.bytes.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.unread().len() >= READ_AHEAD.max(self.wanted)
    }

    pub(super) fn arrived(&mut self, now: Instant) {
        if self.arrivals.len() >= MOST_ARRIVALS {
            self.arrivals.pop();
        }
        self.arrivals.push((self.total(), now));
    }

    pub(super) fn ended(&mut self, end: End, now: Instant) {
        self.end.get_or_insert((end, now));
    }

    /// Forgets what was taken, once that is worth the copying.
    pub(super) fn compact(&mut self) {
        let done = self.taken - self.dropped;
        if !self.kept && done >= READ_AHEAD && done * 2 > self.bytes.len() {
            self.bytes.drain(..done);
            self.dropped = self.taken;
        }
    }
}
