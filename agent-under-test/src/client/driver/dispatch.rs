//! Lines to operations, and those to their connections.

use std::collections::HashMap;
use std::io::{self, BufRead, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::BUDGET;
use super::answers;
use super::connection::{self, Asked, Given};
use super::request::{Connect, Request, Task};
use crate::client::core::{Failure, Kind, Operation, VectorSource};
use crate::line_protocol::{Input, MAX_LINE, Members, Usage, each_line, usable_id};
use crate::log::Log;

/// The timeout of a connect that names none, and with that of all on its connection that name none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// What the shortest line counts.
const SMALLEST_COST: usize = 256;

/// What becomes of lines.
pub(super) struct Dispatcher {
    runtime: Handle,
    answers: mpsc::Sender<String>,
    log: Arc<Log>,
    budget: Arc<Semaphore>,
    connections: HashMap<u64, Entry>,
    /// How many connections were wanted so far; the number of the last one.
    count: u64,
    /// With so many connections known, those that are closed are forgotten.
    tidy_at: usize,
    /// Every connection holds a copy, so that one can wait for the last to end.
    alive: mpsc::Sender<()>,
    /// Where the vectors of messages come from (AES-7).
    vectors: Arc<dyn VectorSource>,
}

/// A connection as far as it is known here.
struct Entry {
    given: mpsc::UnboundedSender<Given>,
    timeout: Duration,
}

impl Dispatcher {
    pub(super) fn new(
        runtime: Handle,
        answers: mpsc::Sender<String>,
        log: Log,
        alive: mpsc::Sender<()>,
        vectors: Arc<dyn VectorSource>,
    ) -> Self {
        let budget = Arc::new(Semaphore::new(BUDGET));
        let (log, connections) = (Arc::new(log), HashMap::new());
        Self { runtime, answers, log, budget, connections, count: 0, tidy_at: 64, alive, vectors }
    }

    /// Dispatches every line of `input` until it ends.
    pub(super) fn dispatch(&mut self, input: impl BufRead) -> io::Result<()> {
        each_line(input, |input| match input {
            Input::Pause => Ok(()),
            Input::Line(line) => self.line(line),
        })
    }

    fn line(&mut self, line: Result<&str, Usage>) -> io::Result<()> {
        let members = match line.and_then(|line| Ok((line.len(), Members::of_line(line)?))) {
            Ok((length, members)) => {
                usable_id(&members).map(ToOwned::to_owned).map(|id| (length, members, id))
            }
            Err(usage) => Err(usage),
        };
        match members {
            Ok((length, members, id)) => {
                let request = Request::from_members(&members, &self.vectors);
                self.request(id, request, length)
            }
            Err(usage) => self.answer(answers::error(None, &usage.into())),
        }
    }

    fn request(
        &mut self,
        id: Box<RawValue>,
        request: Result<Request, Failure>,
        length: usize,
    ) -> io::Result<()> {
        let Request { task, timeout } = match request {
            Ok(request) => request,
            Err(failure) => return self.answer(answers::error(Some(&id), &failure)),
        };
        match task {
            Task::Connect(connect) => {
                let asked = Asked { id, permit: self.permit(length)? };
                self.connect(connect, asked, timeout.unwrap_or(DEFAULT_TIMEOUT));
                Ok(())
            }
            Task::Operation { conn, operation } => self.operation(conn, operation, id, timeout, length),
        }
    }

    fn connect(&mut self, connect: Connect, asked: Asked, timeout: Duration) {
        self.tidy();
        self.count += 1;
        let (given, operations) = mpsc::unbounded_channel();
        self.connections.insert(self.count, Entry { given, timeout });
        let surroundings = connection::Surroundings {
            number: self.count,
            answers: self.answers.clone(),
            log: Arc::clone(&self.log),
            alive: self.alive.clone(),
        };
        self.runtime.spawn(connection::serve(connect, asked, timeout, operations, surroundings));
    }

    fn operation(
        &mut self,
        conn: u64,
        operation: Operation,
        id: Box<RawValue>,
        timeout: Option<Duration>,
        length: usize,
    ) -> io::Result<()> {
        let permit = self.permit(length)?;
        let unsent = match self.connections.get(&conn) {
            Some(entry) => {
                let timeout = timeout.unwrap_or(entry.timeout);
                entry.given.send(Given { asked: Asked { id, permit }, operation, timeout })
            }
            None => {
                let closed = (1..=self.count).contains(&conn);
                return self.answer(answers::error(Some(&id), &no_connection(conn, closed)));
            }
        };
        if let Err(mpsc::error::SendError(given)) = unsent {
            self.connections.remove(&conn);
            return self.answer(answers::error(Some(&given.asked.id), &no_connection(conn, true)));
        }
        Ok(())
    }

    /// Waits until the operations under way leave room for another line.
    fn permit(&self, length: usize) -> io::Result<OwnedSemaphorePermit> {
        let cost = u32::try_from(length.clamp(SMALLEST_COST, MAX_LINE)).unwrap_or(u32::MAX);
        let permit = self.runtime.block_on(Arc::clone(&self.budget).acquire_many_owned(cost));
        permit.map_err(io::Error::other)
    }

    fn answer(&self, answer: String) -> io::Result<()> {
        self.answers.blocking_send(answer).map_err(|_| ErrorKind::BrokenPipe.into())
    }

    /// Forgets connections that were closed, now and then.
    fn tidy(&mut self) {
        if self.connections.len() >= self.tidy_at {
            self.connections.retain(|_, entry| !entry.given.is_closed());
            self.tidy_at = 64.max(2 * self.connections.len());
        }
    }
}

fn no_connection(conn: u64, closed: bool) -> Failure {
    let what = if closed { "is closed" } else { "does not exist" };
    Failure::new(Kind::Usage, format!("connection {conn} {what}"))
}
