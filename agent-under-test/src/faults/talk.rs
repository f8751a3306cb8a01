//! A conversation taken apart, so that a fault can meddle with one message of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::sync::OwnedSemaphorePermit;

use super::fault::{Fault, Surroundings};
use super::relay::{Cut, Meddler, Wire};
use crate::agent::core::Versions;
use crate::protocol::{Command, PROTOCOL_ID};

/// Bytes of a handshake (HS-1).
pub(super) const HELLO: usize = 24;

/// The most bytes of data that a message is taken apart with; from a longer one on, bytes pass as they come.
const MOST: i32 = 80 << 20;

/// What is known of a conversation.
#[derive(Debug)]
pub(super) struct Facts {
    /// What all conversations share.
    pub(super) around: Arc<Surroundings>,
    /// Which connection it is, from 0.
    pub(super) number: usize,
    /// The handshake as the client sent it.
    pub(super) hello: [u8; HELLO],
    /// Whether frames are those of v1.
    pub(super) is_v1: bool,
    /// The product and the session that Open Session has bound it to.
    pub(super) bound: Option<(u8, i32)>,
    /// Requests for Open Session that are not answered: their products.
    pub(super) opening: Vec<u8>,
    /// Whether the acknowledgement went out.
    pub(super) acknowledged: bool,
    /// The mode of encryption in it (HS-4).
    pub(super) mode: u8,
    /// A place among the handshakes that run at once, where a fault limits them.
    pub(super) place: Option<OwnedSemaphorePermit>,
    /// What a fault counts.
    pub(super) count: usize,
    /// Whether the next whole message is there already.
    pub(super) more: bool,
    /// Whether the acknowledgement came in more than one read.
    pub(super) more_reads: bool,
    /// What of the agent's bytes is there shall be thrown away.
    pub(super) drop_rest: bool,
    /// What came of a message in front of the end.
    pub(super) rest: Vec<u8>,
    /// What a fault keeps.
    pub(super) kept: Vec<Message>,
    /// Numbers that a fault keeps.
    pub(super) numbers: Vec<i32>,
}

impl Facts {
    /// The first number of the handshake.
    pub(super) fn first(&self) -> i32 {
        number(&self.hello, 16)
    }

    /// The second.
    pub(super) fn second(&self) -> i32 {
        number(&self.hello, 20)
    }

    /// Whether it is what a v1 client sends, and not a range (NEG-3).
    pub(super) fn is_v1_hello(&self) -> bool {
        self.first() == 1000 && self.second() < 1000
    }

    /// Whether it is a range of versions, and not one of v1 (NEG-3).
    pub(super) fn is_range(&self) -> bool {
        !self.is_v1_hello()
    }

    /// Whether a message is for the agent itself.
    pub(super) fn is_meta(&self, message: &Message) -> bool {
        if self.is_v1 { message.target == Some(0) } else { self.bound.is_none() && self.opening.is_empty() }
    }
}

/// The int32 at a place.
pub(super) fn number(bytes: &[u8], at: usize) -> i32 {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    four.map_or(0, i32::from_le_bytes)
}

/// A message in plain framing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Message {
    /// The agent type of a v1 client's.
    pub(super) target: Option<u8>,
    pub(super) command: i32,
    pub(super) data: Vec<u8>,
}

impl Message {
    pub(super) fn new(command: Command, data: impl Into<Vec<u8>>) -> Self {
        Self { target: None, command: command.0, data: data.into() }
    }

    /// The frame of it (FRM-1 to FRM-3).
    pub(super) fn frame(&self) -> Vec<u8> {
        let mut frame = Vec::with_capacity(self.data.len() + 9);
        frame.extend(i32::try_from(self.data.len()).unwrap_or(i32::MAX).to_le_bytes());
        frame.extend(self.target);
        frame.extend(self.command.to_le_bytes());
        frame.extend(&self.data);
        frame
    }

    /// Whether a buffer begins with a whole one.
    fn is_whole(buffer: &[u8], has_target: bool) -> bool {
        let head = 8 + usize::from(has_target);
        usize::try_from(number(buffer, 0))
            .is_ok_and(|size| buffer.len() >= head && buffer.len() - head >= size)
    }

    /// The one that a buffer begins with, taken off it.
    fn take(buffer: &mut BytesMut, has_target: bool) -> Taken {
        let head = 8 + usize::from(has_target);
        if buffer.len() < head {
            return Taken::NotYet;
        }
        let length = number(buffer, 0);
        let Ok(size) = usize::try_from(length) else { return Taken::Strange(length) };
        if length > MOST {
            return Taken::Strange(length);
        }
        if buffer.len() < head + size {
            return Taken::NotYet;
        }
        let frame = buffer.split_to(head + size);
        let target = has_target.then(|| frame[4]);
        Taken::Message(Self { target, command: number(&frame, head - 4), data: frame[head..].to_vec() })
    }
}

enum Taken {
    Message(Message),
    NotYet,
    /// A length that no message has.
    Strange(i32),
}

impl Wire {
    /// Passes a message on to the agent.
    pub(super) fn ask(&mut self, message: &Message) {
        self.to_agent.extend_from_slice(&message.frame());
    }

