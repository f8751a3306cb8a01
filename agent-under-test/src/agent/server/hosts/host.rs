//! A host at work: a thread that starts it, reads from it and ends it, and one that writes to it.

#![allow(clippy::disallowed_methods, reason = "threads wait on rings, and an end takes real time")]

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use iaspec_shm::{Broken, Error, Interrupter, Link, Receiver, Sender, Wait};
use thiserror::Error;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::outlet::size;
use super::process::{Listen, Process};
use super::room::Room;
use crate::agent::core::{Forwarded, Product};
use crate::channel::{Channel, Inbox};
use crate::protocol::{Command, CommandHeader, Header, OpenError};

/// How long a host has to finish that is asked to, and one that has closed its rings to end.
const FINISH_WITHIN: Duration = Duration::from_secs(2);

/// How long clients that do not read are waited for when their host is gone already.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(2);

/// So many bytes may wait for a host; beyond that, connections wait for it (RTE-11).
const LIMIT: usize = 1 << 20;

/// Messages and bytes written to a ring in one go.
const BATCH_MESSAGES: usize = 64;
const BATCH_BYTES: usize = 128 << 10;

/// Bytes read from a ring at once: such a buffer stays near the processor.
const READ_SIZE: usize = 64 << 10;

/// Bytes of a frame before its data: length and command.
const HEAD: usize = 8;

/// A product's host in a session, from the moment that it is to be started.
#[derive(Debug)]
pub(in super::super) struct Host {
    pub(super) product: Product,
    status: watch::Sender<Status>,
    messages: UnboundedSender<Waiting>,
    /// Bytes that may still wait for it.
    budget: Arc<Semaphore>,
    running: OnceLock<(Link, Interrupter)>,
    /// By when it has to be gone, once it was asked to finish.
    finish_by: Mutex<Option<Instant>>,
    /// What the host has done to the ring to it that no host may do.
    broken: OnceLock<Broken>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Status {
    Starting,
    Running,
    Gone,
}

/// What waits for a host.
#[derive(Debug)]
pub(super) enum Waiting {
    /// A message with its part of the budget, which it gives back once it is in the ring.
    Message(Forwarded, OwnedSemaphorePermit),
    /// The end: the host is gone.
    End,
}

/// How a host is listened to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listening {
    pub(super) listen: Listen,
    pub(super) max_message: usize,
}

/// Why reading from a host ended.
#[derive(Debug, Error)]
pub(super) enum Ended {
    #[error("it has closed its rings")]
    Closed,
    #[error("it did not finish within {} s", FINISH_WITHIN.as_secs())]
    Overdue,
    #[error("it sent a bad frame: {0}")]
    BadFrame(#[from] OpenError),
    #[error(transparent)]
    Ring(Error),
}

impl Host {
    /// A host that is to be started, and the messages that come for it meanwhile.
    pub(super) fn new(product: Product) -> (Arc<Self>, UnboundedReceiver<Waiting>) {
        let (messages, waiting) = mpsc::unbounded_channel();
        let host = Self {
            product,
            status: watch::Sender::new(Status::Starting),
            messages,
            budget: Arc::new(Semaphore::new(LIMIT)),
            running: OnceLock::new(),
            finish_by: Mutex::default(),
            broken: OnceLock::new(),
        };
        (Arc::new(host), waiting)
    }

    /// Whose host it is.
    pub(in super::super) fn product(&self) -> Product {
        self.product
    }

    /// Waits until it runs, or has turned out not to; tells which.
    pub(super) async fn started(&self) -> bool {
        let mut status = self.status.subscribe();
        let known = status.wait_for(|status| *status != Status::Starting).await;
        known.is_ok_and(|status| *status == Status::Running)
    }

    /// Hands over a message at once if there is room; else gives it back.
    pub(in super::super) fn try_forward(&self, message: Forwarded) -> Result<(), Forwarded> {
        match Arc::clone(&self.budget).try_acquire_many_owned(price(&message)) {
            Ok(part) => {
                self.hand_over(message, part);
                Ok(())
            }
            Err(_) => Err(message),
        }
    }

    /// Hands over a message once there is room. What comes for a host that is gone is lost, and its clients are told.
    pub(in super::super) async fn forward(self: Arc<Self>, message: Forwarded) {
        if let Ok(part) = Arc::clone(&self.budget).acquire_many_owned(price(&message)).await {
            self.hand_over(message, part);
        }
    }

    fn hand_over(&self, message: Forwarded, part: OwnedSemaphorePermit) {
        // Nobody takes it from a host that is gone.
        let _ = self.messages.send(Waiting::Message(message, part));
    }

    /// Asks it to finish; it is killed if that takes too long.
    pub(super) fn finish(&self) {
        let mut finish_by = self.finish_by.lock().unwrap_or_else(PoisonError::into_inner);
        finish_by.get_or_insert_with(|| Instant::now() + FINISH_WITHIN);
        drop(finish_by);
        self.ask_to_finish();
    }

    fn ask_to_finish(&self) {
        if let Some((link, interrupter)) = self.running.get()
            && self.is_to_finish()
        {
            link.request_close();
            interrupter.interrupt();
        }
    }

    /// Whether it was asked to finish.
    pub(super) fn is_to_finish(&self) -> bool {
        self.finish_by().is_some()
    }

