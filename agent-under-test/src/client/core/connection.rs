//! A connection to an agent, from its first byte to its end.
//!
//! The methods are of four kinds. [`perform`](Connection::perform) gives an operation. `handle_…` tell what
//! happened and when: bytes came, bytes were sent, the time came. Getters tell what is to be done next: send
//! [`output`](Connection::output), end the output if it [`ends_output`](Connection::ends_output), read if it
//! [`wants_input`](Connection::wants_input), come back at the [`deadline`](Connection::deadline), close when it
//! [`is_over`](Connection::is_over). [`take_outcome`](Connection::take_outcome) tells what became of operations;
//! a connection that is over still gives outcomes: messages that came before its end, then why it ended.

use std::collections::VecDeque;
use std::time::Duration;

use super::failure::{Failure, Kind};
use super::mailbox::Mailbox;
use super::operation::{Answer, Established, Operation, OperationId};
use super::requests::{Question, Requests};
use super::terms::Terms;
use super::timers::Timers;
use crate::channel::{Chains, Channel, Inbox, Outbox, SendError, TlsSession};
use crate::protocol::{
    Acknowledgement, AgentType, Command, CommandHeader, Decode, Encode, Encryption, Frame, ProtocolVersion,
    TargetedHeader,
};

/// With so many bytes unsent, further operations wait; one that times out meanwhile leaves no trace.
const OUTPUT_LIMIT: usize = 64 << 10;

/// How long a connection that failed waits for the agent to take what TLS has to say about that.
const LINGER: Duration = Duration::from_secs(1);

/// One connection as a machine without input and output.
#[derive(Debug)]
pub struct Connection {
    terms: Terms,
    phase: Phase,
    output: Output,
    channel: Channel,
    inbox: Inbox,
    outbox: Outbox,
    /// Bytes of output that were sent since the beginning.
    sent: u64,
    connect: OperationId,
    /// Operations whose bytes are not in the outbox yet.
    waiting: VecDeque<(OperationId, Operation)>,
    /// Messages on their way, each with the value of `sent` at which it is gone.
    leaving: VecDeque<(u64, OperationId)>,
    requests: Requests,
    receivers: VecDeque<OperationId>,
    mailbox: Mailbox,
    timers: Timers,
    /// When a connection that failed stops sending.
    gives_up: Option<Duration>,
    outcomes: VecDeque<(OperationId, Result<Answer, Failure>)>,
}

#[derive(Debug)]
enum Phase {
    /// The acknowledgement is not all there.
    Handshake,
    /// The acknowledgement is there, and TLS is not agreed on yet (TLS-1).
    Securing(Established),
    /// Messages go both ways.
    Messages(Established),
    /// Nothing more comes.
    Failed(Failure),
}

/// How far the end of the output is.
#[derive(Debug)]
enum Output {
    /// Operations are taken.
    Open,
    /// What is left is sent, then the output ends, and a close is done.
    Ending(OperationId),
    /// The agent does not take any more.
    Broken(Failure),
    /// It has ended.
    Ended,
}

impl Connection {
    /// A connection that is being made since `now`. The operation that asked for it is done when messages can
    /// be sent: after acknowledgement and TLS.
    #[must_use]
    pub fn new(terms: Terms, connect: OperationId, timeout: Duration, now: Duration) -> Self {
        let mut connection = Self {
            phase: Phase::Handshake,
            output: Output::Open,
            channel: Channel::Clear,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            sent: 0,
            connect,
            waiting: VecDeque::new(),
            leaving: VecDeque::new(),
            requests: Requests::default(),
            receivers: VecDeque::new(),
            mailbox: Mailbox::default(),
            timers: Timers::default(),
            gives_up: None,
            outcomes: VecDeque::new(),
            terms,
        };
        connection.set_timer(connect, timeout, now);
        match connection.terms.offer.handshake() {
            Ok(handshake) => connection.outbox.tail().extend(handshake),
            Err(error) => connection.fail(Failure::new(Kind::Usage, error.to_string()), now),
        }
        connection
    }

