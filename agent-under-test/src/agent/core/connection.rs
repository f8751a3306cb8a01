//! A client's connection, from its first byte to its end.
//!
//! The methods are of three kinds. `handle_…` tell what happened and when: bytes came, bytes were sent, the
//! time came, a request was met. Getters tell what is to be done next: send [`output`](Connection::output),
//! read if [`wants_input`](Connection::wants_input), come back at the [`deadline`](Connection::deadline), close
//! when [`is_over`](Connection::is_over). [`take_request`](Connection::take_request) gives what the connection
//! needs from outside; until that is met, messages behind it wait.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::end::End;
use super::framing::{Framing, Message, answer};
use super::negotiation::{Agreement, negotiate};
use super::policy::{Policy, Product, RequiredEncryption};
use super::update::{RefusedUpdate, Update};
use crate::channel::{Chains, Channel, Inbox, Outbox, TlsSession};
use crate::protocol::{
    Acknowledgement, Command, CommandHeader, Decode, Encode, Encryption, GetRootPath, HandshakeV2,
    OpenSession, PROTOCOL_ID, ProtocolVersion, SessionId, Writer,
};

/// Bytes of a handshake (HS-1).
const HANDSHAKE_SIZE: usize = 24;

/// What Open Session is answered with that cannot be served (RTE-2).
const NO_SESSION: i32 = 0;

/// With so many bytes unsent, a client that does not read gets nothing more handled.
const OUTPUT_LIMIT: usize = 64 << 10;

/// How long a connection that is to end waits for its client to take any of the answers that are left.
const LINGER: Duration = Duration::from_secs(30);

/// One connection as a machine without input and output.
#[derive(Debug)]
pub struct Connection {
    policy: Arc<Policy>,
    phase: Phase,
    channel: Channel,
    inbox: Inbox,
    outbox: Outbox,
    acknowledged: bool,
    input_ended: bool,
    /// Whether it hears the hosts of its session (RTE-4).
    is_client: bool,
    /// The product whose session it was bound to by Open Session (RTE-2).
    bound: Option<Product>,
    deadline: Option<Duration>,
    request: Option<Request>,
    refusals: Vec<RefusedUpdate>,
}

#[derive(Debug)]
enum Phase {
    /// The 24 bytes are not all there.
    Handshake,
    /// A session was asked for; its ID goes into the acknowledgement, if that tells one.
    Joining { tells_session: bool },
    /// The acknowledgement is out, and TLS is not agreed on yet (TLS-1).
    Securing(Framing),
    /// Messages are handled.
    Messages(Framing),
    /// A request of a message is being met; later messages wait for it (MTA-8, RTE-2, ORD-1).
    Waiting(Framing),
    /// What is left is sent, then it is over.
    Ending(End),
}

/// What a connection needs from outside.
#[derive(Debug, Eq, PartialEq)]
pub enum Request {
    /// A place in a session, 0 for a new one; see [`Connection::handle_session`].
    Session(SessionId),
    /// Files to be put in place; see [`Connection::handle_update_over`].
    Update(Update),
    /// A place in a session of v2, 0 for a new one; see [`Connection::handle_opened`].
    Open(Product, SessionId),
    /// A message for a product's host; see [`Connection::handle_forwarded`].
    Forward(Forwarded),
}

/// A message on its way between a client and a host; its bytes mean nothing to the agent (CMP-5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Forwarded {
    /// Whose host it is for, or comes from.
    pub product: Product,
    /// Its command.
    pub command: Command,
    /// Its data.
    pub data: Bytes,
}

impl Connection {
    /// A connection that was accepted at `now`; the time for its handshake runs from there.
    #[must_use]
    pub fn new(policy: Arc<Policy>, now: Duration) -> Self {
        let deadline = now.checked_add(policy.handshake_timeout);
        Self {
            policy,
            phase: Phase::Handshake,
            channel: Channel::Clear,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            acknowledged: false,
            input_ended: false,
            is_client: false,
            bound: None,
            deadline,
            request: None,
            refusals: Vec::new(),
        }
    }

