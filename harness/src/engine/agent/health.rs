//! Whether a subject still serves: a good handshake, and a connection that is open since the group began.
//!
//! So a refusal is told apart from a crash, and a restart in silence shows. Many cases that end at once share a
//! look: one that began after a case had ended is good for that case.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::connection::{Connection, End};
use super::conversation::{Background, Greeting};
use super::running::Agent;
use super::secure::Layer;
use super::settings::Asked;
use crate::matching::Cut;
use crate::subject::Ending;
use crate::terms::TimeSpan;
use crate::vectors::transcript::Party;
use crate::vectors::transcript::play::Framing;

/// How long a process whose connections ended may take to be gone.
const DIES_WITHIN: Duration = Duration::from_secs(2);

/// What a subject did instead of serving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ailment {
    /// Its process ended.
    Died(Ending),
    /// It accepts no connection.
    Refuses(String),
    /// It does not acknowledge a good handshake.
    Silent(Duration),
    /// It ends a good handshake without an acknowledgement.
    EndsHandshake(String),
    /// It ended the connection that was held open.
    DroppedHeld(String),
    /// It answers no more on the connection that was held open.
    HeldIsSilent(Duration),
}

impl Ailment {
    /// Whether it is a silence rather than an end.
    pub(super) fn is_silence(&self) -> bool {
        matches!(self, Ailment::Silent(_) | Ailment::HeldIsSilent(_))
    }
}

impl fmt::Display for Ailment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ailment::Died(ending) => write!(f, "the subject {ending}"),
            Ailment::Refuses(error) => write!(f, "the subject accepts no connection ({error})"),
            Ailment::Silent(patience) => {
                write!(f, "the subject did not acknowledge a good handshake within {}", TimeSpan(*patience))
            }
            Ailment::EndsHandshake(end) => {
                write!(f, "the subject did not acknowledge a good handshake: the connection was {end}")
            }
            Ailment::DroppedHeld(end) => {
                write!(
                    f,
                    "the connection held open since the start was {end}, as if the subject had restarted itself"
                )
            }
            Ailment::HeldIsSilent(patience) => write!(
                f,
                "the subject did not answer within {} on the connection held open since the start",
                TimeSpan(*patience)
            ),
        }
    }
}

/// What is known of a subject's health.
pub(super) struct Health<'a> {
    background: &'a Background<'a>,
    agent: &'a Agent<'a>,
    greeting: Greeting,
    /// A connection that stays open, with its framing version; `None` where the subject never gave one.
    held: RefCell<Option<Held>>,
    busy: Mutex<()>,
    /// How many looks were begun.
    begun: Cell<u64>,
    last: RefCell<Option<(u64, Result<(), Ailment>)>>,
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

impl<'a> Health<'a> {
    /// Looks at a subject for the first time, and holds a connection open where it gives one.
    ///
    /// # Errors
    ///
    /// What the subject does instead of serving: it can be tested all the same.
    pub(super) async fn first(
        background: &'a Background<'a>,
        agent: &'a Agent<'a>,
        asked: &'a Asked,
    ) -> (Self, Result<(), Ailment>) {
        let greeting = Greeting {
            from: asked.allowed_address(),
            bytes: good_handshake(background, highest_version(background, agent)),
        };
        let health = Self {
            background,
            agent,
            greeting,
            held: RefCell::new(None),
            busy: Mutex::new(()),
            begun: Cell::new(0),
            last: RefCell::new(None),
        };
        let seen = match health.handshake().await {
            Ok(connection) => {
                health.hold(connection).await;
                Ok(())
            }
            Err(ailment) => Err(ailment),
        };
        (health, seen)
    }

    /// Looks again: a look that began after this was called.
    ///
    /// # Errors
    ///
    /// What the subject does instead of serving.
    pub(super) async fn look(&self) -> Result<(), Ailment> {
        let before = self.begun.get();
        let _turn = self.busy.lock().await;
        if let Some((number, seen)) = self.last.borrow().as_ref()
            && *number > before
        {
            return seen.clone();
        }
        let number = self.begun.get() + 1;
        self.begun.set(number);
        let seen = self.look_now().await;
        *self.last.borrow_mut() = Some((number, seen.clone()));
        seen
    }

    async fn look_now(&self) -> Result<(), Ailment> {
        let seen = match self.handshake().await {
            Ok(_) => self.held_works().await,
            Err(ailment) => Err(ailment),
        };
        let Err(ailment) = seen else { return Ok(()) };
        // Connections end a little before their process is gone.
        if ailment.is_silence() || self.agent.process().is_none() {
            return Err(self.agent.ending().map_or(ailment, Ailment::Died));
        }
        let ended = timeout(DIES_WITHIN, self.agent.ended()).await;
        Err(ended.map_or(ailment, Ailment::Died))
    }

    async fn handshake(&self) -> Result<Connection, Ailment> {
        greet(self.agent, &self.greeting, self.background.patience).await
    }

    /// Keeps a connection open, and finds out whether requests are answered on it.
    async fn hold(&self, connection: Connection) {
        let formats = &self.background.corpus.formats;
        let highest = highest_version(self.background, self.agent);
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
        let vector = background.acknowledgement(values).iv.map_or(0, |vector| vector.len());
        let size = 5 + vector + 4 * background.server_version.len();
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
        match Layer::of(values, background.padding, &came, 0) {
            Ok(None) => true,
            Ok(Some(layer)) => connection.secure(layer, deadline, background.patience).await.is_ok(),
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
pub(super) async fn greet(
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

/// The highest version that a subject was started with.
fn highest_version(background: &Background<'_>, agent: &Agent<'_>) -> i32 {
    let asked = agent.values.get("versions").map(String::as_str).unwrap_or_default();
    let mut versions: Vec<i32> = asked.split(',').filter_map(|version| version.parse().ok()).collect();
    if versions.is_empty() {
        versions.clone_from(&background.manifest.supports.versions);
    }
    versions.into_iter().max().unwrap_or_default()
}

/// A handshake for one version: of the oldest one with the session 0.
fn good_handshake(background: &Background<'_>, version: i32) -> Vec<u8> {
    let formats = &background.corpus.formats;
    let oldest = formats.iter().next();
    let speaks_oldest = oldest.is_some_and(|format| format.protocol.value >= version);
    let format = if speaks_oldest { oldest } else { formats.iter().last() };
    let value = if speaks_oldest {
        serde_json::json!({"version": version, "session": 0})
    } else {
        serde_json::json!({"min": version, "max": version})
    };
    let bytes = format.map(|format| formats.encode(&format.conversation.handshake, &value, None));
    bytes.and_then(Result::ok).unwrap_or_default()
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
