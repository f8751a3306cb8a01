//! One conversation with an agent or a client: plays the steps of the other side, checks the subject's, and looks at the
//! world around.
//!
//! [`run`] takes a case from its first step to the fence at its end. What the subject did wrong comes back as a
//! [`Stumble`]; what kept the harness from finding out as [`Trouble::CannotRun`]. An agent is connected to and sent the
//! client's bytes ([`play`]); a client is told by lines what to do ([`task`]), connects to the harness, and gets the
//! agent's bytes ([`serve`]); a host is started with a segment of the harness ([`hosting`]). What comes from any of them is
//! looked at in the same way ([`check`]).

mod check;
mod diaries;
mod fence;
mod fence_sessions;
mod flow;
mod hosting;
mod play;
pub(super) mod scope;
mod secured;
mod segments;
mod serve;
mod settle;
mod talk;
mod task;
mod trace;
mod truth;
mod vectors;
mod world;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::time::Instant;

pub(super) use self::hosting::Hosts;
use self::scope::{Knowledge, Scope};
use self::talk::{Moment, Phase, Talk};
use self::task::{Task, Told};
use self::trace::Trace;
use super::client::Client;
use super::connection::End;
use super::dialect::Dialect;
use super::running::Agent;
use super::secure::{self, mode};
use super::settings::Asked;
use super::support::has_step;
use crate::citation::own;
use crate::engine::Conversations;
use crate::event::{Exchange, Happening};
use crate::format::{AES_BLOCK, Formats, Padding};
use crate::matching::{Bindings, Matching, Mismatch};
use crate::subject::Manifest;
use crate::subject::placeholders::Values;
use crate::terms::Encryption;
use crate::vectors::transcript::play::{AckDefaults, Framing, Player, Unbuildable};
use crate::vectors::transcript::step::{Kind, Part};
use crate::vectors::transcript::{Party, Step};
use crate::vectors::{Corpus, TranscriptCase};
use crate::verdict::Problem;
use crate::yaml::{Span, Spot};

/// The first number of the version of an agent that the harness plays.
const SERVER_VERSION: i32 = 51;

/// What all conversations with a subject have in common.
pub(super) struct Background<'a> {
    pub(super) corpus: &'a Corpus,
    pub(super) manifest: &'a Manifest,
    /// How long a subject that owes bytes may be silent where no step says it.
    pub(super) patience: Duration,
    /// The most that is waited for anything that may come at once.
    pub(super) longest_wait: Option<Duration>,
    /// How the subject reads the knobs of the protocol: one reading, or all that a client can be told to follow.
    pub(super) dialects: Vec<Dialect>,
    /// The settings of the conversations by which a client's health is looked at.
    pub(super) asked: Asked,
    /// Of which cases the conversation is told.
    pub(super) conversations: Conversations,
}

impl Background<'_> {
    /// How long to wait for what comes within a time, if the step says one. What may not come before a time is waited
    /// for as long as the step says.
    pub(super) fn wait(&self, within: Option<Duration>, has_not_before: bool) -> Duration {
        let wait = within.unwrap_or(self.patience);
        match self.longest_wait {
            Some(longest) if !has_not_before => wait.min(longest),
            _ => wait,
        }
    }

    /// The usual reading of the knobs.
    pub(super) fn dialect(&self) -> Dialect {
        self.dialects.first().copied().unwrap_or_else(|| Dialect::of_agent(self.manifest))
    }

    /// The dialects in which a case is worth running in a mode of encryption: the usual one where none stands out.
    pub(super) fn dialects_for(&self, case: &TranscriptCase, mode: Encryption) -> Vec<Dialect> {
        let found = Dialect::worthwhile(&self.dialects, case.entry.needs.dialect.as_ref(), mode);
        if found.is_empty() { vec![self.dialect()] } else { found }
    }

    /// What acknowledgements hold where no step says it, with some settings and in a dialect.
    pub(super) fn acknowledgement(&self, values: &Values, dialect: Dialect) -> AckDefaults {
        let mode = mode(values);
        let iv = (mode == Encryption::Aes).then_some([0; AES_BLOCK]);
        let server_version = dialect.version_of_server(SERVER_VERSION);
        AckDefaults { encryption: secure::number(mode), iv, server_version }
    }
}

