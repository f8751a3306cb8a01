//! The health of an agent.

use std::cell::RefCell;
use std::time::Duration;

use tokio::time::Instant;

use super::Ailment;
use crate::engine::agent::connection::{Connection, End};
use crate::engine::agent::conversation::{Background, Greeting};
use crate::engine::agent::running::Agent;
use crate::engine::agent::secure::Layer;
use crate::engine::agent::settings::Asked;
use crate::matching::Cut;
use crate::probe::Offer;
use crate::vectors::transcript::Party;
use crate::vectors::transcript::play::Framing;

/// What is known of an agent's health.
pub(super) struct AgentHealth<'a> {
    background: &'a Background<'a>,
    agent: &'a Agent<'a>,
    greeting: Greeting,
    /// A connection that stays open, with its framing version; `None` where the subject never gave one.
    held: RefCell<Option<Held>>,
}

struct Held {
    connection: std::rc::Rc<Connection>,
    /// In plaintext.
    request: Vec<u8>,
    /// How many bytes of the request stand before its data.
    header: usize,
    /// How many bytes the subject's first answer on it had: only where there was one, silence means something.
    answer: Option<usize>,
}

impl<'a> AgentHealth<'a> {
    /// Looks at an agent for the first time, and holds a connection open where it gives one.
    ///
    /// # Errors
    ///
    /// What the subject does instead of serving: it can be tested all the same.
    pub(super) async fn first(
        background: &'a Background<'a>,
        agent: &'a Agent<'a>,
        asked: &'a Asked,
    ) -> (Self, Result<(), Ailment>) {
        let greeting = Greeting { from: asked.allowed_address(), bytes: good_handshake(background, agent) };
        let health = Self { background, agent, greeting, held: RefCell::new(None) };
        let seen = match health.handshake().await {
            Ok(connection) => {
                health.hold(connection).await;
                Ok(())
            }
            Err(ailment) => Err(ailment),
        };
        (health, seen)
    }

    /// Looks at it: a good handshake, and the connection that is held open.
    pub(super) async fn look(&self) -> Result<(), Ailment> {
        match self.handshake().await {
            Ok(_) => self.held_works().await,
            Err(ailment) => Err(ailment),
        }
    }

    /// Asks on the connection that is held open. Gives whether it was answered.
    pub(super) async fn beat(&self) -> bool {
        let asks = self.held.borrow().as_ref().is_some_and(|held| held.answer.is_some());
        asks && self.held_works().await.is_ok()
    }

    /// Shakes hands so many times, one after the other, or until that took too long, and tells how long each took: up to
    /// the end of the acknowledgement, and of TLS behind it.
    pub(super) async fn handshakes(&self, count: usize, within: Duration) -> Vec<Duration> {
        let (mut times, first) = (Vec::new(), Instant::now());
        while times.len() < count && first.elapsed() < within {
            let began = Instant::now();
            let Ok(connection) = self.handshake().await else { break };
            if !self.encrypted(&connection).await {
                break;
            }
            times.push(began.elapsed());
            connection.close().await;
        }
        times
    }

    async fn handshake(&self) -> Result<Connection, Ailment> {
        greet(self.agent, &self.greeting, self.background.patience).await
    }

    /// Keeps a connection open, and finds out whether requests are answered on it.
    async fn hold(&self, connection: Connection) {
        let formats = &self.background.corpus.formats;
        let highest = self.agent.highest_version().unwrap_or_default();
        let framing = |party| Framing::new(formats, party, highest);
        let (Some(framing), Some(answers)) = (framing(Party::Client), framing(Party::Agent)) else { return };
        let request = serde_json::json!({"target": 0, "command": 3, "data": "01"});
        let request = formats.encode(framing.type_name, &request, None).unwrap_or_default();
        let header = framing.header;
        let held = Held { connection: std::rc::Rc::new(connection), request, header, answer: None };
        *self.held.borrow_mut() = Some(held);
        let Some((connection, request)) = self.held_parts() else { return };
        if !self.encrypted(&connection).await {
            return;
        }
        self.ask(&connection, &request, header).await;
        let answered = connection
            .watch(Instant::now() + self.background.patience, |inbox| {
                let cut = answers.cut(inbox.unread());
                let answer = if let Cut::Whole(size) = cut { Some(size) } else { None };
                (answer.is_some() || inbox.end().is_some()).then_some(answer)
            })
            .await;
        if let Some(held) = self.held.borrow_mut().as_mut() {
            held.answer = answered.flatten();
        }
    }

