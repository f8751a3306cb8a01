//! What a client under test is told to do, and what it says came of it.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value as Json, json};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::super::driver::{Answer, Answered, Ticket};
use super::super::secure::mode;
use super::super::settings::HOST;
use super::scope::Scope;
use super::talk::Talk;
use super::{Conversation, Counterpart, Fired, Mismatch, Outcome, Trouble, bind_all, rounded};
use crate::citation::own;
use crate::engine::Breakdown;
use crate::event::Happening;
use crate::hex_text;
use crate::matching::Matching;
use crate::terms::{Encryption, TimeSpan, word};
use crate::vectors::transcript::Step;
use crate::vectors::transcript::op::{Authority, Connect, ErrorKind, ErrorKinds, Op, Tls, UpdateFile};
use crate::vectors::transcript::play::Unbuildable;
use crate::vectors::transcript::scalars::Name;
use crate::vectors::transcript::value::{Unplayable, Value};
use crate::verdict::clip;
use crate::yaml::Spot;

/// By how much a timeout may fire later than it is set (protocol, "Words").
const SLACK: Duration = Duration::from_secs(2);

/// Something that the client was told to do.
#[derive(Debug)]
pub(super) struct Task {
    /// The name of the op.
    pub(super) op: &'static str,
    /// The connection that it is about.
    pub(super) connection: String,
    /// How long it may take.
    timeout: Duration,
    ticket: Ticket,
    /// Whether the record of the case has its answer.
    told: Cell<bool>,
}

impl Task {
    /// By when it must be answered.
    pub(super) fn deadline(&self) -> Instant {
        self.ticket.asked + self.timeout + SLACK
    }

    /// The answer, if it is there.
    pub(super) fn answered(&self) -> Option<Arc<Answered>> {
        self.ticket.answered()
    }

    /// How long the answer took, if it is there.
    pub(super) fn took(&self) -> Option<Duration> {
        Some(self.answered()?.when.saturating_duration_since(self.ticket.asked))
    }
}

/// A client's connection as it was told to make it.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) connect: Rc<Task>,
    /// Where the connection is awaited.
    listener: TcpListener,
    /// Whether it was told to speak v1.
    speaks_oldest: bool,
    /// How long its ops may take where they do not say it.
    timeout: Duration,
    /// Whether it was told to close it.
    pub(super) closed: Cell<bool>,
}

impl Told {
    /// The number by which the client knows the connection, once it has told.
    pub(super) fn number(&self) -> Option<i64> {
        match &self.connect.answered()?.answer {
            Answer::Ok(members) => members.get("conn")?.as_i64(),
            Answer::Error { .. } => None,
        }
    }
}

