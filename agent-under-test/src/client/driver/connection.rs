//! A connection's socket, its operations, and the machine between them.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, Sleep, sleep_until};

use super::answers::answer;
use super::request::Connect;
use crate::client::core::{Connection, Failure, Kind, Operation, OperationId};
use crate::log::Log;
use crate::parting::part;

/// Bytes read at once.
const READ_SIZE: usize = 64 << 10;

/// Who asked for an operation, with its share of the memory.
#[derive(Debug)]
pub(super) struct Asked {
    /// The id of the request.
    pub(super) id: Box<RawValue>,
    /// Given back when the operation is over.
    pub(super) permit: OwnedSemaphorePermit,
}

/// An operation for a connection.
#[derive(Debug)]
pub(super) struct Given {
    /// Who asked for it.
    pub(super) asked: Asked,
    /// What to do.
    pub(super) operation: Operation,
    /// How long it may take.
    pub(super) timeout: Duration,
}

/// What surrounds a connection.
pub(super) struct Surroundings {
    /// The number that operations call it by.
    pub(super) number: u64,
    /// Where answers go.
    pub(super) answers: mpsc::Sender<String>,
    /// What is told to people.
    pub(super) log: Arc<Log>,
    /// Held as long as the connection, or its socket, is there.
    pub(super) alive: mpsc::Sender<()>,
}

/// The way to the agent.
enum Link {
    /// It is being made.
    Connecting(Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>),
    /// It is there.
    Up(TcpStream),
    /// There is none any more.
    Down,
}

/// Makes a connection and does what it is given, until it is closed or nothing more is given. One that failed
/// stays, to say why.
pub(super) async fn serve(
    connect: Connect,
    asked: Asked,
    timeout: Duration,
    given: mpsc::UnboundedReceiver<Given>,
    surroundings: Surroundings,
) {
    let Connect { host, port, terms } = connect;
    let started = Instant::now();
    let id = OperationId(0);
    let client = Client {
        connection: Connection::new(terms, id, timeout, Duration::ZERO),
        started,
        given,
        all_given: false,
        asked: HashMap::from([(id, asked)]),
        count: 0,
        peer: format!("{host}:{port}"),
        buffer: vec![0; READ_SIZE].into_boxed_slice(),
        surroundings,
    };
    let connecting = Box::pin(async move { TcpStream::connect((host.as_str(), port)).await });
    client.converse(Link::Connecting(connecting)).await;
}

struct Client {
    connection: Connection,
    started: Instant,
    given: mpsc::UnboundedReceiver<Given>,
    /// Nothing more will be given.
    all_given: bool,
    asked: HashMap<OperationId, Asked>,
    /// How many operations there were.
    count: u64,
    peer: String,
    buffer: Box<[u8]>,
    surroundings: Surroundings,
}

/// Nobody takes answers any more.
struct Unheard;