/// The subject of a conversation.
pub(super) enum Counterpart<'a> {
    /// An agent that has others, too.
    Shared(&'a Agent<'a>),
    /// An agent that the case may stop and start again; `None` while it is not started.
    Own(RefCell<Option<Box<Agent<'a>>>>),
    /// A client.
    Client(&'a Client<'a>),
    /// Hosts, which the case starts.
    Hosts(&'a Hosts<'a>),
}

/// A step that the subject failed.
#[derive(Clone, Debug)]
pub(super) struct Stumble {
    /// What went wrong.
    pub(super) problem: Problem,
    /// Whether it was only that something came too late: a slow harness may have been the reason.
    pub(super) late: bool,
    /// Whether no delay can be the reason.
    pub(super) timeless: bool,
}

/// Why a conversation did not come to its end.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// The subject failed a step.
    Stumble(Box<Stumble>),
    /// The harness could not do its part.
    CannotRun(String),
}

/// How a conversation went.
#[derive(Debug)]
pub(super) struct Course {
    /// What went wrong, if anything did.
    pub(super) trouble: Option<Trouble>,
    /// Whether a connection ended before the case did.
    pub(super) saw_end: bool,
    /// The last handshake that was acknowledged.
    pub(super) greeting: Option<Greeting>,
    /// What happened on its connections.
    pub(super) exchanges: Vec<Exchange>,
    /// Timeouts that fired while they were watched.
    pub(super) timeouts: Vec<Fired>,
    /// How the subject was told to read the knobs of the protocol, where there was a choice.
    pub(super) dialect: Option<Dialect>,
}

/// A timeout that fired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fired {
    /// Which one.
    pub(super) name: String,
    /// What it was set to.
    pub(super) set: Duration,
    /// After what it fired.
    pub(super) took: Duration,
}

/// A handshake that a subject acknowledges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    /// From where.
    pub(super) from: Option<IpAddr>,
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
}

/// Runs a case. Gives back the subject that the case was in charge of, as it left it.
pub(super) async fn run<'a>(
    background: &'a Background<'a>,
    case: &'a TranscriptCase,
    asked: &'a Asked,
    dialect: Dialect,
    counterpart: Counterpart<'a>,
) -> (Course, Option<Box<Agent<'a>>>) {
    let conversation = Conversation::new(background, case, asked, dialect, counterpart);
    let scope = Scope::default();
    let mut outcome = conversation.steps(case.steps(), &scope).await;
    if outcome.is_ok() {
        outcome = match conversation.tested {
            Party::Client => conversation.settle().await,
            Party::Agent => conversation.fence().await,
            Party::Host => conversation.dismiss().await,
        };
    }
    if outcome.is_err() {
        conversation.abandon();
    }
    if outcome.is_err() || background.conversations == Conversations::All {
        conversation.hear_hosts();
    }
    for killed in conversation.killed.take() {
        killed.kill().await;
    }
    let course = Course {
        trouble: outcome.err(),
        saw_end: conversation.saw_end.get(),
        greeting: conversation.greeting.take(),
        exchanges: conversation.exchanges(),
        timeouts: conversation.timeouts.take(),
        dialect: None,
    };
    match conversation.counterpart {
        Counterpart::Shared(_) | Counterpart::Client(_) | Counterpart::Hosts(_) => (course, None),
        Counterpart::Own(agent) => (course, agent.into_inner()),
    }
}

/// A conversation under way.
pub(super) struct Conversation<'a> {
    background: &'a Background<'a>,
    case: &'a TranscriptCase,
    asked: &'a Asked,
    /// How both sides read the knobs of the protocol.
    dialect: Dialect,
    /// Which side is the subject's.
    tested: Party,
    counterpart: Counterpart<'a>,
    /// The settings of the subject as it was last started.
    values: RefCell<Rc<Values>>,
    talks: RefCell<BTreeMap<String, Rc<Talk>>>,
    /// The connections that a client was told to make.
    told: RefCell<BTreeMap<String, Rc<Told>>>,
    /// All that a client was told.
    tasks: RefCell<Vec<Rc<Task>>>,
    /// Ports that nothing may listen on.
    closed_ports: RefCell<Vec<TcpSocket>>,
    memory_at_start: Cell<u64>,
    /// Processes that were killed as a case has it; what they left is ended with the case.
    killed: RefCell<Vec<crate::subject::Process>>,
    saw_end: Cell<bool>,
    /// How many acknowledgements the harness has sent.
    acknowledged: Cell<u32>,
    greeting: RefCell<Option<Greeting>>,
    timeouts: RefCell<Vec<Fired>>,
    trace: Trace,
}