    /// Passes a message on to the client.
    pub(super) fn tell(&mut self, message: &Message) {
        self.to_client.extend_from_slice(&message.frame());
    }

    /// Ends the connection behind what was sent.
    pub(super) fn close(&mut self) {
        self.cut.get_or_insert(Cut::Close);
    }
}

/// How far a conversation is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Hello,
    Acknowledgement,
    Messages,
    /// What follows is encrypted, or not to be taken apart any more.
    Bytes,
}

/// A conversation and the fault that meddles with it.
pub(super) struct Talk {
    fault: &'static Fault,
    facts: Facts,
    phase: Phase,
    client: BytesMut,
    agent: BytesMut,
    /// When the client was heard last.
    heard: Duration,
}

impl Talk {
    pub(super) fn new(
        fault: &'static Fault,
        around: Arc<Surroundings>,
        place: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let number = around.connections.fetch_add(1, Ordering::Relaxed);
        let facts = Facts {
            around,
            number,
            hello: [0; HELLO],
            is_v1: false,
            bound: None,
            opening: Vec::new(),
            acknowledged: false,
            mode: 0,
            place,
            count: 0,
            more: false,
            more_reads: false,
            drop_rest: false,
            rest: Vec::new(),
            kept: Vec::new(),
            numbers: Vec::new(),
        };
        let (client, agent) = (BytesMut::new(), BytesMut::new());
        Self { fault, facts, phase: Phase::Hello, client, agent, heard: Duration::ZERO }
    }

    /// Whether the acknowledgement went out.
    pub(super) fn is_acknowledged(&self) -> bool {
        self.facts.acknowledged
    }

    /// Bytes of the server version in acknowledgements.
    pub(super) fn server_version_size(&self) -> usize {
        self.facts.around.server_version_size
    }

    /// Where the fault has nothing to do with handshakes, their bytes pass as they come.
    fn hello(&mut self, bytes: &[u8], wire: &mut Wire) {
        self.client.extend_from_slice(bytes);
        if self.fault.hello.is_none() {
            let had = self.client.len() - bytes.len();
            let part = &bytes[..bytes.len().min(HELLO.saturating_sub(had))];
            wire.to_agent.extend_from_slice(part);
        }
        let had = self.client.len().min(HELLO);
        if had < HELLO && !self.fault.reads_any_id && !is_begin_of_protocol(&self.client) {
            // A wrong ID is refused before all 24 bytes are there.
            let bytes = self.client.split();
            wire.to_agent.extend_from_slice(&bytes);
            self.phase = Phase::Bytes;
            return;
        }
        if had < HELLO {
            return;
        }
        let mut hello = self.client.split_to(HELLO).to_vec();
        self.facts.hello.copy_from_slice(&hello);
        self.phase = Phase::Acknowledgement;
        if let Some(fault) = self.fault.hello {
            fault(&mut hello, &mut self.facts, wire);
            wire.to_agent.extend_from_slice(&hello);
        }
        self.pass_unparsed(wire);
    }

    /// What follows the handshake waits for the acknowledgement, which tells how it is framed; unless the fault does not
    /// care.
    fn pass_unparsed(&mut self, wire: &mut Wire) {
        if self.phase == Phase::Bytes || !self.fault.looks_at_messages() {
            let bytes = self.client.split();
            wire.to_agent.extend_from_slice(&bytes);
        }
    }

    fn acknowledgement(&mut self, wire: &mut Wire) {
        let Some(mode) = self.agent.first().copied() else { return };
        let size = 1 + if mode == 2 { 16 } else { 0 } + 4 + self.facts.around.server_version_size;
        if self.agent.len() < size {
            self.facts.more_reads = true;
            return;
        }
        let mut acknowledgement = self.agent.split_to(size).to_vec();
        let value = number(&acknowledgement, size - 4 - self.facts.around.server_version_size);
        let only_v1 = self.facts.around.settings.policy.versions == Versions::V1;
        self.facts.is_v1 = only_v1 || value <= 1000;
        self.facts.acknowledged = true;
        self.facts.mode = mode;
        self.facts.place = None;
        self.phase = if mode == 0 { Phase::Messages } else { Phase::Bytes };
        if let Some(fault) = self.fault.acknowledgement {
            fault(&mut acknowledgement, &mut self.facts, wire);
        }
        wire.to_client.extend_from_slice(&acknowledgement);
    }

    fn requests(&mut self, wire: &mut Wire) {
        if !self.fault.looks_at_messages() {
            return self.pass_unparsed(wire);
        }
        while self.phase == Phase::Messages {
            match Message::take(&mut self.client, self.facts.is_v1) {
                Taken::Message(message) => {
                    let opens = !self.facts.is_v1
                        && self.facts.bound.is_none()
                        && message.command == Command::OPEN_SESSION.0;
                    let product = message.data.first().copied().unwrap_or(0);
                    self.facts.more = Message::is_whole(&self.client, self.facts.is_v1);
                    match self.fault.request {
                        Some(fault) => fault(message, &mut self.facts, wire),
                        None => wire.ask(&message),
                    }
                    if opens {
                        self.facts.opening.push(product);
                    }
                }
                Taken::NotYet => return,
                Taken::Strange(length) => {
                    let Some(fault) = self.fault.strange else {
                        self.phase = Phase::Bytes;
                        break;
                    };
                    if !fault(length, &mut self.client, &mut self.facts, wire) {
                        return;
                    }
                }
            }
        }
        self.pass_unparsed(wire);
    }

