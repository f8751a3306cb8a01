//! One connection between the harness and a subject: what was sent, what came and when.
//!
//! A task reads as bytes come, so that the time of each is known although the case looks at them later. It reads
//! ahead by a bounded amount only: beyond that a client whose steps expect nothing does not read. Towards a host the
//! bytes go through the rings of a segment instead of a socket.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::inbox::READ_AHEAD;
pub(crate) use super::inbox::{End, Inbox};
use super::ring::Ring;
use super::secure::{Damage, Layer};
use crate::hex_text::Stretch;

/// How much is read at once, at least.
const READ_SIZE: usize = 4 << 10;

/// How much of a long repetition is written at once.
const BLOCK: usize = 256 << 10;

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
pub(crate) struct Sent {
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
pub(crate) enum SendFailure {
    /// The connection had ended.
    Ended,
    /// The peer took nothing for too long.
    Stuck,
}

/// Where what comes is put, by whoever reads it.
#[derive(Clone, Debug)]
pub(super) struct Feed(Arc<Shared>);

impl Feed {
    /// Whether so much has come that no more is to be read for now.
    pub(super) fn is_full(&self) -> bool {
        self.0.inbox().is_full()
    }

    /// Takes bytes that came now.
    pub(super) fn push(&self, bytes: &[u8]) {
        let mut inbox = self.0.inbox();
        inbox.bytes.extend_from_slice(bytes);
        inbox.arrived(Instant::now());
        drop(inbox);
        self.0.arrived.notify_waiters();
    }

    /// Takes the end, unless it came before.
    pub(super) fn end(&self, end: End) {
        finish(&self.0, end);
    }
}

/// What the bytes go over.
#[derive(Debug)]
enum Carrier {
    /// A socket, with the task that reads from it.
    Socket(Arc<TcpStream>, JoinHandle<()>),
    /// The rings of a segment.
    Rings(Ring),
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    carrier: Carrier,
    shared: Arc<Shared>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// What the system says, `TimedOut` when it says nothing in time.
    pub(crate) async fn open(to: SocketAddr, from: Option<IpAddr>, within: Duration) -> io::Result<Self> {
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
        Ok(Self { carrier: Carrier::Socket(stream, reader), shared })
    }

    /// Takes over the harness's ends of a segment.
    ///
    /// # Errors
    ///
    /// As of [`Ring::new`].
    pub(super) fn over_rings(sender: iaspec_shm::Sender, receiver: iaspec_shm::Receiver) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let ring = Ring::new(sender, receiver, Feed(Arc::clone(&shared)))?;
        Ok(Self { carrier: Carrier::Rings(ring), shared })
    }

    /// The rings, if it goes over some.
    pub(super) fn rings(&self) -> Option<&Ring> {
        match &self.carrier {
            Carrier::Rings(ring) => Some(ring),
            Carrier::Socket(..) => None,
        }
    }

    /// What has come so far.
    pub(crate) fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.shared.inbox()
    }

    /// Waits until a look at what came gives something; `None` when the deadline passes before.
    pub(crate) async fn watch<T>(
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
    pub(crate) async fn send(&self, bytes: &[u8], patience: Duration) -> Sent {
        self.send_all(&[Stretch::Bytes(bytes.to_vec())], None, patience).await
    }

    /// Encrypts the connection from here on, which takes an exchange with the peer if it is TLS; what that sends goes out at
    /// the given pace.
    ///
    /// # Errors
    ///
    /// How the connection ended instead; `None` when the deadline passed.
    pub(crate) async fn secure(
        &self,
        layer: Layer,
        deadline: Instant,
        pace: Option<(usize, Duration)>,
        patience: Duration,
    ) -> Result<(), Option<End>> {
        if let Err(reason) = self.inbox().put_on(layer) {
            return Err(Some(End::Unopened(reason)));
        }
        loop {
            let hello = self.inbox().layer().map(Layer::outgoing).unwrap_or_default();
            // Whether it was taken the answer tells.
            let _ = self.send_all(&[Stretch::Bytes(hello)], pace, patience).await;
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
    pub(crate) fn seal(&self, message: &[u8], header: usize) -> Result<Vec<u8>, String> {
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
        let stream = match &self.carrier {
            Carrier::Socket(stream, _) => stream,
            Carrier::Rings(ring) => return ring.send(piece, patience, count).await,
        };
        let mut sent = 0;
        while sent < piece.len() {
            match stream.try_write(&piece[sent..]) {
                Ok(some) => {
                    sent += some;
                    *count += some;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    match timeout(patience, stream.writable()).await {
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

    /// Sends a FIN, or closes the ring, and goes on reading.
    pub(crate) fn shut_down(&self) {
        let stream = match &self.carrier {
            Carrier::Socket(stream, _) => stream,
            Carrier::Rings(ring) => return ring.close(),
        };
        let last = self.inbox().layer().map(Layer::seal_end).unwrap_or_default();
        let _ = stream.try_write(&last);
        // It may have ended already.
        let _ = rustix::net::shutdown(&**stream, rustix::net::Shutdown::Write);
    }

    /// Closes both directions.
    pub(crate) async fn close(self) {
        self.shut_down();
        self.dismantle().await;
    }

    /// Breaks it off: the peer gets an RST.
    pub(super) async fn reset(self) {
        if let Carrier::Socket(stream, _) = &self.carrier
            && rustix::net::sockopt::set_socket_linger(&**stream, Some(Duration::ZERO)).is_err()
        {
            self.shut_down();
        }
        self.dismantle().await;
    }

    /// Drops both owners of the socket, so that it is closed when this returns.
    async fn dismantle(mut self) {
        if let Carrier::Socket(_, reader) = &mut self.carrier {
            reader.abort();
            let _ = reader.await;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Carrier::Socket(_, reader) = &self.carrier {
            reader.abort();
        }
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
