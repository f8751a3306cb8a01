//! The harness's ends of a segment's two rings, each on a thread of its own, behind the face of a
//! [`Connection`](super::connection::Connection).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use iaspec_shm::{Error, Interrupter, Receiver, Sender, Wait, WriteError};
use tokio::sync::oneshot;

use super::connection::{End, Feed, SendFailure};

/// How much is read at once.
const READ_SIZE: usize = 64 << 10;

/// How long the reader rests while nobody takes what it has read.
const REST: Duration = Duration::from_millis(1);

/// The rings of a segment.
#[derive(Debug)]
pub(super) struct Ring {
    jobs: mpsc::Sender<Job>,
    reading: Interrupter,
    writing: Interrupter,
    orders: Arc<Orders>,
}

/// What the threads are told.
#[derive(Debug, Default)]
struct Orders {
    /// Both end.
    stop: AtomicBool,
    /// Nothing is read any more.
    rest: AtomicBool,
}

#[derive(Debug)]
enum Job {
    Write { bytes: Vec<u8>, patience: Duration, done: oneshot::Sender<(usize, Option<SendFailure>)> },
    Close,
}

impl Ring {
    /// Takes over the ends of a segment.
    ///
    /// # Errors
    ///
    /// No thread can be started.
    pub(super) fn new(sender: Sender, receiver: Receiver, feed: Feed) -> std::io::Result<Self> {
        let (jobs, waiting) = mpsc::channel();
        let (reading, writing) = (receiver.interrupter(), sender.interrupter());
        let orders = Arc::new(Orders::default());
        let (told, for_writer) = (Arc::clone(&orders), feed.clone());
        thread::Builder::new()
            .name("ring writer".to_owned())
            .spawn(move || write(sender, &waiting, &told, &for_writer))?;
        let told = Arc::clone(&orders);
        thread::Builder::new()
            .name("ring reader".to_owned())
            .spawn(move || feed.end(read(receiver, &told, &feed)))?;
        Ok(Self { jobs, reading, writing, orders })
    }

    /// Writes bytes, which are published together as far as they fit. Counts those that were taken.
    pub(super) async fn send(
        &self,
        bytes: &[u8],
        patience: Duration,
        count: &mut usize,
    ) -> Result<(), SendFailure> {
        let (done, outcome) = oneshot::channel();
        if self.jobs.send(Job::Write { bytes: bytes.to_vec(), patience, done }).is_err() {
            return Err(SendFailure::Ended);
        }
        let (written, failure) = outcome.await.map_err(|_| SendFailure::Ended)?;
        *count += written;
        failure.map_or(Ok(()), Err)
    }

    /// Says that no more bytes will come.
    pub(super) fn close(&self) {
        // Who has ended already has closed.
        let _ = self.jobs.send(Job::Close);
    }

    /// Reads nothing more.
    pub(super) fn read_no_more(&self) {
        self.orders.rest.store(true, Ordering::SeqCst);
        self.reading.interrupt();
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.orders.stop.store(true, Ordering::SeqCst);
        self.close();
        self.reading.interrupt();
        self.writing.interrupt();
    }
}

fn write(mut sender: Sender, jobs: &mpsc::Receiver<Job>, orders: &Orders, feed: &Feed) {
    // Dropped at the end, it is closed.
    while let Ok(Job::Write { bytes, patience, done }) = jobs.recv() {
        if orders.stop.load(Ordering::SeqCst) {
            return;
        }
        let outcome = match sender.write_all(&bytes, &Wait::at_most(patience)) {
            Ok(()) => (bytes.len(), None),
            Err(WriteError { written, cause }) => {
                if let Error::Broken(broken) = &cause {
                    feed.end(End::Broken(broken.to_string()));
                }
                let failure = match cause {
                    Error::Deadline => SendFailure::Stuck,
                    _ => SendFailure::Ended,
                };
                (written, Some(failure))
            }
        };
        // Whoever asked may have gone.
        let _ = done.send(outcome);
    }
}

/// Reads until the end, which it gives.
fn read(mut receiver: Receiver, orders: &Orders, feed: &Feed) -> End {
    let mut buffer = vec![0; READ_SIZE];
    loop {
        if orders.stop.load(Ordering::SeqCst) {
            return End::Broken("the harness has ended it".to_owned());
        }
        if orders.rest.load(Ordering::SeqCst) || feed.is_full() {
            thread::sleep(REST);
            continue;
        }
        match receiver.read(&mut buffer, &Wait::forever()) {
            Ok(0) => return End::Fin,
            Ok(count) => feed.push(&buffer[..count]),
            Err(Error::Interrupted | Error::Deadline) => {}
            Err(Error::PeerDied { .. }) => return End::Died,
            Err(error) => return End::Broken(error.to_string()),
        }
    }
}