    fn finish_by(&self) -> Option<Instant> {
        *self.finish_by.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works until the host is gone, and tells why it is. To be called on a thread of its own.
    pub(super) fn work(
        self: &Arc<Self>,
        process: &mut Process,
        ends: (Sender, Receiver),
        waiting: UnboundedReceiver<Waiting>,
        room: &Room,
        listening: Listening,
    ) -> Ended {
        let (sender, receiver) = ends;
        let interrupter = receiver.interrupter();
        let _ = self.running.set((process.segment.link().clone(), interrupter));
        self.status.send_replace(Status::Running);
        // It may have been asked to finish while it started.
        self.ask_to_finish();
        let writing = Arc::clone(self);
        let writer = thread::spawn(move || {
            if let Err(Error::Broken(broken)) = write(sender, waiting) {
                writing.breaks(broken);
            }
        });
        let ended = self.read(receiver, room, listening);
        let now = Instant::now();
        let patience = match ended {
            Ended::Closed | Ended::Ring(Error::PeerDied { .. }) => {
                self.finish_by().unwrap_or(now + FINISH_WITHIN).saturating_duration_since(now)
            }
            _ => Duration::ZERO,
        };
        process.end(patience);
        // Its reading end is gone with it, so that the writer does not wait for that.
        let _ = self.messages.send(Waiting::End);
        let _ = writer.join();
        ended
    }

    /// Ends the session of a host that keeps no promises, which only the reader can.
    fn breaks(&self, broken: Broken) {
        let _ = self.broken.set(broken);
        if let Some((_, interrupter)) = self.running.get() {
            interrupter.interrupt();
        }
    }

    /// It is gone, or never came to run.
    pub(super) fn is_gone(&self) {
        self.status.send_replace(Status::Gone);
        self.budget.close();
    }

    /// Reads messages and gives them to the clients until nothing more comes.
    fn read(&self, mut receiver: Receiver, room: &Room, listening: Listening) -> Ended {
        let Listening { listen, max_message } = listening;
        let mut inbox = Inbox::default();
        let mut buffer = vec![0; READ_SIZE];
        let clear = Channel::Clear;
        loop {
            let wait = self.finish_by().map_or(Wait::forever(), Wait::until);
            let announced = clear.announced::<CommandHeader>(inbox.bytes(), max_message);
            let read = match inbox.space(announced, READ_SIZE) {
                Some(space) => listen(&mut receiver, space, &wait).inspect(|count| inbox.came(*count)),
                None => listen(&mut receiver, &mut buffer, &wait)
                    .inspect(|count| inbox.extend(&buffer[..*count], announced)),
            };
            match read {
                Ok(0) => return Ended::Closed,
                Ok(_) => {}
                Err(Error::Interrupted) => match self.broken.get() {
                    Some(broken) => return Ended::Ring(broken.clone().into()),
                    None => continue,
                },
                Err(Error::Deadline) => return Ended::Overdue,
                Err(error) => return Ended::Ring(error),
            }
            if let Err(error) = self.hand_out(&mut inbox, receiver.link(), room, max_message) {
                return error.into();
            }
        }
    }

    /// Gives the whole messages in the inbox to the clients.
    fn hand_out(
        &self,
        inbox: &mut Inbox,
        link: &Link,
        room: &Room,
        max_message: usize,
    ) -> Result<(), OpenError> {
        let mut clear = Channel::Clear;
        while let Some(size) = clear.size::<CommandHeader>(inbox.bytes(), max_message)?
            && size <= inbox.bytes().len()
        {
            let (header, data) = clear.open::<CommandHeader>(inbox.take(size))?;
            let message = Forwarded { product: self.product, command: header.command(), data };
            let mut ended_at = None;
            room.hand_out(&message, || {
                let now = Instant::now();
                if link.peer_has_ended() {
                    return now < *ended_at.get_or_insert(now + LAST_WORDS_WITHIN);
                }
                self.finish_by().is_none_or(|finish_by| now < finish_by)
            });
        }
        Ok(())
    }
}

/// What a message takes of the budget: no more than all of it.
fn price(message: &Forwarded) -> u32 {
    u32::try_from(size(message).min(LIMIT)).unwrap_or(u32::MAX)
}

/// Writes messages to the ring as they come, many small ones in one go, until the host is gone or reads no more.
///
/// # Errors
///
/// Why no more can be written.
fn write(mut sender: Sender, mut waiting: UnboundedReceiver<Waiting>) -> Result<(), Error> {
    let mut batch: Vec<(Forwarded, OwnedSemaphorePermit)> = Vec::new();
    while let Some(Waiting::Message(message, part)) = waiting.blocking_recv() {
        let mut bytes = message.data.len();
        batch.push((message, part));
        let mut is_last = false;
        while batch.len() < BATCH_MESSAGES && bytes < BATCH_BYTES {
            match waiting.try_recv() {
                Ok(Waiting::Message(message, part)) => {
                    bytes += message.data.len();
                    batch.push((message, part));
                }
                Ok(Waiting::End) => {
                    is_last = true;
                    break;
                }
                Err(_) => break,
            }
        }
        let heads: Vec<[u8; HEAD]> =
            batch.iter().map(|(message, _)| head(message.command, &message.data)).collect();
        let parts: Vec<&[u8]> = heads
            .iter()
            .zip(&batch)
            .flat_map(|(head, (message, _))| [head.as_slice(), message.data.as_ref()])
            .collect();
        sender.write_all_parts(&parts, &Wait::forever())?;
        if is_last {
            return Ok(());
        }
        batch.clear();
    }
    Ok(())
}

/// int32 data length, int32 command (contract, section 2).
fn head(command: Command, data: &Bytes) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    // What a client could send in a frame has a length that fits one.
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    head[..4].copy_from_slice(&length.to_le_bytes());
    head[4..].copy_from_slice(&command.0.to_le_bytes());
    head
}
