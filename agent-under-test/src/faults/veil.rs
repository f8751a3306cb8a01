//! TLS that ends in front of the implementation behind a relay, so that faults can meddle with what goes through it, and
//! with what comes before it.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;

use super::relay::{Cut, Meddler, Wire};
use super::talk::{HELLO, Talk};
use crate::channel::{Outbox, TlsSession};
use crate::client::core::Trust;

/// What becomes of plaintext that came in the segment of the handshake or the acknowledgement, before TLS (TLS-4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Early {
    /// It is read on as if it had come through TLS.
    Served,
    /// It is thrown away, and TLS begins with what comes next.
    Dropped,
}

/// The mode of SSL in an acknowledgement (HS-4).
const SSL: u8 = 1;

/// Bytes of an acknowledgement without vector, before its server version.
const HEAD: usize = 5;

/// The first byte of a TLS handshake record.
const HANDSHAKE_RECORD: u8 = 0x16;

/// On whose side TLS ends.
enum Side {
    /// The agent's: TLS is spoken with the client.
    Agent(Arc<ServerConfig>),
    /// The client's: TLS is spoken with the agent.
    Client(Box<Trust>),
}

/// A conversation in clear behind TLS, with somebody who believes that it goes through to the end.
pub(super) struct Veil {
    inner: Talk,
    side: Side,
    early: Early,
    /// TLS, once the acknowledgement is out.
    session: Option<TlsSession>,
    /// What TLS has to say.
    outbox: Outbox,
    /// What the inner conversation wants.
    plain: Wire,
    /// Bytes in clear that came so far on the side of TLS, before it.
    clear: Vec<u8>,
    /// Bytes of the handshake that came.
    hello: usize,
    /// Bytes for the other end of TLS that wait for it.
    held: Vec<u8>,
    /// How long TLS may take, counted from the begin.
    timeout: Duration,
}

impl Veil {
    /// TLS as the agent that is set to it, in front of one that is not.
    pub(super) fn of_agent(inner: Talk, config: Arc<ServerConfig>, early: Early, timeout: Duration) -> Self {
        Self::new(inner, Side::Agent(config), early, timeout)
    }

    /// TLS as a client with this trust, in front of one that knows nothing of it.
    pub(super) fn of_client(inner: Talk, trust: Trust, early: Early, timeout: Duration) -> Self {
        Self::new(inner, Side::Client(Box::new(trust)), early, timeout)
    }

    fn new(inner: Talk, side: Side, early: Early, timeout: Duration) -> Self {
        Self {
            inner,
            side,
            early,
            session: None,
            outbox: Outbox::default(),
            plain: Wire::default(),
            clear: Vec::new(),
            hello: 0,
            held: Vec::new(),
            timeout,
        }
    }

    /// Takes from the beginning of what came in clear what belongs to TLS, and gives what the fault serves.
    fn divide(&self, early: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
        match self.early {
            _ if early.first() == Some(&HANDSHAKE_RECORD) => (early, Vec::new()),
            Early::Served => (Vec::new(), early),
            Early::Dropped => (Vec::new(), Vec::new()),
        }
    }

