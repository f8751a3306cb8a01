//! A client's socket and the machine behind it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, sleep_until};

use super::Agent;
use super::hosts::{Heard, Host, Member};
use super::listener::Slot;
use crate::agent::core::{Connection, End, Forwarded, Product, Request};
use crate::parting::part;

/// Bytes read at once.
const READ_SIZE: usize = 64 << 10;

/// Bytes of a large message read at once.
const READ_IN_PLACE: usize = 256 << 10;

/// Pieces written at once.
const WRITE_PIECES: usize = 16;

thread_local! {
    /// Where bytes are read to, shared by all connections of a thread: one that is idle has no buffer.
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_SIZE].into_boxed_slice());
}

/// Serves a client until one of the two has enough.
pub(super) async fn serve_client(agent: &Arc<Agent>, mut socket: TcpStream, peer: SocketAddr, slot: Slot) {
    let connection = Connection::new(Arc::clone(&agent.policy), agent.now());
    let mut client = Client { agent, peer, connection, member: None, host: None, waiting: None };
    if client.converse(&mut socket, Connection::is_past_handshake).await.is_err() {
        return;
    }
    drop(slot);
    if client.converse(&mut socket, Connection::is_over).await.is_err() {
        return;
    }
    let Some(end) = client.connection.end().filter(|end| **end != End::Client) else { return };
    agent.log.line(format_args!("{peer}: ended: {end}"));
    if client.connection.is_acknowledged() {
        part(&mut socket).await;
    }
}

/// What a conversation needs beside a stream of bytes.
struct Client<'a> {
    agent: &'a Arc<Agent>,
    peer: SocketAddr,
    connection: Connection,
    /// Its place in a session, once it has one.
    member: Option<Member>,
    /// The host that its last message went to.
    host: Option<Arc<Host>>,
    /// What its later messages wait for.
    waiting: Option<Waiting>,
}

/// Something that takes its time.
enum Waiting {
    /// An update. It goes on even if the client leaves.
    Update(JoinHandle<()>),
    /// A place in a product's session.
    Session(Product, Pin<Box<dyn Future<Output = Option<Member>> + Send>>),
    /// Room for a message on its way to a host.
    Room(Pin<Box<dyn Future<Output = ()> + Send>>),
}