impl Conversation<'_> {
    /// Tells the client to do something.
    pub(super) async fn tell(
        &self,
        step: &Spot<Step>,
        name: &str,
        op: &Op,
        scope: &Scope<'_>,
    ) -> Result<Rc<Task>, Trouble> {
        let task = match op {
            Op::Connect(connect) => self.tell_connect(step, name, connect, scope).await?,
            Op::Line(text) => self.tell_line(step, name, text).await?,
            op => {
                let mut members = self.with_matching(scope, |matching| members(op, matching))?;
                let (told, number) = self.told(step, name).await?;
                members.insert("conn".to_owned(), number.into());
                if matches!(op, Op::Close(_)) {
                    told.closed.set(true);
                }
                let timeout = op.timeout().map_or(told.timeout, |timeout| timeout.0);
                self.ask(name, op.name(), timeout, members)?
            }
        };
        if let Some(label) = &step.label {
            scope.note_task(&label.value.0, &task);
        }
        Ok(task)
    }

    /// Hands an op to the client.
    pub(super) fn ask(
        &self,
        name: &str,
        op: &'static str,
        timeout: Duration,
        members: Map<String, Json>,
    ) -> Result<Rc<Task>, Trouble> {
        let line = |id: u64| {
            // The id stands first, as a reader of lines expects it.
            let rest = Json::Object(members).to_string();
            let comma = if rest.len() > 2 { "," } else { "" };
            format!(r#"{{"id":{id},"op":"{op}"{comma}{}"#, &rest[1..])
        };
        self.hand_over(name, op, timeout, line, true)
    }

    fn hand_over(
        &self,
        name: &str,
        op: &'static str,
        timeout: Duration,
        line: impl FnOnce(u64) -> String,
        has_id: bool,
    ) -> Result<Rc<Task>, Trouble> {
        let Counterpart::Client(client) = &self.counterpart else {
            return Err(Trouble::CannotRun("there is no client that could be told anything".to_owned()));
        };
        let (ticket, line) = client.driver().ask(line, has_id);
        self.trace.note_text(name, Happening::Told, &line, ticket.asked);
        let connection = name.to_owned();
        let task = Rc::new(Task { op, connection, timeout, ticket, told: Cell::new(false) });
        self.tasks.borrow_mut().push(Rc::clone(&task));
        Ok(task)
    }

    async fn tell_connect(
        &self,
        step: &Spot<Step>,
        name: &str,
        connect: &Connect,
        scope: &Scope<'_>,
    ) -> Result<Rc<Task>, Trouble> {
        if self.told.borrow().contains_key(name) {
            return Err(Trouble::CannotRun(format!(
                "{}: client `{name}` was told to connect before",
                self.place(step.span)
            )));
        }
        let failed = |error| Trouble::CannotRun(format!("no port can be listened on: {error}"));
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.map_err(failed)?;
        let mut port = listener.local_addr().map_err(failed)?.port();
        if connect.port.is_some() {
            port = self.closed_port().map_err(failed)?;
        }
        let timeout = connect.timeout.map_or(self.background.patience, |timeout| timeout.0);
        let mut members = self.with_matching(scope, |matching| self.connect_members(connect, matching))?;
        members.insert("port".to_owned(), port.into());
        members.insert("timeout_ms".to_owned(), millis(timeout));
        let task = self.ask(name, "connect", timeout, members)?;
        let told = Told {
            connect: Rc::clone(&task),
            listener,
            speaks_oldest: connect.session.is_some(),
            timeout,
            closed: Cell::new(false),
        };
        self.told.borrow_mut().insert(name.to_owned(), Rc::new(told));
        Ok(task)
    }

    /// A port on which nothing listens while the case runs: it is taken by a socket that does not.
    fn closed_port(&self) -> std::io::Result<u16> {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let port = socket.local_addr()?.port();
        self.closed_ports.borrow_mut().push(socket);
        Ok(port)
    }

    fn connect_members(
        &self,
        connect: &Connect,
        matching: Matching<'_>,
    ) -> Result<Map<String, Json>, Trouble> {
        let played = |value: &Option<Spot<Value>>| played(value.as_ref(), matching);
        let mut members = Map::new();
        let host = connect.host.as_ref().map_or(HOST, |host| host.value.as_str());
        members.insert("host".to_owned(), host.into());
        let protocol = match &connect.session {
            Some(_) => json!({"version": 1, "session": played(&connect.session)?}),
            None => json!({"version": 2, "min": played(&connect.min)?, "max": played(&connect.max)?}),
        };
        members.insert("protocol".to_owned(), protocol);
        let values = self.values.borrow();
        let key = match &connect.aes_key {
            Some(key) => Some(key.value.clone()).filter(|key| key != "none"),
            None if mode(&values) == Encryption::Aes => values.get("aes_key").cloned(),
            None => None,
        };
        members.extend(key.map(|key| ("aes_key".to_owned(), key.into())));
        members.extend(self.trust(connect.tls.as_ref()).map(|tls| ("tls".to_owned(), tls)));
        members.extend(connect.require.map(|mode| ("require".to_owned(), word(&mode).into())));
        let spoken = connect.dialect.as_ref().map_or(self.dialect, |other| self.dialect.with(other));
        let dialect = json!({
            "server_version": spoken.server_version,
            "aes_padding": spoken.aes_padding,
            "response_code": spoken.response_code,
        });
        members.insert("dialect".to_owned(), dialect);
        Ok(members)
    }

    /// How the client is told to judge certificates: by the run's authority where a case says nothing else.
    fn trust(&self, tls: Option<&Tls>) -> Option<Json> {
        if tls.is_none() && mode(&self.values.borrow()) != Encryption::Ssl {
            return None;
        }
        let usual = Tls::default();
        let tls = tls.unwrap_or(&usual);
        let Counterpart::Client(client) = &self.counterpart else { return None };
        let path = client.authority(tls.ca.unwrap_or(Authority::Run))?;
        let name = tls.name.as_deref().unwrap_or("localhost");
        Some(json!({"ca_pem": path, "name": name, "verify": tls.verify.unwrap_or(true)}))
    }

    async fn tell_line(
        &self,
        step: &Spot<Step>,
        name: &str,
        text: &Spot<String>,
    ) -> Result<Rc<Task>, Trouble> {
        let mut text = text.value.clone();
        let mut timeout = self.background.patience;
        if text.contains("{conn}") {
            let (told, number) = self.told(step, name).await?;
            text = text.replace("{conn}", &number.to_string());
            timeout = told.timeout;
        }
        let has_id = text.contains("{id}");
        let line = |id: u64| text.replace("{id}", &id.to_string());
        self.hand_over(name, "line", timeout, line, has_id)
    }

    /// A client's connection, and the number by which the client knows it.
    async fn told(&self, step: &Spot<Step>, name: &str) -> Result<(Rc<Told>, i64), Trouble> {
        let told = self.told.borrow().get(name).cloned();
        let told = told.ok_or_else(|| {
            Trouble::CannotRun(format!("{}: client `{name}` was not told to connect", self.place(step.span)))
        })?;
        let answered = self.answer(step, "result", &told.connect, told.connect.deadline()).await?;
        match (&answered.answer, told.number()) {
            (_, Some(number)) => Ok((told, number)),
            (answer, None) => {
                let expected = "it connects, and tells a number as `conn`";
                let mismatch = Mismatch::words("the client did not connect", expected, shown(answer));
                Err(self.stumble(step, "connect", mismatch))
            }
        }
    }

    /// The answer to a task, by a deadline. `what` says what a report calls it.
    pub(super) async fn answer(
        &self,
        step: &Spot<Step>,
        what: &str,
        task: &Task,
        deadline: Instant,
    ) -> Result<Arc<Answered>, Trouble> {
        match task.ticket.answer(deadline).await {
            Some(answered) => {
                self.note_answer(task);
                Ok(answered)
            }
            None if self.breakdown().is_some() => Err(self.broke_down(step, task)),
            None => {
                let within = TimeSpan(rounded(deadline.saturating_duration_since(task.ticket.asked)));
                let mismatch = Mismatch::words(
                    format!("`{}` was not answered", task.op),
                    format!("an answer within {within}"),
                    "none",
                );
                Err(self.too_late(step, what, mismatch))
            }
        }
    }

    /// How the client broke down, if it did.
    fn breakdown(&self) -> Option<Breakdown> {
        match &self.counterpart {
            Counterpart::Client(client) => client.breakdown(),
            Counterpart::Shared(_) | Counterpart::Own(_) | Counterpart::Hosts(_) => None,
        }
    }

    /// A client that broke down answers nothing more.
    fn broke_down(&self, step: &Spot<Step>, task: &Task) -> Trouble {
        let actual = self.breakdown().map_or_else(|| "none".to_owned(), |breakdown| breakdown.to_string());
        let mismatch = Mismatch::words(format!("`{}` was not answered", task.op), "an answer", actual);
        self.stumble(step, "result", mismatch)
    }

    /// Puts the answer to a task into the record of the case.
    pub(super) fn note_answer(&self, task: &Task) {
        if let Some(answered) = task.answered()
            && !task.told.replace(true)
        {
            let text = shown(&answered.answer);
            self.trace.note_text(&task.connection, Happening::Answered, &text, answered.when);
        }
    }

    /// The connection that a client was told to make.
    pub(super) async fn accepted(&self, step: &Spot<Step>, name: &str) -> Result<Rc<Talk>, Trouble> {
        if let Some(talk) = self.talk(name) {
            return Ok(talk);
        }
        let Some(told) = self.told.borrow().get(name).cloned() else {
            return Err(Trouble::CannotRun(format!(
                "{}: client `{name}` was not told to connect",
                self.place(step.span)
            )));
        };
        let deadline = told.connect.ticket.asked + self.background.patience;
        let accepted = tokio::select! {
            biased;
            accepted = Talk::accept(&told.listener, deadline) => accepted,
            // Without a connection there is nothing to wait for.
            answered = told.connect.ticket.answer(deadline) => match answered {
                Some(answered) => {
                    self.note_answer(&told.connect);
                    let (expected, actual) = ("it connects", shown(&answered.answer));
                    let mismatch = Mismatch::words("the client did not connect", expected, actual);
                    return Err(self.stumble(step, "connect", mismatch));
                }
                None if self.breakdown().is_some() => return Err(self.broke_down(step, &told.connect)),
                None => Err(std::io::ErrorKind::TimedOut.into()),
            },
        };
        match accepted {
            Ok(talk) => {
                talk.speaks_oldest.set(told.speaks_oldest);
                talk.any_answers.set(self.dialect.any_command());
                self.talks.borrow_mut().insert(name.to_owned(), Rc::clone(&talk));
                self.trace.note(name, Happening::ConnectedBySubject);
                Ok(talk)
            }
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                let within = TimeSpan(self.background.patience);
                let mismatch = Mismatch::words(
                    "the client did not connect",
                    format!("a connection within {within}"),
                    "none",
                );
                Err(self.too_late(step, "connect", mismatch))
            }
            Err(error) => Err(Trouble::CannotRun(format!("no connection can be accepted: {error}"))),
        }
    }

    /// Checks what an op came to.
    pub(super) async fn result(&self, step: &Spot<Step>, label: &Name, scope: &Scope<'_>) -> Outcome {
        let Some(task) = scope.task(&label.0) else {
            let place = self.place(step.span);
            return Err(Trouble::CannotRun(format!("{place}: nothing was told in the step `{label}`")));
        };
        let within = step.within.as_ref().map(|within| self.reference(step, None, scope).after + within.0);
        let deadline = within.unwrap_or_else(|| task.deadline());
        let answered = self.answer(step, "result", &task, deadline).await?;
        match (&answered.answer, &step.fails) {
            (Answer::Ok(members), None) => {
                let Some(expected) = &step.is else { return Ok(()) };
                let judged = self.with_matching(scope, |matching| matching.members(expected, members));
                bind_all(judged.map_err(|mismatch| self.stumble(step, task.op, *mismatch))?, scope);
            }
            (Answer::Error { kind, .. }, Some(kinds)) if names(kinds, kind) => {
                self.not_too_early(step, &task, kinds, &answered)?;
            }
            (answer, kinds) => {
                let (summary, expected) = match (answer, kinds) {
                    (Answer::Ok(_), _) => ("succeeded", kinds),
                    (Answer::Error { .. }, None) => ("failed", kinds),
                    (Answer::Error { .. }, Some(_)) => ("failed in another way", kinds),
                };
                let expected = expected.as_ref().map_or_else(
                    || "it succeeds".to_owned(),
                    |kinds| {
                        let kinds: Vec<String> = kinds.0.iter().map(word).collect();
                        format!("it fails as {}", kinds.join(" or "))
                    },
                );
                let other_kind = matches!(answer, Answer::Error { .. }) && step.fails.is_some();
                let summary = format!("`{}` {summary}", task.op);
                let mismatch = Mismatch::words(summary, expected, shown(answer));
                let mismatch = if other_kind { mismatch.breaking(own::ERROR_KINDS) } else { mismatch };
                return Err(self.stumble(step, task.op, mismatch));
            }
        }
        self.ended_step(step, None, super::talk::Moment::at(answered.when), scope);
        Ok(())
    }

    /// Whether a timeout fired no earlier than it may: 0.7 of its time (protocol, "Words").
    fn not_too_early(
        &self,
        step: &Spot<Step>,
        task: &Task,
        kinds: &ErrorKinds,
        answered: &Answered,
    ) -> Outcome {
        let took = answered.when.saturating_duration_since(task.ticket.asked);
        if kinds.0 != [ErrorKind::Timeout] {
            return Ok(());
        }
        if took >= task.timeout.mul_f64(0.7) {
            let name = task.op.to_owned();
            self.timeouts.borrow_mut().push(Fired { name, set: task.timeout, took });
            return Ok(());
        }
        let expected = format!("not before {}", TimeSpan(rounded(task.timeout.mul_f64(0.7))));
        let actual = format!("after {}", TimeSpan(rounded(took)));
        let summary = format!("`{}` timed out too early", task.op);
        Err(self.stumble(step, task.op, Mismatch::words(summary, expected, actual)))
    }
}