    /// Takes the acknowledgement, which is not judged here: the cases do that. Encrypts the connection as the settings
    /// say; gives whether that went well.
    async fn encrypted(&self, connection: &Connection) -> bool {
        let (background, values) = (self.background, &self.agent.values);
        let dialect = background.dialect();
        let defaults = background.acknowledgement(values, dialect);
        let vector = defaults.iv.map_or(0, |vector| vector.len());
        let size = 5 + vector + 4 * defaults.server_version.len();
        let deadline = Instant::now() + background.patience;
        let came = connection
            .watch(deadline, |inbox| {
                let there = inbox.unread().len() >= size;
                (there || inbox.end().is_some())
                    .then(|| inbox.unread()[..size.min(inbox.unread().len())].to_vec())
            })
            .await
            .unwrap_or_default();
        connection.inbox().take(came.len());
        match Layer::of(values, dialect.padding(), &came, 0) {
            Ok(None) => true,
            Ok(Some(layer)) => connection.secure(layer, deadline, None, background.patience).await.is_ok(),
            Err(_) => false,
        }
    }

    /// Sends a request. Whether the connection still takes it the answer tells.
    async fn ask(&self, connection: &Connection, request: &[u8], header: usize) {
        if let Ok(sealed) = connection.seal(request, header) {
            connection.send(&sealed, self.background.patience).await;
        }
    }

    fn held_parts(&self) -> Option<(std::rc::Rc<Connection>, Vec<u8>)> {
        let held = self.held.borrow();
        let held = held.as_ref()?;
        Some((std::rc::Rc::clone(&held.connection), held.request.clone()))
    }

    /// Whether the connection held open still works.
    async fn held_works(&self) -> Result<(), Ailment> {
        let Some((connection, request)) = self.held_parts() else { return Ok(()) };
        let answer = self.held.borrow().as_ref().and_then(|held| held.answer);
        drain(&connection);
        if let Some(end) = ended(&connection) {
            return Err(Ailment::DroppedHeld(end));
        }
        let Some(answer) = answer else { return Ok(()) };
        let patience = self.background.patience;
        let header = self.held.borrow().as_ref().map_or(0, |held| held.header);
        self.ask(&connection, &request, header).await;
        let seen = connection
            .watch(Instant::now() + patience, |inbox| match (inbox.unread(), inbox.end()) {
                (unread, _) if unread.len() >= answer => Some(Ok(())),
                (_, Some((end, _))) => Some(Err(end.to_string())),
                (_, None) => None,
            })
            .await;
        match seen {
            Some(Ok(())) => Ok(()),
            Some(Err(end)) => Err(Ailment::DroppedHeld(end)),
            None => Err(Ailment::HeldIsSilent(patience)),
        }
    }
}

/// A good handshake, up to the first byte of the acknowledgement.
///
/// # Errors
///
/// What the subject does instead of serving it.
pub(in crate::engine::agent) async fn greet(
    agent: &Agent<'_>,
    greeting: &Greeting,
    patience: Duration,
) -> Result<Connection, Ailment> {
    let connection = Connection::open(agent.address, greeting.from, patience)
        .await
        .map_err(|error| Ailment::Refuses(error.to_string()))?;
    connection.send(&greeting.bytes, patience).await;
    let seen = connection
        .watch(Instant::now() + patience, |inbox| match (inbox.unread(), inbox.end()) {
            ([0..=2, ..], _) => Some(Ok(())),
            ([other, ..], _) => Some(Err(format!("answered with the byte {other:02x}"))),
            ([], Some((end, _))) => Some(Err(end.to_string())),
            ([], None) => None,
        })
        .await;
    match seen {
        None => Err(Ailment::Silent(patience)),
        Some(Err(end)) => Err(Ailment::EndsHandshake(end)),
        Some(Ok(())) => Ok(connection),
    }
}

/// A handshake for the highest version: of the oldest one with the session 0.
fn good_handshake(background: &Background<'_>, agent: &Agent<'_>) -> Vec<u8> {
    let formats = &background.corpus.formats;
    let offer = Offer::of_version(agent.highest_version().unwrap_or_default(), formats);
    offer.bytes(formats).unwrap_or_default()
}

fn drain(connection: &Connection) {
    let mut inbox = connection.inbox();
    let count = inbox.unread().len();
    inbox.take(count);
    drop(inbox);
    connection.want(0);
}

fn ended(connection: &Connection) -> Option<String> {
    connection.inbox().end().map(|(end, _): (&End, _)| end.to_string())
}