impl Client<'_> {
    /// Has the connection talk over a stream until it is as far as `done` says.
    async fn converse<S>(&mut self, stream: &mut S, done: fn(&Connection) -> bool) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut timer = pin!(sleep_until(self.agent.started));
        loop {
            self.meet_requests();
            if done(&self.connection) {
                return Ok(());
            }
            poll_fn(|context| self.poll_step(context, stream, timer.as_mut())).await?;
        }
    }

    fn meet_requests(&mut self) {
        for refused in self.connection.take_refusals() {
            self.agent.log.line(format_args!("{}: refused an update: {refused}", self.peer));
        }
        if self.connection.is_client()
            && let Some(member) = self.member.as_mut().filter(|member| member.hearing().is_none())
        {
            member.enter(None);
        }
        // Meeting one may bring the next.
        while let Some(request) = self.connection.take_request() {
            self.meet(request);
        }
    }

    fn meet(&mut self, request: Request) {
        let now = self.agent.now();
        match request {
            Request::Session(wanted) => {
                let member = Member::join(self.agent, wanted);
                self.connection.handle_session(member.session, now);
                self.member = Some(member);
            }
            Request::Update(update) => {
                let update = Arc::clone(self.agent).update(update, self.peer);
                self.waiting = Some(Waiting::Update(tokio::spawn(update)));
            }
            Request::Open(product, wanted) => {
                let opening = Member::open(Arc::clone(self.agent), product, wanted);
                self.waiting = Some(Waiting::Session(product, Box::pin(opening)));
            }
            Request::Forward(message) => self.forward(message),
        }
    }

    /// Hands a message to its host, at once where there is room.
    fn forward(&mut self, message: Forwarded) {
        let product = message.product;
        if self.host.as_ref().is_none_or(|host| host.product() != product) {
            self.host = self.member.as_ref().and_then(|member| member.host(product));
        }
        let now = self.agent.now();
        let Some(host) = &self.host else { return self.connection.handle_no_host(product, now) };
        match host.try_forward(message) {
            Ok(()) => self.connection.handle_forwarded(now),
            Err(message) => {
                self.waiting = Some(Waiting::Room(Box::pin(Arc::clone(host).forward(message))));
            }
        }
    }

    /// Lets the first thing happen that can.
    fn poll_step<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut S,
        timer: Pin<&mut Sleep>,
    ) -> Poll<io::Result<()>> {
        if self.poll_waiting(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        if !self.connection.output().is_empty()
            && let Poll::Ready(sent) = self.poll_write(context, stream)
        {
            return Poll::Ready(sent);
        }
        if self.connection.wants_host_message() && self.poll_hosts(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        if self.connection.wants_input()
            && let Poll::Ready(read) = self.poll_read(context, stream)
        {
            return Poll::Ready(read);
        }
        ready!(self.poll_deadline(context, timer));
        Poll::Ready(Ok(()))
    }

    fn poll_waiting(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let now = self.agent.now();
        match &mut self.waiting {
            None => return Poll::Pending,
            Some(Waiting::Update(update)) => {
                // What became of it is in the log.
                let _ = ready!(Pin::new(update).poll(context));
                self.connection.handle_update_over(now);
            }
            Some(Waiting::Session(product, opening)) => {
                let member = ready!(opening.as_mut().poll(context));
                self.connection.handle_opened(*product, member.as_ref().map(|member| member.session), now);
                self.member = member;
            }
            Some(Waiting::Room(room)) => {
                ready!(room.as_mut().poll(context));
                self.connection.handle_forwarded(now);
            }
        }
        self.waiting = None;
        Poll::Ready(())
    }

    /// Takes what hosts have sent, as long as there is room for it.
    fn poll_hosts(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(hearing) = self.member.as_ref().and_then(Member::hearing) else { return Poll::Pending };
        let now = self.agent.now();
        let mut heard = Poll::Pending;
        while self.connection.wants_host_message()
            && let Poll::Ready(next) = hearing.poll(context)
        {
            match next {
                Heard::Message(message) => self.connection.handle_host_message(&message, now),
                Heard::Gone(product) => self.connection.handle_host_gone(product, now),
            }
            heard = Poll::Ready(());
        }
        heard
    }

    fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut S,
    ) -> Poll<io::Result<()>> {
        let mut pieces = [IoSlice::new(&[]); WRITE_PIECES];
        let mut count = 0;
        for (slot, piece) in pieces.iter_mut().zip(self.connection.output_pieces()) {
            *slot = IoSlice::new(piece);
            count += 1;
        }
        let sent = ready!(Pin::new(stream).poll_write_vectored(context, &pieces[..count]))?;
        self.connection.handle_sent(sent, self.agent.now());
        Poll::Ready(Ok(()))
    }

    fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut S,
    ) -> Poll<io::Result<()>> {
        if let Some(space) = self.connection.input_space(READ_IN_PLACE) {
            let mut buffer = ReadBuf::new(space);
            ready!(Pin::new(stream).poll_read(context, &mut buffer))?;
            let count = buffer.filled().len();
            let now = self.agent.now();
            match count {
                0 => self.connection.handle_end_of_input(now),
                _ => self.connection.handle_input_in_place(count, now),
            }
            return Poll::Ready(Ok(()));
        }
        READ_BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            ready!(Pin::new(stream).poll_read(context, &mut buffer))?;
            let now = self.agent.now();
            match buffer.filled() {
                [] => self.connection.handle_end_of_input(now),
                bytes => self.connection.handle_input(bytes, now),
            }
            Poll::Ready(Ok(()))
        })
    }

    fn poll_deadline(&mut self, context: &mut Context<'_>, mut timer: Pin<&mut Sleep>) -> Poll<()> {
        let Some(deadline) = self.connection.deadline() else { return Poll::Pending };
        let deadline: Instant = self.agent.started + deadline;
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        ready!(timer.poll(context));
        self.connection.handle_time(self.agent.now());
        Poll::Ready(())
    }
}