fn names(kinds: &ErrorKinds, kind: &str) -> bool {
    kinds.0.iter().any(|known| word(known) == kind)
}

/// An answer for a reader, on one line.
pub(super) fn shown(answer: &Answer) -> String {
    clip(&match answer {
        Answer::Ok(members) => format!("ok {}", Json::Object(members.clone())),
        Answer::Error { kind, message } if message.is_empty() => format!("error {kind}"),
        Answer::Error { kind, message } => format!("error {kind}: {message}"),
    })
}

fn millis(time: Duration) -> Json {
    Json::from(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// The value of a parameter.
fn played(value: Option<&Spot<Value>>, matching: Matching<'_>) -> Result<Json, Trouble> {
    let Some(value) = value else { return Ok(Json::Null) };
    let missing = |error: Unplayable| {
        let why = Unbuildable::from(error).why;
        Trouble::CannotRun(format!("a parameter has no value: {why}"))
    };
    value.played(matching.player.known).map_err(missing)
}

/// The parameters of an op on a connection.
fn members(op: &Op, matching: Matching<'_>) -> Result<Map<String, Json>, Trouble> {
    let played = |value: &Spot<Value>| played(Some(value), matching);
    let mut members = Map::new();
    let mut put = |name: &str, value: Json| members.insert(name.to_owned(), value);
    match op {
        Op::Send(send) => {
            put("target", send.target.as_ref().map_or(Ok("meta".into()), played)?);
            put("command", played(&send.command)?);
            let data = send.data.as_ref().map(|data| data.bytes()).unwrap_or_default();
            put("data", hex_text::encode(&data).into());
        }
        Op::GetRootPath(get) => {
            put("agent_type", played(&get.agent_type)?);
        }
        Op::UpdateAgent(update) => {
            put("agent_type", played(&update.agent_type)?);
            put("assemblies", update.assemblies.iter().map(file).collect());
            put("extensions", update.extensions.iter().map(file).collect());
        }
        Op::OpenSession(open) => {
            put("agent_type", played(&open.agent_type)?);
            put("session", played(&open.session)?);
        }
        // `connect` and `line` are made up elsewhere, `start` is for hosts.
        Op::Receive(_) | Op::Close(_) | Op::Connect(_) | Op::Line(_) | Op::Start(_) => {}
    }
    if let Some(timeout) = op.timeout() {
        put("timeout_ms", millis(timeout.0));
    }
    Ok(members)
}

fn file(file: &UpdateFile) -> Json {
    json!({
        "name": file.name.value,
        "modified_ticks": file.modified_ticks.value,
        "contents": hex_text::encode(&file.contents.bytes()),
    })
}
