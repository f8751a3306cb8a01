//! One connection between the harness and a subject: what was sent, what came and when.
//!
//! A task reads as bytes come, so that the time of each is known although the case looks at them later. It reads
//! ahead by a bounded amount only: beyond that a client whose steps expect nothing does not read.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::secure::{Damage, Layer};
use crate::hex_text::Stretch;

/// How many bytes are read ahead of what the case looks at.
const READ_AHEAD: usize = 256 << 10;

/// How much is read at once, at least.
const READ_SIZE: usize = 4 << 10;

/// How much of a long repetition is written at once.
const BLOCK: usize = 256 << 10;

/// How many arrivals are told apart; later ones are taken together.
const MOST_ARRIVALS: usize = 4096;

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
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
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            End::Fin => f.write_str("closed (FIN)"),
            End::Rst => f.write_str("reset (RST)"),
            End::Broken(error) => write!(f, "broken off ({error})"),
            End::Unopened(reason) => write!(f, "left behind: what came cannot be decrypted ({reason})"),
            End::Refused(alert) => write!(f, "given up by a TLS alert ({alert})"),
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
pub(super) struct Inbox {
    bytes: Vec<u8>,
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
    wanted: usize,
    /// Whether what was taken may be put back.
    kept: bool,
    /// What opens the bytes that come, once the connection is encrypted.
    layer: Option<Layer>,
    /// Bytes that the layer has not opened yet.
    raw: Vec<u8>,
}

