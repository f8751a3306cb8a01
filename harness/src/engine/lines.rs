//! Lines of JSON to and from a subject process: bounded in memory, and in the time that a subject may
//! leave requests unanswered.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep_until};

use super::{Breakdown, Interrupt};
use crate::subject::{Ground, Manifest, Process, Wiring};

/// The longest line that the contract allows, in bytes.
pub(super) const LONGEST_LINE: usize = 16 << 20;

/// How much is read at once.
const READ_SIZE: usize = 256 << 10;

/// Moving this much counts as progress, even if no line is complete yet.
const PROGRESS: usize = 1 << 20;

/// How long a process whose output ended may take to end itself.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// Why waiting for a line came to an end without one.
pub(super) enum NoLine {
    /// The subject broke down.
    Broken(Breakdown),
    /// Somebody wants the run to end.
    Interrupted,
}

/// A line protocol with a subject.
pub(super) struct Lines {
    pub(super) process: Process,
    _ground: Ground,
    outgoing: Vec<u8>,
    sent: usize,
    incoming: Vec<u8>,
    /// Where the first line that was not taken yet begins.
    taken: usize,
    /// Up to where no line end is.
    scanned: usize,
}

impl Lines {
    /// Starts a subject.
    ///
    /// # Errors
    ///
    /// As of [`Process::start`].
    pub(super) fn start(manifest: &Manifest) -> Result<Self, String> {
        let ground = Ground::new()?;
        let process = Process::start(manifest, &ground.values(), Wiring::Lines)?;
        let (outgoing, incoming) = (Vec::new(), Vec::new());
        Ok(Self { process, _ground: ground, outgoing, sent: 0, incoming, taken: 0, scanned: 0 })
    }

    /// Adds a line to what is sent.
    pub(super) fn queue(&mut self, parts: &[&[u8]]) {
        if self.sent == self.outgoing.len() {
            self.outgoing.clear();
            self.sent = 0;
        }
        parts.iter().for_each(|part| self.outgoing.extend_from_slice(part));
        self.outgoing.push(b'\n');
    }

    /// How many bytes wait to be sent.
    pub(super) fn backlog(&self) -> usize {
        self.outgoing.len() - self.sent
    }

    /// The next complete line that has come, as a place in [`Self::text`].
    pub(super) fn next_line(&mut self) -> Option<std::ops::Range<usize>> {
        let from = self.scanned.max(self.taken);
        let Some(length) = memchr::memchr(b'\n', &self.incoming[from..]) else {
            self.scanned = self.incoming.len();
            return None;
        };
        let line = self.taken..from + length;
        self.taken = from + length + 1;
        self.scanned = self.taken;
        Some(line)
    }

    /// The bytes of a line.
    pub(super) fn text(&self, line: std::ops::Range<usize>) -> &[u8] {
        &self.incoming[line]
    }

    /// Sends and receives until a complete line has come.
    pub(super) async fn exchange(
        &mut self,
        patience: Duration,
        interrupt: &mut Interrupt,
    ) -> Result<(), NoLine> {
        self.make_room();
        let mut deadline = Instant::now() + patience;
        let mut moved = 0;
        loop {
            if memchr::memchr(b'\n', &self.incoming[self.scanned..]).is_some() {
                return Ok(());
            }
            self.scanned = self.incoming.len();
            if self.incoming.len() - self.taken > LONGEST_LINE {
                let start = String::from_utf8_lossy(&self.incoming[self.taken..][..256]).into_owned();
                return Err(NoLine::Broken(Breakdown::LineTooLong { start }));
            }
            moved += match self.step(deadline, patience, interrupt).await? {
                Moved::Bytes(count) => count,
                Moved::InputClosed => 0,
            };
            if moved >= PROGRESS {
                moved = 0;
                deadline = Instant::now() + patience;
            }
        }
    }

    async fn step(
        &mut self,
        deadline: Instant,
        patience: Duration,
        interrupt: &mut Interrupt,
    ) -> Result<Moved, NoLine> {
        self.incoming.reserve(READ_SIZE);
        let Self { process, outgoing, sent, incoming, .. } = self;
        let Process { stdin, stdout, .. } = process;
        let unsent = &outgoing[*sent..];
        let write = async {
            match stdin.as_mut() {
                Some(stdin) if !unsent.is_empty() => stdin.write(unsent).await,
                _ => std::future::pending().await,
            }
        };
        let read = async {
            match stdout.as_mut() {
                Some(stdout) => stdout.read_buf(incoming).await,
                None => Ok(0),
            }
        };
        tokio::select! {
            read = read => match read {
                Ok(0) | Err(_) => Err(NoLine::Broken(self.ended().await)),
                Ok(count) => Ok(Moved::Bytes(count)),
            },
            written = write => match written {
                Ok(count) => {
                    *sent += count;
                    Ok(Moved::Bytes(count))
                }
                // It no longer reads. What it still says may tell why; if it says nothing, it is silent.
                Err(_) => {
                    *stdin = None;
                    Ok(Moved::InputClosed)
                }
            },
            () = sleep_until(deadline) => Err(NoLine::Broken(Breakdown::Silent(patience))),
            () = interrupt.wait() => Err(NoLine::Interrupted),
        }
    }

    async fn ended(&mut self) -> Breakdown {
        let partial = String::from_utf8_lossy(&self.incoming[self.taken..]).into_owned();
        match self.process.ended_within(ENDS_WITHIN).await {
            Some(ending) => Breakdown::Ended { ending, partial },
            None => Breakdown::ClosedOutput,
        }
    }

    fn make_room(&mut self) {
        self.incoming.drain(..self.taken);
        self.scanned -= self.taken;
        self.taken = 0;
        // A long line must not be paid for until the end of the run.
        if self.incoming.len() < READ_SIZE && self.incoming.capacity() > LONGEST_LINE {
            self.incoming.shrink_to(PROGRESS);
        }
    }
}

enum Moved {
    Bytes(usize),
    InputClosed,
}