type Outcome = Result<(), Trouble>;

impl<'a> Conversation<'a> {
    pub(super) fn new(
        background: &'a Background<'a>,
        case: &'a TranscriptCase,
        asked: &'a Asked,
        dialect: Dialect,
        counterpart: Counterpart<'a>,
    ) -> Self {
        let values = match &counterpart {
            Counterpart::Shared(agent) => Rc::clone(&agent.values),
            Counterpart::Own(agent) => {
                agent.borrow().as_ref().map(|agent| Rc::clone(&agent.values)).unwrap_or_default()
            }
            Counterpart::Client(client) => Rc::new(asked.values(client.manifest(), &client.ground)),
            Counterpart::Hosts(hosts) => Rc::clone(&hosts.values),
        };
        let tested = match &counterpart {
            Counterpart::Shared(_) | Counterpart::Own(_) => Party::Agent,
            Counterpart::Client(_) => Party::Client,
            Counterpart::Hosts(_) => Party::Host,
        };
        let conversation = Self {
            background,
            case,
            asked,
            dialect,
            tested,
            counterpart,
            values: RefCell::new(values),
            talks: RefCell::default(),
            told: RefCell::default(),
            tasks: RefCell::default(),
            closed_ports: RefCell::default(),
            memory_at_start: Cell::new(0),
            killed: RefCell::default(),
            saw_end: Cell::new(false),
            acknowledged: Cell::new(0),
            greeting: RefCell::new(None),
            timeouts: RefCell::default(),
            trace: Trace::new(background.conversations),
        };
        // That goes through all processes of the machine, for the few cases that are about it.
        if has_step(case, |kind| matches!(kind, Kind::Memory(_))) {
            conversation.memory_at_start.set(conversation.peak_memory());
        }
        conversation
    }
}