    /// Bytes to be sent, if any: the first of the [pieces](Self::output_pieces). Tell with
    /// [`handle_sent`](Self::handle_sent) how many were.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.outbox.bytes()
    }

    /// All bytes to be sent, in pieces: large messages of hosts are sent from the memory that they arrived in.
    pub fn output_pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.outbox.pieces()
    }

    /// Where to read at most so many of the next bytes to, if they are missing of a large message; tell with
    /// [`handle_input_in_place`](Self::handle_input_in_place) how many there were. Without it, they are read elsewhere and
    /// [told](Self::handle_input), which copies them.
    pub fn input_space(&mut self, most: usize) -> Option<&mut [u8]> {
        match (&self.phase, &self.channel) {
            (Phase::Messages(framing), Channel::Clear | Channel::Aes(_)) => {
                let there = self.inbox.bytes();
                let announced = framing.announced(&self.channel, there, self.policy.max_message);
                self.inbox.space(announced, most)
            }
            // The bytes of TLS are not those of messages.
            _ => None,
        }
    }

    /// Whether bytes are to be read: not while messages wait, so that what a client sends stays bounded.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        match self.phase {
            Phase::Handshake => true,
            Phase::Securing(_) | Phase::Messages(_) => !self.input_ended && !self.is_congested(),
            Phase::Joining { .. } | Phase::Waiting(_) | Phase::Ending(_) => false,
        }
    }

    /// When to call [`handle_time`](Self::handle_time) if nothing happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// Whether its handshake is over, TLS included, whichever way; it needs no slot any more (HS-11).
    #[must_use]
    pub fn is_past_handshake(&self) -> bool {
        !matches!(self.phase, Phase::Handshake | Phase::Joining { .. } | Phase::Securing(_))
    }

    /// Whether its handshake was acknowledged. Otherwise nothing was sent, and nothing will be.
    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        self.acknowledged
    }

    /// Whether nothing is left to do but to close it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ending(_)) && self.output().is_empty()
    }

    /// Whether it counts as a client of its session, and hears its hosts (RTE-4).
    #[must_use]
    pub fn is_client(&self) -> bool {
        self.is_client
    }

    /// Whether a message of a host is taken now: not while the client does not read, so that what is sent stays bounded.
    #[must_use]
    pub fn wants_host_message(&self) -> bool {
        matches!(self.phase, Phase::Messages(_) | Phase::Waiting(_)) && !self.is_congested()
    }

    /// Why it ends, from the moment that this is certain.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        if let Phase::Ending(end) = &self.phase { Some(end) } else { None }
    }

    /// What has to be done for it before it goes on.
    pub fn take_request(&mut self) -> Option<Request> {
        self.request.take()
    }

    /// The updates refused since this was last asked, for the log: no client is told (MTA-11).
    pub fn take_refusals(&mut self) -> Vec<RefusedUpdate> {
        std::mem::take(&mut self.refusals)
    }

    /// Bytes came.
    pub fn handle_input(&mut self, bytes: &[u8], now: Duration) {
        self.handle_time(now);
        if matches!(self.phase, Phase::Ending(_)) {
            return;
        }
        self.receive(bytes, now);
        self.advance(now);
    }

    /// So many bytes were read to the [space](Self::input_space).
    pub fn handle_input_in_place(&mut self, count: usize, now: Duration) {
        self.inbox.came(count);
        self.advance(now);
    }

    /// No more bytes will come. Whole messages that came are still handled, a part of one is not (FRM-7).
    pub fn handle_end_of_input(&mut self, now: Duration) {
        self.input_ended = true;
        self.advance(now);
    }

    /// The first bytes of the output were sent.
    pub fn handle_sent(&mut self, count: usize, now: Duration) {
        self.outbox.sent(count);
        if matches!(self.phase, Phase::Ending(_)) {
            self.deadline = now.checked_add(LINGER);
        }
        self.advance(now);
    }

    /// It is that late. At a deadline this gives up what it was for.
    pub fn handle_time(&mut self, now: Duration) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        match self.phase {
            Phase::Handshake | Phase::Joining { .. } | Phase::Securing(_) => {
                // Nobody waits for a client to take what TLS had to say.
                self.outbox = Outbox::default();
                self.finish(End::HandshakeTimeout(self.policy.handshake_timeout), now);
            }
            Phase::Ending(_) => self.outbox = Outbox::default(),
            Phase::Messages(_) | Phase::Waiting(_) => {}
        }
    }

    /// The connection is part of that session now, as it [requested](Request::Session).
    pub fn handle_session(&mut self, session: SessionId, now: Duration) {
        if let Phase::Joining { tells_session } = self.phase {
            let value = if tells_session { session.0 } else { ProtocolVersion::V1.0 };
            self.acknowledge(value, Framing::V1, now);
        }
    }

    /// The update that was [requested](Request::Update) is over; whether it was made does not matter here.
    pub fn handle_update_over(&mut self, now: Duration) {
        self.go_on(now);
    }

    /// The session that was [requested](Request::Open) is there, or cannot be served.
    pub fn handle_opened(&mut self, product: Product, session: Option<SessionId>, now: Duration) {
        if !matches!(self.phase, Phase::Waiting(_)) {
            return;
        }
        if session.is_some() {
            self.is_client = true;
            self.bound = Some(product);
        }
        let id = session.map_or(NO_SESSION, |session| session.0);
        match self.answer(Command::OPEN_SESSION, &id.to_le_bytes()) {
            Ok(()) => self.go_on(now),
            Err(end) => self.finish(end, now),
        }
    }

    /// The message that was to be [forwarded](Request::Forward) is on its way.
    pub fn handle_forwarded(&mut self, now: Duration) {
        self.go_on(now);
    }

    /// No host can be had for the message that was to be [forwarded](Request::Forward) (RTE-8).
    pub fn handle_no_host(&mut self, product: Product, now: Duration) {
        if matches!(self.phase, Phase::Waiting(_)) {
            self.finish(End::NoHost(product), now);
        }
    }

    /// A host of its session sent this (RTE-4).
    pub fn handle_host_message(&mut self, message: &Forwarded, now: Duration) {
        if matches!(self.phase, Phase::Messages(_) | Phase::Waiting(_))
            && let Err(end) = self.pass_on(message)
        {
            self.finish(end, now);
        }
    }

    /// A host of its session is gone, and with it the session (RTE-8).
    pub fn handle_host_gone(&mut self, product: Product, now: Duration) {
        if matches!(self.phase, Phase::Messages(_) | Phase::Waiting(_)) {
            self.finish(End::HostGone(product), now);
        }
    }

    fn go_on(&mut self, now: Duration) {
        if let Phase::Waiting(framing) = self.phase {
            self.phase = Phase::Messages(framing);
            self.advance(now);
        }
    }

    /// Takes in bytes, out of TLS where it is in use.
    fn receive(&mut self, bytes: &[u8], now: Duration) {
        let Self { policy, channel, inbox, outbox, .. } = self;
        let framing = match self.phase {
            Phase::Securing(framing) | Phase::Messages(framing) | Phase::Waiting(framing) => Some(framing),
            Phase::Handshake | Phase::Joining { .. } | Phase::Ending(_) => None,
        };
        let Channel::Tls(session) = channel else {
            let announced =
                framing.map_or(0, |framing| framing.announced(channel, inbox.bytes(), policy.max_message));
            return inbox.extend(bytes, announced);
        };
        let received = session.receive(bytes, outbox, |piece| {
            let announced = framing
                .map_or(0, |framing| framing.announced(&Channel::Clear, inbox.bytes(), policy.max_message));
            inbox.extend(piece, announced);
        });
        let negotiated = !session.is_negotiating();
        match received {
            Err(failure) => self.finish(failure.into(), now),
            Ok(has_closed) => {
                self.input_ended |= has_closed;
                if let (Phase::Securing(framing), true) = (&self.phase, negotiated) {
                    self.begin_messages(*framing);
                }
            }
        }
    }

    /// Handles all that is there and can be handled.
    fn advance(&mut self, now: Duration) {
        loop {
            let handled = match self.phase {
                Phase::Handshake => self.handshake(now),
                Phase::Securing(_) => false,
                Phase::Messages(framing) if !self.is_congested() => self.next_message(framing, now),
                _ => return,
            };
            if !handled {
                break;
            }
        }
        if self.input_ended {
            self.finish(End::Client, now);
        }
    }

    fn is_congested(&self) -> bool {
        self.outbox.length() >= OUTPUT_LIMIT
    }

    /// Handles the handshake once it is there or known to be wrong; tells whether it was.
    fn handshake(&mut self, now: Duration) -> bool {
        let bytes = self.inbox.bytes();
        let id = PROTOCOL_ID.to_bytes_le();
        let seen = bytes.len().min(id.len());
        if bytes[..seen] != id[..seen] {
            self.finish(End::WrongProtocol, now);
            return true;
        }
        if bytes.len() < HANDSHAKE_SIZE {
            return false;
        }
        match HandshakeV2::decode(&self.inbox.take(HANDSHAKE_SIZE)) {
            Ok((handshake, _)) => self.negotiate(handshake, now),
            Err(malformed) => self.finish(malformed.into(), now),
        }
        true
    }

    fn negotiate(&mut self, handshake: HandshakeV2, now: Duration) {
        match negotiate(self.policy.versions, handshake.min.0, handshake.max.0) {
            Ok(Agreement::Session { wanted }) => self.join(wanted, true),
            Ok(Agreement::Version(ProtocolVersion::V1)) => self.join(SessionId(0), false),
            Ok(Agreement::Version(version)) => self.acknowledge(version.0, Framing::of(version), now),
            Err(refusal) => self.finish(refusal.into(), now),
        }
    }

    fn join(&mut self, wanted: SessionId, tells_session: bool) {
        self.phase = Phase::Joining { tells_session };
        self.request = Some(Request::Session(wanted));
    }

    fn acknowledge(&mut self, value: i32, framing: Framing, now: Duration) {
        if let Err(end) = self.try_acknowledge(value) {
            return self.finish(end, now);
        }
        self.acknowledged = true;
        if let Channel::Tls(_) = self.channel {
            self.phase = Phase::Securing(framing);
            // What came with the handshake belongs to TLS already (HS-12).
            let early = self.inbox.take(self.inbox.bytes().len());
            self.receive(&early, now);
        } else {
            self.begin_messages(framing);
        }
        self.advance(now);
    }

    fn try_acknowledge(&mut self, value: i32) -> Result<(), End> {
        let (channel, encryption) = channel(&self.policy.encryption)?;
        let server_version = self.policy.server_version;
        let acknowledgement = Acknowledgement { encryption, value, server_version };
        self.outbox.append(|writer| acknowledgement.encode_into(writer))?;
        self.channel = channel;
        Ok(())
    }

    /// The handshake is over, and its time does not matter any more (HS-13).
    fn begin_messages(&mut self, framing: Framing) {
        self.deadline = None;
        self.phase = Phase::Messages(framing);
    }

    /// Handles a message if it is all there; tells whether it was.
    fn next_message(&mut self, framing: Framing, now: Duration) -> bool {
        let size = match framing.size(&self.channel, self.inbox.bytes(), self.policy.max_message) {
            Ok(Some(size)) if size <= self.inbox.bytes().len() => size,
            Ok(_) => return false,
            Err(error) => {
                self.finish(error.into(), now);
                return true;
            }
        };
        let frame = self.inbox.take(size);
        let opened = framing.open(&mut self.channel, frame).map_err(End::from);
        let handled = opened.and_then(|message| self.message(message, framing));
        if let Err(end) = handled {
            self.finish(end, now);
        }
        true
    }

    fn message(&mut self, message: Message, framing: Framing) -> Result<(), End> {
        // In v1 the first complete message makes a client (RTE-4).
        self.is_client |= framing == Framing::V1;
        match self.bound.or_else(|| Product::of(message.target)) {
            Some(Product::Meta) => self.meta_message(message, framing),
            Some(product) => {
                let Message { command, data, .. } = message;
                self.wait_for(Request::Forward(Forwarded { product, command, data }), framing);
                Ok(())
            }
            // Perhaps a product of the future (CMP-3).
            None => Ok(()),
        }
    }

    /// Handles a message to the agent itself. One that is refused has no effect and no answer (MTA-11).
    fn meta_message(&mut self, message: Message, framing: Framing) -> Result<(), End> {
        let Message { command, data, .. } = message;
        match command {
            Command::OPEN_SESSION if framing == Framing::V2 => self.open_session(&data, framing),
            Command::UPDATE_AGENT => {
                self.update(&data, framing);
                Ok(())
            }
            Command::GET_ROOT_PATH => self.root_path(&data),
            // Perhaps a command of the future (CMP-3).
            _ => Ok(()),
        }
    }

    fn open_session(&mut self, data: &[u8], framing: Framing) -> Result<(), End> {
        let Ok((request, _)) = OpenSession::decode(data) else { return Ok(()) };
        match Product::of(request.agent_type) {
            Some(product) if product != Product::Meta => {
                self.wait_for(Request::Open(product, request.session), framing);
                Ok(())
            }
            _ => self.answer(Command::OPEN_SESSION, &NO_SESSION.to_le_bytes()),
        }
    }

    fn wait_for(&mut self, request: Request, framing: Framing) {
        self.request = Some(request);
        self.phase = Phase::Waiting(framing);
    }

    fn update(&mut self, data: &Bytes, framing: Framing) {
        match Update::decode(data) {
            Ok(update) => self.wait_for(Request::Update(update), framing),
            Err(refused) => self.refusals.push(refused),
        }
    }

    fn root_path(&mut self, data: &[u8]) -> Result<(), End> {
        let Ok((request, _)) = GetRootPath::decode(data) else { return Ok(()) };
        let product = Product::of(request.agent_type);
        if let Some(path) = product.and_then(|product| self.policy.roots.of(product)) {
            let mut writer = Writer::new();
            writer.string("path", path)?;
            self.answer(Command::GET_ROOT_PATH, &writer.into_bytes())?;
        }
        Ok(())
    }

    fn answer(&mut self, command: Command, data: &[u8]) -> Result<(), End> {
        Ok(self.channel.send(answer(command, data), &mut self.outbox)?)
    }

    fn pass_on(&mut self, message: &Forwarded) -> Result<(), End> {
        let header = CommandHeader { command: message.command };
        Ok(self.channel.pass_on(header, &message.data, &mut self.outbox)?)
    }

    fn finish(&mut self, end: End, now: Duration) {
        // The end of a conversation is told inside TLS; one that never came about just ends.
        if let Channel::Tls(session) = &mut self.channel
            && !session.is_negotiating()
        {
            session.close(&mut self.outbox);
        }
        self.phase = Phase::Ending(end);
        self.inbox.clear();
        self.deadline = now.checked_add(LINGER);
    }
}

/// The protection that is required, and how an acknowledgement announces it.
fn channel(required: &RequiredEncryption) -> Result<(Channel, Encryption), End> {
    Ok(match required {
        RequiredEncryption::None => (Channel::Clear, Encryption::None),
        RequiredEncryption::Ssl(config) => {
            (Channel::Tls(Box::new(TlsSession::server(config)?)), Encryption::Ssl)
        }
        RequiredEncryption::Aes { cipher, vectors } => {
            let iv = vectors.vector()?;
            let chains = Chains::new(cipher.clone(), Arc::clone(vectors), iv);
            (Channel::Aes(chains), Encryption::Aes { iv })
        }
    })
}