    /// Bytes to be sent, if any. Tell with [`handle_sent`](Self::handle_sent) how many were.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.outbox.bytes()
    }

    /// Whether the output is to be ended (FIN); tell with [`handle_output_ended`](Self::handle_output_ended).
    #[must_use]
    pub fn ends_output(&self) -> bool {
        matches!(self.output, Output::Ending(_)) && self.output().is_empty()
    }

    /// Whether bytes are to be read: not while too much waits to be received.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        !matches!(self.phase, Phase::Failed(_)) && !self.mailbox.is_full()
    }

    /// When to call [`handle_time`](Self::handle_time) if nothing happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let gives_up = self.gives_up.filter(|_| !self.output().is_empty());
        self.timers.next().into_iter().chain(gives_up).min()
    }

    /// Whether nothing is left to do but to close the socket.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match (&self.phase, &self.output) {
            (Phase::Failed(_), _) => self.output().is_empty(),
            (_, Output::Ended) => self.receivers.is_empty() && !self.requests.are_awaited(),
            _ => false,
        }
    }

    /// Why it ended, if not by [`Operation::Close`].
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        if let Phase::Failed(failure) = &self.phase { Some(failure) } else { None }
    }

    /// Whether it ends, or has ended, by [`Operation::Close`].
    #[must_use]
    pub fn is_closing(&self) -> bool {
        matches!(self.output, Output::Ending(_) | Output::Ended)
            || self.waiting.back().is_some_and(|(_, operation)| *operation == Operation::Close)
    }

    /// What became of an operation.
    pub fn take_outcome(&mut self) -> Option<(OperationId, Result<Answer, Failure>)> {
        self.outcomes.pop_front()
    }

    /// Gives an operation. Its outcome comes within the timeout if [`handle_time`](Self::handle_time) is called.
    pub fn perform(&mut self, id: OperationId, operation: Operation, timeout: Duration, now: Duration) {
        self.handle_time(now);
        self.set_timer(id, timeout, now);
        if self.is_closing() {
            return self.settle(id, Err(Failure::new(Kind::Usage, "the connection is closed")));
        }
        if operation == Operation::Receive {
            self.receive_message(id);
        } else if let Some(failure) = self.refusal() {
            self.settle(id, Err(failure));
        } else {
            self.waiting.push_back((id, operation));
            self.start_waiting(now);
        }
        self.handle_time(now);
    }

    /// The connection could not be made, or reading from it failed.
    pub fn handle_failure(&mut self, failure: Failure, now: Duration) {
        self.fail(failure, now);
    }

    /// Bytes came.
    pub fn handle_input(&mut self, bytes: &[u8], now: Duration) {
        self.handle_time(now);
        if self.failure().is_some() {
            return;
        }
        let received = self.take_in(bytes);
        // What came whole before an end comes before that.
        self.advance(now);
        match received {
            Ok(false) => {}
            Ok(true) => self.handle_end_of_input(now),
            Err(failure) => self.fail(failure, now),
        }
    }

    /// No more bytes will come.
    pub fn handle_end_of_input(&mut self, now: Duration) {
        let place = match &self.phase {
            Phase::Handshake if self.inbox.bytes().is_empty() => "before its acknowledgement",
            Phase::Handshake => "inside its acknowledgement",
            Phase::Securing(_) => "while TLS was being negotiated",
            Phase::Messages(_) if self.inbox.bytes().is_empty() => "between messages",
            Phase::Messages(_) => "inside a message",
            Phase::Failed(_) => return,
        };
        self.fail(Failure::new(Kind::Closed, format!("the agent ended the connection {place}")), now);
    }

    /// The first bytes of the output were sent.
    pub fn handle_sent(&mut self, count: usize, now: Duration) {
        self.outbox.sent(count);
        self.sent += count as u64;
        while let Some((_, id)) = self.leaving.pop_front_if(|(gone_at, _)| *gone_at <= self.sent) {
            self.settle(id, Ok(Answer::Done));
        }
        self.start_waiting(now);
    }

    /// Bytes cannot be sent any more. What came can still be received; why nothing goes out is for the other
    /// operations.
    pub fn handle_output_failure(&mut self, failure: Failure) {
        self.outbox = Outbox::default();
        let ending = if let Output::Ending(id) = self.output { Some(id) } else { None };
        let unsent = self.leaving.drain(..).map(|(_, id)| id);
        let unsent: Vec<_> = unsent.chain(self.waiting.drain(..).map(|(id, _)| id)).chain(ending).collect();
        for id in unsent {
            self.settle(id, Err(failure.clone()));
        }
        self.output = Output::Broken(failure);
    }

    /// The output was ended, as it [was to be](Self::ends_output).
    pub fn handle_output_ended(&mut self) {
        if let Output::Ending(id) = self.output {
            self.output = Output::Ended;
            self.settle(id, Ok(Answer::Done));
        }
    }

    /// It is that late. At a deadline this gives up what it was for.
    pub fn handle_time(&mut self, now: Duration) {
        while let Some(id) = self.timers.expired(now) {
            self.expire(id, now);
        }
        if self.gives_up.is_some_and(|gives_up| gives_up <= now) {
            self.outbox = Outbox::default();
        }
    }

    /// Takes in bytes, out of TLS where it is in use. Tells whether TLS says that no more will come.
    fn take_in(&mut self, bytes: &[u8]) -> Result<bool, Failure> {
        let Self { channel, inbox, outbox, terms, phase, .. } = self;
        let limit = terms.max_message;
        let Channel::Tls(session) = channel else {
            let announced = match phase {
                Phase::Messages(_) => channel.announced::<CommandHeader>(inbox.bytes(), limit),
                _ => 0,
            };
            inbox.extend(bytes, announced);
            return Ok(false);
        };
        let received = session.receive(bytes, outbox, |piece| {
            let announced = Channel::Clear.announced::<CommandHeader>(inbox.bytes(), limit);
            inbox.extend(piece, announced);
        });
        let negotiated = !session.is_negotiating();
        if let (Phase::Securing(established), true) = (&self.phase, negotiated) {
            self.begin_messages(*established);
        }
        Ok(received?)
    }

    /// Handles all that is there, and sends what can be sent.
    fn advance(&mut self, now: Duration) {
        loop {
            // Before the next message: that may answer what was waiting for the acknowledgement.
            self.start_waiting(now);
            let handled = match self.phase {
                Phase::Handshake => self.acknowledgement(),
                Phase::Messages(_) => self.next_message(),
                Phase::Securing(_) | Phase::Failed(_) => Ok(false),
            };
            match handled {
                Ok(true) => {}
                Ok(false) => return,
                Err(failure) => return self.fail(failure, now),
            }
        }
    }

    /// Handles the acknowledgement once it is there or known to be wrong; tells whether it was.
    fn acknowledgement(&mut self) -> Result<bool, Failure> {
        let size = Acknowledgement::size(self.inbox.bytes(), self.terms.server_version)?;
        let Some(size) = size.filter(|&size| size <= self.inbox.bytes().len()) else { return Ok(false) };
        let (acknowledgement, _) = Acknowledgement::decode(&self.inbox.take(size))?;
        let (speaks, session) = self.terms.agree(&acknowledgement)?;
        let Acknowledgement { encryption, server_version, .. } = acknowledgement;
        let established = Established { encryption: encryption.mode(), speaks, session, server_version };
        match encryption {
            Encryption::None => self.begin_messages(established),
            Encryption::Aes { iv } => {
                let no_key = || Failure::new(Kind::Crypto, "the agent requires AES, and no key is given");
                let cipher = self.terms.cipher.clone().ok_or_else(no_key)?;
                self.channel = Channel::Aes(Chains::new(cipher, self.terms.vectors.clone(), iv));
                self.begin_messages(established);
            }
            Encryption::Ssl => self.secure(established)?,
        }
        Ok(true)
    }

    /// Begins with TLS. What came behind the acknowledgement belongs to it already.
    fn secure(&mut self, established: Established) -> Result<(), Failure> {
        let trust = self.terms.trust.trust().map_err(|reason| Failure::new(Kind::Tls, reason))?;
        let session = TlsSession::client(&trust.config, trust.name, &mut self.outbox)?;
        self.channel = Channel::Tls(Box::new(session));
        self.phase = Phase::Securing(established);
        let early = self.inbox.take(self.inbox.bytes().len());
        if self.take_in(&early)? {
            return Err(Failure::new(Kind::Tls, "the agent ended TLS before it began"));
        }
        Ok(())
    }

    fn begin_messages(&mut self, established: Established) {
        self.phase = Phase::Messages(established);
        self.settle(self.connect, Ok(Answer::Connected(established)));
    }

    /// Handles a message if it is all there; tells whether it was.
    fn next_message(&mut self) -> Result<bool, Failure> {
        let size = self.channel.size::<CommandHeader>(self.inbox.bytes(), self.terms.max_message)?;
        let Some(size) = size.filter(|&size| size <= self.inbox.bytes().len()) else { return Ok(false) };
        let frame = self.inbox.take(size);
        let (CommandHeader { command }, data) = self.channel.open(frame)?;
        match self.requests.answered(command, self.terms.response_code) {
            Some((question, Some(id))) => self.settle(id, question.read(&data)),
            // An answer that comes too late.
            Some((_, None)) => {}
            None => match self.receivers.pop_front() {
                Some(id) => self.settle(id, Ok(Answer::Message { command, data })),
                None => self.mailbox.push(command, data),
            },
        }
        Ok(true)
    }

    fn receive_message(&mut self, id: OperationId) {
        match (self.mailbox.pop(), &self.phase) {
            (Some((command, data)), _) => self.settle(id, Ok(Answer::Message { command, data })),
            (None, Phase::Failed(failure)) => self.settle(id, Err(failure.clone())),
            (None, _) => self.receivers.push_back(id),
        }
    }

    /// Why nothing can be sent, if so.
    fn refusal(&self) -> Option<Failure> {
        match (&self.phase, &self.output) {
            (Phase::Failed(failure), _) | (_, Output::Broken(failure)) => Some(failure.clone()),
            _ => None,
        }
    }

    /// Starts operations in the order given, as long as not too much is unsent.
    fn start_waiting(&mut self, now: Duration) {
        while let (Phase::Messages(established), Output::Open) = (&self.phase, &self.output) {
            let v1 = established.speaks == ProtocolVersion::V1;
            if self.outbox.length() >= OUTPUT_LIMIT {
                return;
            }
            let Some((id, operation)) = self.waiting.pop_front() else { return };
            if let Err(failure) = self.start(id, operation, v1) {
                let ends = matches!(failure.kind, Kind::Crypto | Kind::Tls);
                self.settle(id, Err(failure.clone()));
                if ends {
                    self.fail(failure, now);
                }
            }
        }
    }

    fn start(&mut self, id: OperationId, operation: Operation, v1: bool) -> Result<(), Failure> {
        match operation {
            Operation::Send { target, command, data } => {
                let target = if v1 { target? } else { AgentType::META };
                self.send(target, command, &data, v1)?;
                self.leaving.push_back((self.sent + self.outbox.length() as u64, id));
            }
            Operation::GetRootPath(agent_type) => {
                self.ask(id, Question::RootPath, &[agent_type.0], v1)?;
            }
            Operation::OpenSession(_) if v1 => {
                let message = "version 1000 is spoken, which has no Open Session";
                return Err(Failure::new(Kind::Unsupported, message));
            }
            Operation::OpenSession(request) => {
                let data = request.encode().map_err(SendError::from)?;
                self.ask(id, Question::Session, &data, v1)?;
            }
            Operation::Close => {
                if let Channel::Tls(session) = &mut self.channel {
                    session.close(&mut self.outbox);
                }
                self.output = Output::Ending(id);
            }
            // It needs nothing sent, and so never waits for that.
            Operation::Receive => self.receive_message(id),
        }
        Ok(())
    }

    fn ask(&mut self, id: OperationId, question: Question, data: &[u8], v1: bool) -> Result<(), Failure> {
        self.send(AgentType::META, question.command(), data, v1)?;
        self.requests.push(question, id);
        Ok(())
    }

    fn send(&mut self, target: AgentType, command: Command, data: &[u8], v1: bool) -> Result<(), SendError> {
        let data = data.into();
        if v1 {
            let header = TargetedHeader { target, command };
            self.channel.send(Frame { header, data }, &mut self.outbox)
        } else {
            let header = CommandHeader { command };
            self.channel.send(Frame { header, data }, &mut self.outbox)
        }
    }

    fn set_timer(&mut self, id: OperationId, timeout: Duration, now: Duration) {
        // A time beyond the end of time never comes.
        if let Some(deadline) = now.checked_add(timeout) {
            self.timers.set(id, deadline);
        }
    }

    /// The operation has taken too long.
    fn expire(&mut self, id: OperationId, now: Duration) {
        let timeout = |what: &str| Failure::new(Kind::Timeout, format!("{what} in time"));
        if id == self.connect {
            let what = match self.phase {
                Phase::Handshake if self.sent == 0 => "no connection",
                Phase::Handshake => "no whole acknowledgement",
                _ => "no agreement on TLS",
            };
            return self.fail(timeout(what), now);
        }
        if let Output::Ending(closing) = self.output
            && closing == id
        {
            // Nobody waits for the agent to take the rest.
            self.outbox = Outbox::default();
            self.output = Output::Ended;
        }
        let what = if self.requests.abandon(id) {
            "no answer"
        } else if self.receivers.contains(&id) {
            "no message"
        } else {
            "the agent does not take what is sent, so that nothing more was sent"
        };
        self.receivers.retain(|receiver| *receiver != id);
        self.waiting.retain(|(waiting, _)| *waiting != id);
        self.leaving.retain(|(_, leaving)| *leaving != id);
        self.settle(id, Err(timeout(what)));
        self.start_waiting(now);
    }

    fn settle(&mut self, id: OperationId, outcome: Result<Answer, Failure>) {
        self.timers.remove(id);
        self.outcomes.push_back((id, outcome));
    }

    /// Ends the connection, and with it every operation under way.
    fn fail(&mut self, failure: Failure, now: Duration) {
        if self.failure().is_some() {
            return;
        }
        // Where nothing is left but the end, an agent that was faster leaves nothing undone.
        if failure.kind == Kind::Closed && self.ends_output() {
            self.handle_output_ended();
        }
        match &mut self.channel {
            // The end of a conversation is told inside TLS, if there is anybody to tell.
            Channel::Tls(session) if failure.kind != Kind::Closed => {
                if !session.is_negotiating() {
                    session.close(&mut self.outbox);
                }
            }
            _ => self.outbox = Outbox::default(),
        }
        self.inbox.clear();
        self.gives_up = now.checked_add(LINGER);
        let is_connecting = matches!(self.phase, Phase::Handshake | Phase::Securing(_));
        let connecting = is_connecting.then_some(self.connect);
        let closing = if let Output::Ending(id) = self.output { Some(id) } else { None };
        self.phase = Phase::Failed(failure.clone());
        let mut under_way: Vec<OperationId> = connecting.into_iter().chain(closing).collect();
        under_way.extend(self.leaving.drain(..).map(|(_, id)| id));
        under_way.extend(self.waiting.drain(..).map(|(id, _)| id));
        under_way.extend(self.requests.drain());
        under_way.extend(self.receivers.drain(..));
        for id in under_way {
            self.settle(id, Err(failure.clone()));
        }
        if closing.is_some() {
            self.output = Output::Broken(failure);
        }
    }
}