impl Conversation<'_> {
    pub(super) async fn steps(&self, steps: &[Spot<Step>], scope: &Scope<'_>) -> Outcome {
        for step in steps {
            self.step(step, scope).await?;
        }
        Ok(())
    }

    async fn step(&self, step: &Spot<Step>, scope: &Scope<'_>) -> Outcome {
        let part = step.part(self.tested);
        match step.kind() {
            Some(Kind::Actor(_, name)) => match part {
                Part::Plays => match self.tested {
                    Party::Client => self.serve(step, &scope.connection(&name.value.0), scope).await,
                    Party::Agent => self.play(step, &scope.connection(&name.value.0), scope).await,
                    Party::Host => self.act(step, &scope.connection(&name.value.0), scope).await,
                },
                Part::Checks => match self.tested {
                    Party::Host => self.look_at_host(step, &scope.connection(&name.value.0), scope).await,
                    Party::Agent | Party::Client => {
                        self.check(step, &scope.connection(&name.value.0), scope).await
                    }
                },
                Part::Skips | Part::Inside => Ok(()),
            },
            Some(Kind::Parallel(branches)) => self.parallel(branches, scope).await,
            Some(Kind::Either(branches)) => self.either(step, branches, scope).await,
            Some(Kind::Each(each)) => self.each(each, scope).await,
            Some(Kind::Distinct(names)) => self.distinct(step, names, scope),
            Some(Kind::Unpredictable(names)) => self.unpredictable(step, names, scope),
            Some(Kind::Subject(subject)) => self.subject(step, subject).await,
            Some(Kind::Process(process)) => self.process(step, process, scope).await,
            Some(Kind::Files(files)) => self.files(step, files).await,
            Some(Kind::Memory(memory)) => self.memory(step, memory),
            Some(Kind::Result(label)) => match part {
                Part::Checks => self.result(step, &label.value, scope).await,
                Part::Plays | Part::Skips | Part::Inside => Ok(()),
            },
            // Segments belong to product hosts, whose cases are skipped.
            Some(Kind::Segments(_)) => self.no_segments(step).await,
            None => {
                let place = self.place(step.span);
                Err(Trouble::CannotRun(format!("{place}: the step does not say who does something")))
            }
        }
    }

    fn formats(&self) -> &Formats {
        &self.background.corpus.formats
    }

    fn talk(&self, name: &str) -> Option<Rc<Talk>> {
        self.talks.borrow().get(name).cloned()
    }

    /// All connections, in the order of their names.
    fn all_talks(&self) -> Vec<(String, Rc<Talk>)> {
        self.talks.borrow().iter().map(|(name, talk)| (name.clone(), Rc::clone(talk))).collect()
    }

    /// Calls a function with what compares bytes, in a scope.
    fn with_matching<T>(&self, scope: &Scope<'_>, call: impl FnOnce(Matching<'_>) -> T) -> T {
        self.with_matching_of(0, scope, call)
    }

    /// The same for a message among those of a frame that stands several times.
    fn with_matching_of<T>(&self, number: i32, scope: &Scope<'_>, call: impl FnOnce(Matching<'_>) -> T) -> T {
        let values = self.values.borrow();
        let knowledge = Knowledge { values: &values, scope, number };
        let mut ack = self.background.acknowledgement(&values, self.dialect);
        if let (Party::Client, Some(vector)) = (self.tested, &mut ack.iv) {
            *vector = self.vector();
        }
        let player = Player { formats: self.formats(), known: &knowledge, ack: &ack };
        let zero_padded = self.dialect.padding() == Padding::Zeros && mode(&values) == Encryption::Aes;
        // What a client asks for is not left open.
        let any_command = self.dialect.any_command() && self.tested != Party::Client;
        call(Matching { player, any_command, zero_padded })
    }

    /// The framing in which a party sends on a connection. Before the acknowledgement it is that of the highest
    /// version offered.
    fn framing(&self, party: Party, talk: &Talk) -> Result<Framing<'_>, Trouble> {
        self.framing_behind(party, talk, &[])
    }

    /// The framing in which a party sends behind some bytes, which may be those of the handshake.
    fn framing_behind(&self, party: Party, talk: &Talk, bytes: &[u8]) -> Result<Framing<'_>, Trouble> {
        let oldest = self.oldest_version();
        let offered = || talk.offered_with(bytes).map(|(min, max)| if max < oldest { min } else { max });
        let version = talk.version.get().or_else(offered).unwrap_or_else(|| self.oldest_version());
        Framing::new(self.formats(), party, version)
            .ok_or_else(|| Trouble::CannotRun("the corpus describes no protocol version".to_owned()))
    }

    fn oldest_version(&self) -> i32 {
        self.formats().oldest_version()
    }

    /// The type of acknowledgements.
    fn acknowledgement_type(&self) -> Option<&str> {
        self.formats().iter().last().map(|format| format.conversation.acknowledgement.value.as_str())
    }

    /// The type of a client's handshake.
    fn handshake_type(&self, talk: &Talk) -> Option<&str> {
        let mut formats = self.formats().iter();
        let format = if talk.speaks_oldest.get() { formats.next() } else { formats.last() };
        format.map(|format| format.conversation.handshake.value.as_str())
    }

    /// From where the times of a step count.
    fn reference(&self, step: &Step, talk: Option<&Talk>, scope: &Scope<'_>) -> Moment {
        let since = step.since.as_ref().and_then(|name| scope.labelled(&name.value.0));
        since.or_else(|| talk.map(|talk| talk.last.get())).unwrap_or_else(|| Moment::at(Instant::now()))
    }

    /// Notes the end of a step.
    fn ended_step(&self, step: &Step, talk: Option<&Talk>, moment: Moment, scope: &Scope<'_>) {
        if let Some(talk) = talk {
            talk.last.set(moment);
        }
        if let Some(label) = &step.label {
            scope.label(&label.value.0, moment);
        }
    }

    /// What happened so far, with what the case did not get to.
    fn exchanges(&self) -> Vec<Exchange> {
        self.tasks.borrow().iter().for_each(|task| self.note_answer(task));
        for (name, talk) in self.all_talks() {
            let Some(connection) = talk.connection() else { continue };
            let mut inbox = connection.inbox();
            let unread = inbox.unread().len();
            let news = inbox.record(unread);
            if !news.is_empty() {
                self.trace.note_came(&name, Happening::Unread, news);
            }
            let untold = talk.phase.get() != Phase::Ended && !talk.end_told.get();
            if let (Some((end, when)), true) = (inbox.end(), untold) {
                self.trace.note_end(&name, happening(end), when);
            }
        }
        self.trace.exchanges()
    }

    /// Notes that a connection ended, by whomever.
    fn ended(&self, talk: &Talk) {
        talk.phase.set(Phase::Ended);
        self.saw_end.set(true);
    }

    /// Calls a function with the subject, if it was started.
    fn with_agent<T>(&self, call: impl FnOnce(&Agent<'_>) -> T) -> Option<T> {
        match &self.counterpart {
            Counterpart::Shared(agent) => Some(call(agent)),
            Counterpart::Own(agent) => agent.borrow().as_deref().map(call),
            Counterpart::Client(_) | Counterpart::Hosts(_) => None,
        }
    }

    /// The address from which connections come where no step says another one.
    fn usual_source(&self) -> Option<IpAddr> {
        self.asked.allowed_address()
    }

    fn place(&self, span: Span) -> String {
        let (line, _) = self.case.source.line_column(span.start);
        format!("{}:{line}", self.case.source.name)
    }

    /// What a step is called in reports.
    fn label(&self, step: &Spot<Step>, what: &str) -> String {
        let kind = step.kind().map_or_else(|| "step".to_owned(), |kind| kind.to_string());
        let name = match step.kind() {
            Some(Kind::Actor(_, name)) => format!(" {}", name.value),
            _ => String::new(),
        };
        let what = if what.is_empty() { String::new() } else { format!(", {what}") };
        format!("{kind}{name}{what} ({})", self.place(step.span))
    }

    fn stumble(&self, step: &Spot<Step>, what: &str, mismatch: Mismatch) -> Trouble {
        self.fell(step, what, mismatch, false)
    }

    fn too_late(&self, step: &Spot<Step>, what: &str, mismatch: Mismatch) -> Trouble {
        self.fell(step, what, mismatch, true)
    }

    fn fell(&self, step: &Spot<Step>, what: &str, mismatch: Mismatch, late: bool) -> Trouble {
        let mut problem = mismatch.problem(self.label(step, what));
        // What the engine checks beside the step breaks a clause of its own, whatever the step is about.
        if let (None, Some(clause)) = (&problem.clause, &step.clause) {
            problem.clause = Some(clause.value.clone());
        }
        Trouble::Stumble(Box::new(Stumble { problem, late, timeless: false }))
    }

    /// The harness cannot make bytes that it was to send or expect: a mistake in the vector.
    fn unbuildable(&self, error: &Unbuildable) -> Trouble {
        Trouble::CannotRun(format!("{}: {}", self.place(error.span), error.why))
    }
}