impl Client {
    async fn converse(mut self, mut link: Link) {
        let mut timer = pin!(sleep_until(self.started));
        loop {
            self.end_output(&mut link).await;
            if self.answer().await.is_err() {
                return;
            }
            if self.connection.is_over() {
                self.leave(&mut link);
            }
            if matches!(link, Link::Down) && (self.all_given || self.connection.is_closing()) {
                break;
            }
            poll_fn(|context| self.poll_step(context, &mut link, timer.as_mut())).await;
        }
        // What was given in the meantime is answered, too.
        self.given.close();
        while let Some(given) = self.given.recv().await {
            self.perform(given);
        }
        let _ = self.answer().await;
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn perform(&mut self, Given { asked, operation, timeout }: Given) {
        self.count += 1;
        let id = OperationId(self.count);
        self.asked.insert(id, asked);
        self.connection.perform(id, operation, timeout, self.now());
    }

    /// Tells what became of operations.
    async fn answer(&mut self) -> Result<(), Unheard> {
        while let Some((id, outcome)) = self.connection.take_outcome() {
            // Of the last close nobody wants to hear.
            let Some(Asked { id, permit }) = self.asked.remove(&id) else { continue };
            let line = answer(&id, self.surroundings.number, &outcome);
            drop(outcome);
            self.surroundings.answers.send(line).await.map_err(|_| Unheard)?;
            drop(permit);
        }
        Ok(())
    }

    async fn end_output(&mut self, link: &mut Link) {
        if let Link::Up(socket) = link
            && self.connection.ends_output()
        {
            // A socket that cannot be shut down is down already; reading tells why.
            let _ = socket.shutdown().await;
            self.connection.handle_output_ended();
        }
    }

    /// Closes the socket, if there is one. Its last bytes may take a while.
    fn leave(&mut self, link: &mut Link) {
        let left = std::mem::replace(link, Link::Down);
        if matches!(left, Link::Down) {
            return;
        }
        self.buffer = Box::default();
        if let (Some(Failure { kind, message }), false) =
            (self.connection.failure(), self.connection.is_closing())
        {
            let (number, peer) = (self.surroundings.number, &self.peer);
            self.surroundings.log.line(format_args!("connection {number} to {peer}: {kind}: {message}"));
        }
        if let Link::Up(mut socket) = left {
            let alive = self.surroundings.alive.clone();
            tokio::spawn(async move {
                part(&mut socket).await;
                drop(alive);
            });
        }
    }

    /// Lets happen what can; waits if nothing can.
    fn poll_step(&mut self, context: &mut Context<'_>, link: &mut Link, timer: Pin<&mut Sleep>) -> Poll<()> {
        let steps =
            [self.poll_given(context), self.poll_link(context, link), self.poll_deadline(context, timer)];
        if steps.iter().any(Poll::is_ready) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Takes all that is given, so that what is sent goes out in few writes.
    fn poll_given(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut result = Poll::Pending;
        while !self.all_given {
            match self.given.poll_recv(context) {
                Poll::Ready(Some(given)) => self.perform(given),
                Poll::Ready(None) => {
                    self.all_given = true;
                    self.count += 1;
                    let (id, timeout) = (OperationId(self.count), Duration::MAX);
                    self.connection.perform(id, Operation::Close, timeout, self.now());
                }
                Poll::Pending => break,
            }
            result = Poll::Ready(());
        }
        result
    }

    fn poll_link(&mut self, context: &mut Context<'_>, link: &mut Link) -> Poll<()> {
        match link {
            Link::Connecting(connecting) => {
                let Poll::Ready(connected) = connecting.as_mut().poll(context) else { return Poll::Pending };
                match connected {
                    Ok(socket) => {
                        // Without it messages are only slower.
                        let _ = socket.set_nodelay(true);
                        *link = Link::Up(socket);
                    }
                    Err(error) => self.connection.handle_failure(unconnected(&error), self.now()),
                }
                Poll::Ready(())
            }
            Link::Up(socket) => {
                let written = self.poll_write(context, socket).is_ready();
                let read = self.poll_read(context, socket).is_ready();
                if written || read { Poll::Ready(()) } else { Poll::Pending }
            }
            Link::Down => Poll::Pending,
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>, socket: &mut TcpStream) -> Poll<()> {
        if self.connection.output().is_empty() {
            return Poll::Pending;
        }
        let Poll::Ready(sent) = Pin::new(socket).poll_write(context, self.connection.output()) else {
            return Poll::Pending;
        };
        match sent {
            Ok(count) => self.connection.handle_sent(count, self.now()),
            Err(error) => self.connection.handle_output_failure(broken(&error)),
        }
        Poll::Ready(())
    }

    fn poll_read(&mut self, context: &mut Context<'_>, socket: &mut TcpStream) -> Poll<()> {
        if !self.connection.wants_input() {
            return Poll::Pending;
        }
        let mut buffer = ReadBuf::new(&mut self.buffer);
        let Poll::Ready(read) = Pin::new(socket).poll_read(context, &mut buffer) else {
            return Poll::Pending;
        };
        let now = self.started.elapsed();
        match (read, buffer.filled()) {
            (Err(error), _) => self.connection.handle_failure(broken(&error), now),
            (Ok(()), []) => self.connection.handle_end_of_input(now),
            (Ok(()), bytes) => self.connection.handle_input(bytes, now),
        }
        Poll::Ready(())
    }

    fn poll_deadline(&mut self, context: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<()> {
        let deadline = self.connection.deadline().and_then(|deadline| self.started.checked_add(deadline));
        let Some(deadline) = deadline else { return Poll::Pending };
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        if timer.poll(context).is_pending() {
            return Poll::Pending;
        }
        self.connection.handle_time(self.now());
        Poll::Ready(())
    }
}

/// Why a connection did not come about.
fn unconnected(error: &io::Error) -> Failure {
    let kind = match error.kind() {
        ErrorKind::TimedOut => Kind::Timeout,
        ErrorKind::ConnectionReset => Kind::Closed,
        _ => Kind::Refused,
    };
    Failure::new(kind, error.to_string())
}

/// Why a connection is no more.
fn broken(error: &io::Error) -> Failure {
    Failure::new(Kind::Closed, format!("the connection broke: {error}"))
}