    /// Takes the bytes of TLS; gives what they say.
    fn open(&mut self, bytes: &[u8], wire: &mut Wire) -> Vec<u8> {
        let mut said = Vec::new();
        let Some(session) = &mut self.session else { return said };
        let received = session.receive(bytes, &mut self.outbox, |piece| said.extend_from_slice(piece));
        let is_ready = !session.is_negotiating();
        if is_ready && !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            // What TLS does not take, its peer misses.
            let _ = session.send(&held, &mut self.outbox);
        }
        if received.is_err() {
            wire.cut = Some(Cut::Close);
        }
        said
    }

    /// Sends bytes through TLS, once that is there.
    fn seal(&mut self, bytes: &[u8]) {
        match &mut self.session {
            Some(session) if !session.is_negotiating() => {
                let _ = session.send(bytes, &mut self.outbox);
            }
            _ => self.held.extend_from_slice(bytes),
        }
    }

    fn is_up(&self) -> bool {
        self.session.as_ref().is_some_and(|session| !session.is_negotiating())
    }

    /// Hands on what the inner conversation wants, and what TLS has to say.
    fn settle(&mut self, wire: &mut Wire) {
        let is_agent = matches!(self.side, Side::Agent(_));
        let (through_tls, in_clear) = match is_agent {
            true => (self.plain.to_client.split(), self.plain.to_agent.split()),
            false => (self.plain.to_agent.split(), self.plain.to_client.split()),
        };
        if self.session.is_some() {
            self.seal(&through_tls);
        } else if !is_agent {
            wire.to_agent.extend_from_slice(&through_tls);
        }
        if is_agent {
            wire.to_agent.extend_from_slice(&in_clear);
        } else {
            wire.to_client.extend_from_slice(&in_clear);
        }
        if let Some(session) = self.session.as_mut().filter(|_| is_agent && self.plain.finish_client) {
            session.close(&mut self.outbox);
        }
        let said = match is_agent {
            true => &mut wire.to_client,
            false => &mut wire.to_agent,
        };
        while !self.outbox.bytes().is_empty() {
            said.extend_from_slice(self.outbox.bytes());
            self.outbox.sent(self.outbox.bytes().len());
        }
        wire.finish_client |= self.plain.finish_client;
        wire.finish_agent |= self.plain.finish_agent;
        wire.cut = wire.cut.or(self.plain.cut);
    }

    /// The agent's acknowledgement goes out in clear, with the mode of SSL in it; then TLS begins.
    fn acknowledge(&mut self, wire: &mut Wire) {
        let Side::Agent(config) = &self.side else { return };
        let mut acknowledgement = self.plain.to_client.split();
        if let Some(mode) = acknowledgement.first_mut() {
            *mode = SSL;
        }
        wire.to_client.extend_from_slice(&acknowledgement);
        match TlsSession::server(config) {
            Ok(session) => self.session = Some(session),
            Err(_) => wire.cut = Some(Cut::Close),
        }
        let early = std::mem::take(&mut self.clear);
        self.open(&early, wire);
    }

    /// Begins TLS with the agent once its acknowledgement is there, of which the client hears when TLS is up.
    fn acknowledged(&mut self, wire: &mut Wire) {
        let Side::Client(trust) = &self.side else { return };
        let size = HEAD + self.inner.server_version_size();
        if self.clear.first().is_none_or(|mode| *mode != SSL) {
            // Not a case for this fault.
            let clear = std::mem::take(&mut self.clear);
            return self.inner.take_from_agent(&clear, &mut self.plain);
        }
        if self.clear.len() < size {
            return;
        }
        let early = self.clear.split_off(size);
        let (tls, served) = self.divide(early);
        self.held = served;
        match TlsSession::client(&trust.config, trust.name.clone(), &mut self.outbox) {
            Ok(session) => self.session = Some(session),
            Err(_) => wire.cut = Some(Cut::Close),
        }
        self.take_from_tls_agent(&tls, wire);
    }

    /// What comes through TLS for a client, behind the acknowledgement and what was served early.
    fn take_from_tls_agent(&mut self, bytes: &[u8], wire: &mut Wire) {
        // Here `held` is what was served early; nothing waits to be sent before the client knows of its acknowledgement.
        let early = std::mem::take(&mut self.held);
        let said = self.open(bytes, wire);
        if !self.is_up() {
            self.held = early;
            return;
        }
        let mut acknowledgement = std::mem::take(&mut self.clear);
        if let Some(mode) = acknowledgement.first_mut() {
            *mode = 0;
        }
        for bytes in [acknowledgement, early, said].iter().filter(|bytes| !bytes.is_empty()) {
            self.inner.take_from_agent(bytes, &mut self.plain);
        }
    }
}

impl Meddler for Veil {
    fn begin(&mut self, wire: &mut Wire) {
        self.inner.begin(&mut self.plain);
        self.settle(wire);
    }

    fn take_from_client(&mut self, bytes: &[u8], wire: &mut Wire) {
        self.plain.now = wire.now;
        let is_agent = matches!(self.side, Side::Agent(_));
        if is_agent && self.session.is_some() {
            let said = self.open(bytes, wire);
            if !said.is_empty() {
                self.inner.take_from_client(&said, &mut self.plain);
            }
        } else if is_agent {
            let (hello, early) = bytes.split_at(bytes.len().min(HELLO - self.hello));
            self.hello += hello.len();
            let (tls, served) = self.divide(early.to_vec());
            self.clear.extend(tls);
            self.inner.take_from_client(hello, &mut self.plain);
            if !served.is_empty() {
                self.inner.take_from_client(&served, &mut self.plain);
            }
        } else {
            self.inner.take_from_client(bytes, &mut self.plain);
        }
        self.settle(wire);
    }

    fn take_from_agent(&mut self, bytes: &[u8], wire: &mut Wire) {
        self.plain.now = wire.now;
        match self.side {
            Side::Agent(_) => {
                self.inner.take_from_agent(bytes, &mut self.plain);
                if self.session.is_none() && self.inner.is_acknowledged() {
                    self.acknowledge(wire);
                }
            }
            Side::Client(_) if self.session.is_some() => self.take_from_tls_agent(bytes, wire),
            Side::Client(_) => {
                self.clear.extend_from_slice(bytes);
                self.acknowledged(wire);
            }
        }
        self.settle(wire);
    }

    fn client_ended(&mut self, wire: &mut Wire) {
        self.inner.client_ended(&mut self.plain);
        self.settle(wire);
    }

    fn agent_ended(&mut self, wire: &mut Wire) {
        self.inner.agent_ended(&mut self.plain);
        self.settle(wire);
    }

    fn deadline(&self) -> Option<Duration> {
        let is_late = (!self.is_up()).then_some(self.timeout);
        self.inner.deadline().into_iter().chain(is_late).min()
    }

    fn handle_time(&mut self, _: Duration, wire: &mut Wire) {
        wire.cut = Some(Cut::Close);
    }
}