fn bind_all(bindings: Bindings, scope: &Scope<'_>) {
    for (name, value) in bindings {
        scope.bind(name, value);
    }
}

/// A span of time for people: whole milliseconds.
fn rounded(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// The end of a connection as reports have it.
fn happening(end: &End) -> Happening {
    match end {
        End::Fin => Happening::ClosedBySubject,
        End::Rst | End::Broken(_) | End::Died => Happening::ResetBySubject,
        End::Unopened(_) => Happening::Unopened,
        End::Refused(_) => Happening::ClosedBySubject,
    }
}

impl Mismatch {
    /// Nothing but words.
    fn words(summary: impl Into<String>, expected: impl Into<String>, actual: impl Into<String>) -> Self {
        let (summary, expected, actual) = (summary.into(), expected.into(), actual.into());
        Self { summary, expected, actual, clause: None, bytes: None }
    }

    /// The same, where so many bytes came: if those are right, it is not a field that is wrong.
    fn without_missing(mut self, came: usize) -> Self {
        if let Some(bytes) = self.bytes.as_mut().filter(|bytes| bytes.offset >= came) {
            bytes.clauses = std::mem::take(&mut bytes.whole);
        }
        self
    }

    /// The same, where the connection ended so: what cannot be decrypted may have another key or padding.
    fn unopened(mut self, end: &End) -> Self {
        if let (End::Unopened(_), Some(bytes)) = (end, &mut self.bytes) {
            bytes.clauses = own::UNOPENED.map(str::to_owned).to_vec();
        }
        self
    }

    /// The same, as a breach of a clause that the engine checks whatever a case is about.
    fn breaking(self, clause: &'static str) -> Self {
        Self { clause: Some(clause), ..self }
    }

    fn problem(self, step: String) -> Problem {
        let Self { summary, expected, actual, clause, bytes } = self;
        Problem { step, summary, expected, actual, clause: clause.map(str::to_owned), bytes }
    }
}