impl Inbox {
    /// The bytes that the case has not taken yet.
    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.taken - self.dropped..]
    }

    /// Takes bytes from the front.
    pub(super) fn take(&mut self, count: usize) {
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
    pub(super) fn end(&self) -> Option<(&End, Instant)> {
        self.end.as_ref().map(|(end, when)| (end, *when))
    }

    /// What has been put between this connection and its messages, if it is encrypted.
    pub(super) fn layer(&mut self) -> Option<&mut Layer> {
        self.layer.as_mut()
    }

    /// From here on what comes is opened by a layer: also what came already and was not taken.
    fn put_on(&mut self, layer: Layer) -> Result<(), String> {
        self.raw = self.bytes.split_off(self.taken - self.dropped);
        let total = self.total();
        self.arrivals.iter_mut().for_each(|(upto, _)| *upto = total.min(*upto));
        self.layer = Some(layer);
        self.open()
    }

    /// Opens the bytes that came, as far as that is possible.
    fn open(&mut self) -> Result<(), String> {
        match &mut self.layer {
            Some(layer) => layer.receive(&mut self.raw, &mut self.bytes),
            None => Ok(()),
        }
    }

    fn total(&self) -> usize {
        self.dropped + self.bytes.len()
    }

    fn is_full(&self) -> bool {
        self.unread().len() >= READ_AHEAD.max(self.wanted)
    }

    fn arrived(&mut self, now: Instant) {
        if self.arrivals.len() >= MOST_ARRIVALS {
            self.arrivals.pop();
        }
        self.arrivals.push((self.total(), now));
    }

    fn ended(&mut self, end: End, now: Instant) {
        self.end.get_or_insert((end, now));
    }

    /// Forgets what was taken, once that is worth the copying.
    fn compact(&mut self) {
        let done = self.taken - self.dropped;
        if !self.kept && done >= READ_AHEAD && done * 2 > self.bytes.len() {
            self.bytes.drain(..done);
            self.dropped = self.taken;
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    inbox: Mutex<Inbox>,
    /// Something came, or the connection ended.
    arrived: Notify,
    /// There is room for more.
    room: Notify,
}

impl Shared {
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of bytes that were to be sent.
#[derive(Debug)]
pub(super) struct Sent {
    /// Just before the first was handed over.
    pub(super) before: Instant,
    /// Just after the last was.
    pub(super) after: Instant,
    /// How many were taken.
    pub(super) count: usize,
    /// Why the rest was not.
    pub(super) failure: Option<SendFailure>,
}

/// Why bytes could not be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SendFailure {
    /// The connection had ended.
    Ended,
    /// The peer took nothing for too long.
    Stuck,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Arc<TcpStream>,
    shared: Arc<Shared>,
    reader: JoinHandle<()>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// What the system says, `TimedOut` when it says nothing in time.
    pub(super) async fn open(to: SocketAddr, from: Option<IpAddr>, within: Duration) -> io::Result<Self> {
        let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if let Some(from) = from {
            socket.bind(SocketAddr::new(from, 0))?;
        }
        let late = || io::Error::from(io::ErrorKind::TimedOut);
        Self::over(timeout(within, socket.connect(to)).await.map_err(|_| late())??)
    }

    /// Takes a connection that somebody makes.
    ///
    /// # Errors
    ///
    /// What the system says, `TimedOut` when nobody connects by a deadline.
    pub(super) async fn accept(listener: &TcpListener, deadline: Instant) -> io::Result<Self> {
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        let (stream, _) = timeout_at(deadline, listener.accept()).await.map_err(late)??;
        Self::over(stream)
    }

    fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let stream = Arc::new(stream);
        let shared = Arc::new(Shared::default());
        let reader = tokio::spawn(read(Arc::clone(&stream), Arc::clone(&shared)));
        Ok(Self { stream, shared, reader })
    }

    /// What has come so far.
    pub(super) fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.shared.inbox()
    }

    /// Waits until a look at what came gives something; `None` when the deadline passes before.
    pub(super) async fn watch<T>(
        &self,
        deadline: Instant,
        mut look: impl FnMut(&mut Inbox) -> Option<T>,
    ) -> Option<T> {
        loop {
            let arrived = self.shared.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            if let Some(found) = look(&mut self.inbox()) {
                return Some(found);
            }
            if timeout_at(deadline, arrived).await.is_err() {
                return look(&mut self.inbox());
            }
        }
    }

    /// Lets more come than is read ahead otherwise: as much as the case waits for.
    pub(super) fn want(&self, count: usize) {
        let mut inbox = self.inbox();
        inbox.wanted = count;
        inbox.compact();
        if !inbox.is_full() {
            self.shared.room.notify_one();
        }
    }

    /// Sends bytes at once. Fails when the peer takes nothing for `patience`.
    pub(super) async fn send(&self, bytes: &[u8], patience: Duration) -> Sent {
        self.send_all(&[Stretch::Bytes(bytes.to_vec())], None, patience).await
    }

    /// Encrypts the connection from here on, which takes an exchange with the peer if it is TLS.
    ///
    /// # Errors
    ///
    /// How the connection ended instead; `None` when the deadline passed.
    pub(super) async fn secure(
        &self,
        layer: Layer,
        deadline: Instant,
        patience: Duration,
    ) -> Result<(), Option<End>> {
        if let Err(reason) = self.inbox().put_on(layer) {
            return Err(Some(End::Unopened(reason)));
        }
        loop {
            let hello = self.inbox().layer().map(Layer::outgoing).unwrap_or_default();
            // Whether it was taken the answer tells.
            let _ = self.send_piece(&hello, patience, &mut 0).await;
            let ended = self
                .watch(deadline, |inbox| match inbox.layer() {
                    None => Some(None),
                    Some(layer) if layer.is_ready() || layer.wants_to_send() => Some(None),
                    Some(layer) => {
                        let refused = layer.refused().map(|alert| End::Refused(alert.to_owned()));
                        refused.or_else(|| inbox.end().map(|(end, _)| end.clone())).map(Some)
                    }
                })
                .await;
            match ended {
                None => return Err(None),
                Some(Some(end)) => return Err(Some(end)),
                Some(None) if self.inbox().layer().is_none_or(|layer| layer.is_ready()) => return Ok(()),
                Some(None) => {}
            }
        }
    }

    /// A message as it goes over the network. `header` is the size of what stands before its data.
    ///
    /// # Errors
    ///
    /// Why it cannot be encrypted.
    pub(super) fn seal(&self, message: &[u8], header: usize) -> Result<Vec<u8>, String> {
        match self.inbox().layer() {
            Some(layer) => layer.seal(message, header),
            None => Ok(message.to_vec()),
        }
    }

    /// A message as an AES frame with one thing wrong.
    ///
    /// # Errors
    ///
    /// As of [`Layer::seal_damaged`]; the connection is not encrypted.
    pub(super) fn seal_damaged(
        &self,
        message: &[u8],
        header: usize,
        damage: &Damage,
    ) -> Result<Vec<u8>, String> {
        match self.inbox().layer() {
            Some(layer) => layer.seal_damaged(message, header, damage),
            None => Err("there is no AES on this connection".to_owned()),
        }
    }

    /// Whether messages are encrypted.
    pub(super) fn is_secure(&self) -> bool {
        self.inbox().layer().is_some()
    }

    /// Sends bytes, all at once or so many a write with a pause between. Fails when the peer takes nothing for
    /// `patience`.
    pub(super) async fn send_all(
        &self,
        stretches: &[Stretch],
        pace: Option<(usize, Duration)>,
        patience: Duration,
    ) -> Sent {
        let before = Instant::now();
        let mut count = 0;
        let failure = match pace {
            Some((piece, pause)) => self.send_in_pieces(stretches, piece, pause, patience, &mut count).await,
            None => self.send_stretches(stretches, patience, &mut count).await,
        };
        Sent { before, after: Instant::now(), count, failure: failure.err() }
    }

    async fn send_in_pieces(
        &self,
        stretches: &[Stretch],
        piece: usize,
        pause: Duration,
        patience: Duration,
        count: &mut usize,
    ) -> Result<(), SendFailure> {
        let mut bytes = Vec::new();
        stretches.iter().for_each(|stretch| stretch.write_to(&mut bytes));
        for (number, piece) in bytes.chunks(piece.max(1)).enumerate() {
            if number > 0 && !pause.is_zero() {
                sleep(pause).await;
                if self.inbox().end().is_some() {
                    return Err(SendFailure::Ended);
                }
            }
            self.send_piece(piece, patience, count).await?;
        }
        Ok(())
    }

    async fn send_stretches(
        &self,
        stretches: &[Stretch],
        patience: Duration,
        count: &mut usize,
    ) -> Result<(), SendFailure> {
        for stretch in stretches {
            match stretch {
                Stretch::Bytes(bytes) => self.send_piece(bytes, patience, count).await?,
                Stretch::Repeated { byte, count: all } => {
                    let block = vec![*byte; BLOCK.min(*all)];
                    let mut left = *all;
                    while left > 0 {
                        let some = left.min(block.len());
                        self.send_piece(&block[..some], patience, count).await?;
                        left -= some;
                    }
                }
            }
        }
        Ok(())
    }

    async fn send_piece(
        &self,
        piece: &[u8],
        patience: Duration,
        count: &mut usize,
    ) -> Result<(), SendFailure> {
        let mut sent = 0;
        while sent < piece.len() {
            match self.stream.try_write(&piece[sent..]) {
                Ok(some) => {
                    sent += some;
                    *count += some;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    match timeout(patience, self.stream.writable()).await {
                        Ok(Ok(())) => {}
                        // How it ended the reader tells.
                        Ok(Err(_)) => return Err(SendFailure::Ended),
                        Err(_) => return Err(SendFailure::Stuck),
                    }
                }
                Err(_) => return Err(SendFailure::Ended),
            }
        }
        Ok(())
    }

    /// Sends a FIN, and goes on reading.
    pub(super) fn shut_down(&self) {
        let last = self.inbox().layer().map(Layer::seal_end).unwrap_or_default();
        let _ = self.stream.try_write(&last);
        // It may have ended already.
        let _ = rustix::net::shutdown(&*self.stream, rustix::net::Shutdown::Write);
    }

    /// Closes both directions.
    pub(super) async fn close(self) {
        self.shut_down();
        self.dismantle().await;
    }

    /// Breaks it off: the peer gets an RST.
    pub(super) async fn reset(self) {
        let linger = rustix::net::sockopt::set_socket_linger(&*self.stream, Some(Duration::ZERO));
        if linger.is_err() {
            self.shut_down();
        }
        self.dismantle().await;
    }

    /// Drops both owners of the socket, so that it is closed when this returns.
    async fn dismantle(mut self) {
        self.reader.abort();
        let _ = (&mut self.reader).await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read(stream: Arc<TcpStream>, shared: Arc<Shared>) {
    loop {
        while shared.inbox().is_full() {
            shared.room.notified().await;
        }
        if let Err(error) = stream.readable().await {
            return finish(&shared, End::from(&error));
        }
        let mut inbox = shared.inbox();
        let room = inbox.wanted.saturating_sub(inbox.unread().len()).clamp(READ_SIZE, READ_AHEAD);
        let secure = inbox.layer.is_some();
        let Inbox { bytes, raw, .. } = &mut *inbox;
        let into = if secure { raw } else { bytes };
        if into.capacity() - into.len() < READ_SIZE {
            into.reserve(room);
        }
        match stream.try_read_buf(into) {
            Ok(0) => {
                drop(inbox);
                return finish(&shared, End::Fin);
            }
            Ok(_) => {
                let opened = inbox.open();
                inbox.arrived(Instant::now());
                drop(inbox);
                shared.arrived.notify_waiters();
                if let Err(reason) = opened {
                    return finish(&shared, End::Unopened(reason));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                drop(inbox);
                return finish(&shared, End::from(&error));
            }
        }
    }
}

fn finish(shared: &Shared, end: End) {
    shared.inbox().ended(end, Instant::now());
    shared.arrived.notify_waiters();
}