    fn responses(&mut self, wire: &mut Wire) {
        while self.phase == Phase::Messages {
            let message = match Message::take(&mut self.agent, false) {
                Taken::Message(message) => message,
                Taken::NotYet => break,
                Taken::Strange(length) => {
                    let Some(fault) = self.fault.strange_response else {
                        self.phase = Phase::Bytes;
                        break;
                    };
                    if fault(length, &mut self.agent, &mut self.facts, wire) {
                        continue;
                    }
                    return;
                }
            };
            if message.command == Command::OPEN_SESSION.0
                && !self.facts.opening.is_empty()
                && !self.facts.is_v1
            {
                let product = self.facts.opening.remove(0);
                let session = number(&message.data, 0);
                self.facts.bound = self.facts.bound.or((session != 0).then_some((product, session)));
            }
            self.facts.more = Message::is_whole(&self.agent, false);
            match self.fault.response {
                Some(fault) => fault(message, &mut self.facts, wire),
                None => wire.tell(&message),
            }
            if std::mem::take(&mut self.facts.drop_rest) {
                self.agent.clear();
            }
        }
        if self.phase == Phase::Bytes {
            let bytes = self.agent.split();
            wire.to_client.extend_from_slice(&bytes);
        }
    }
}

impl Meddler for Talk {
    fn begin(&mut self, wire: &mut Wire) {
        if let Some(fault) = self.fault.begin {
            fault(&mut self.facts, wire);
        }
    }

    fn take_from_client(&mut self, bytes: &[u8], wire: &mut Wire) {
        self.heard = wire.now;
        let mut read = bytes.to_vec();
        if let Some(fault) = self.fault.read {
            fault(&mut read, &mut self.facts, wire);
        }
        match self.phase {
            Phase::Hello => self.hello(&read, wire),
            _ => self.client.extend_from_slice(&read),
        }
        match self.phase {
            Phase::Hello | Phase::Acknowledgement => {}
            Phase::Messages => self.requests(wire),
            Phase::Bytes => self.pass_unparsed(wire),
        }
    }

    fn take_from_agent(&mut self, bytes: &[u8], wire: &mut Wire) {
        let mut read = bytes.to_vec();
        if let Some(fault) = self.fault.agent_read {
            fault(&mut read, &mut self.facts, wire);
        }
        self.agent.extend_from_slice(&read);
        if matches!(self.phase, Phase::Hello | Phase::Acknowledgement) {
            self.acknowledgement(wire);
            self.requests(wire);
        }
        if matches!(self.phase, Phase::Messages | Phase::Bytes) {
            self.responses(wire);
        }
    }

    fn client_ended(&mut self, wire: &mut Wire) {
        let rest = self.client.split();
        match self.fault.client_ended {
            Some(fault) => fault(&rest, &mut self.facts, wire),
            None => {
                wire.to_agent.extend_from_slice(&rest);
                wire.finish_agent = true;
            }
        }
    }

    fn client_broke(&mut self) {
        if let Some(fault) = self.fault.client_broke {
            fault(&mut self.facts);
        }
    }

    fn agent_ended(&mut self, wire: &mut Wire) {
        let rest = self.agent.split();
        wire.to_client.extend_from_slice(&rest);
        self.facts.rest = rest.to_vec();
        match self.fault.agent_ended {
            Some(fault) => fault(&mut self.facts, wire),
            None => wire.finish_client = true,
        }
    }

    fn deadline(&self) -> Option<Duration> {
        self.fault.deadline.and_then(|deadline| deadline(&self.facts, self.heard))
    }

    fn handle_time(&mut self, _: Duration, wire: &mut Wire) {
        wire.cut = Some(Cut::Close);
    }
}

/// Whether 24 bytes begin with the protocol's ID (HS-2).
pub(super) fn is_protocol(hello: &[u8]) -> bool {
    hello.starts_with(&PROTOCOL_ID.to_bytes_le())
}

/// Whether bytes begin with a record of TLS that is not all there: type, version and length take 5 bytes.
pub(super) fn is_part_of_record(bytes: &[u8]) -> bool {
    let length = bytes.get(3..5).map(|length| usize::from(length[0]) << 8 | usize::from(length[1]));
    length.is_none_or(|length| bytes.len() < 5 + length)
}

/// Whether what came so far can become such bytes.
fn is_begin_of_protocol(bytes: &[u8]) -> bool {
    bytes.iter().zip(PROTOCOL_ID.to_bytes_le()).all(|(byte, right)| *byte == right)
}

/// Takes the first bytes off.
pub(super) fn skip(buffer: &mut BytesMut, count: usize) {
    buffer.advance(count.min(buffer.len()));
}
