//! The machine itself: requests in, answers and tasks out.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use crate::channel::Inbox;
use crate::protocol::{Command, CommandHeader, Decode, Frame, Header, Malformed, Writer};

use super::answers::Answers;
use super::request::{
    DELAYED_ECHO, ECHO, LATER, Request, SINK, SINK_TOTAL, STALL, THROW, UNSOLICITED, Unserved,
};
use super::sink::Sink;

/// The most bytes of data that a message to the host may have: 64 MiB of a client's, and some for token and fields.
/// A longer one, and a negative length, is no message: nothing behind it can be understood.
pub const MAX_DATA: usize = (64 << 20) + 64;

/// Nothing more is read while answers take so many bytes, be it that the agent does not read them or that they are not
/// due yet.
pub const MAX_HELD: usize = 64 << 20;

/// What a waiting answer counts beside its bytes.
const OVERHEAD: usize = 128;

/// Status: what was asked for is done.
pub(super) const DONE: u8 = 0;
/// Status: an exception, with type and message.
const EXCEPTION: u8 = 1;

/// What the world has to do for the host. Until it is done, no further request is looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Task {
    /// Describe this process and its session, as JSON; the outcome is [`Outcome::Report`].
    Report,
    /// Open an existing file, read only, and keep it open; the outcome is [`Outcome::Done`].
    OpenFile(String),
    /// Start a child that sleeps so long, in the process group of the host; the outcome is [`Outcome::Child`].
    Launch(Duration),
    /// End at once with this code.
    Exit(i32),
    /// Die of a signal at once.
    Abort,
    /// End the session: what came is no message.
    GiveUp(Malformed),
}

/// What came of a [`Task`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// The report.
    Report(String),
    /// The child's process ID.
    Child(i32),
}

/// The probe product between its agent's bytes and its own.
#[derive(Debug, Default)]
pub struct Host {
    inbox: Inbox,
    sink: Sink,
    answers: Answers,
    delayed: BTreeMap<(Duration, u64), Delayed>,
    /// Bytes that the delayed answers take.
    delayed_held: usize,
    /// Number of the next delayed answer: those due at the same time go out as they were asked for.
    next: u64,
    stall: Option<Stall>,
    tasks: Tasks,
    is_finishing: bool,
    is_unheard: bool,
}

#[derive(Debug)]
struct Delayed {
    command: Command,
    head: Vec<u8>,
    bytes: Bytes,
}

#[derive(Debug)]
struct Stall {
    until: Duration,
    token: i32,
    milliseconds: i32,
}

/// The one task that may be under way.
#[derive(Debug, Default)]
enum Tasks {
    #[default]
    None,
    /// To be handed out, for the request with that command and token.
    Wanted(Task, Command, i32),
    /// Handed out.
    UnderWay(Command, i32),
}

impl Host {
    /// A host that was asked nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes from the agent, in pieces of any size.
    pub fn handle_input(&mut self, bytes: &[u8], now: Duration) {
        let announced = self.announced();
        self.inbox.extend(bytes, announced);
        self.proceed(now);
    }

    /// Where to read at most so many of the next bytes to, if they are missing of a large message; tell with
    /// [`handle_input_in_place`](Self::handle_input_in_place) how many there were. Without it, they are read elsewhere and
    /// [told](Self::handle_input), which copies them.
    pub fn input_space(&mut self, most: usize) -> Option<&mut [u8]> {
        let announced = self.announced();
        self.inbox.space(announced, most)
    }

    /// So many bytes were read to the [space](Self::input_space).
    pub fn handle_input_in_place(&mut self, count: usize, now: Duration) {
        self.inbox.came(count);
        self.proceed(now);
    }

    /// Whether the host takes bytes from its agent now. It does not while it is stalled, has a task under way, or has
    /// too many answers waiting.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        self.is_free() && self.answers.held() + self.delayed_held < MAX_HELD
    }

    /// Whether the host stands still, as if it hung, until its deadline.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        self.stall.is_some()
    }

    /// The next bytes for the agent; none if there are none.
    pub fn output(&mut self) -> &[u8] {
        let [first, _] = self.answers.next();
        first
    }

    /// The same, and what comes behind as far as it is there: the data of a large message are a piece of their own.
    pub fn output_pieces(&mut self) -> [&[u8]; 2] {
        self.answers.next()
    }

    /// So many of the bytes that [`output`](Self::output) or [`output_pieces`](Self::output_pieces) gave are sent.
    pub fn handle_sent(&mut self, count: usize) {
        self.answers.sent(count);
    }

    /// When [`handle_timeout`](Self::handle_timeout) has to be called.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        match &self.stall {
            Some(stall) => Some(stall.until),
            None => self.delayed.keys().next().map(|(due, _)| *due),
        }
    }

    /// Does what is due. A call that comes too early, or that nothing is due at, changes nothing.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.proceed(now);
    }

    /// What is to be done for the host; each is given once.
    pub fn take_task(&mut self) -> Option<Task> {
        match std::mem::take(&mut self.tasks) {
            Tasks::Wanted(task, command, token) => {
                self.tasks = Tasks::UnderWay(command, token);
                Some(task)
            }
            other => {
                self.tasks = other;
                None
            }
        }
    }

    /// What came of the task under way; an error is told to whoever asked, as an `IOException`.
    pub fn handle_outcome(&mut self, outcome: Result<Outcome, String>, now: Duration) {
        let Tasks::UnderWay(command, token) = std::mem::take(&mut self.tasks) else { return };
        match outcome {
            Ok(Outcome::Done) => self.done(command, token, Bytes::new()),
            Ok(Outcome::Report(text)) => self.done(command, token, string(&text)),
            Ok(Outcome::Child(pid)) => {
                self.done(command, token, Bytes::copy_from_slice(&pid.to_le_bytes()));
            }
            Err(message) => self.exception(command, token, "IOException", &message),
        }
        self.proceed(now);
    }

    /// The agent asks the host to finish: no answer is delayed any more, delayed ones are dropped.
    pub fn finish(&mut self) {
        self.is_finishing = true;
        self.delayed.clear();
        self.delayed_held = 0;
    }

    /// The agent reads no more: there are no answers any more, requests are still carried out.
    pub fn stop_answering(&mut self) {
        self.is_unheard = true;
        self.answers.clear();
    }

    fn is_free(&self) -> bool {
        self.stall.is_none() && matches!(self.tasks, Tasks::None)
    }

    fn proceed(&mut self, now: Duration) {
        if self.stall.as_ref().is_some_and(|stall| stall.until <= now)
            && let Some(stall) = self.stall.take()
        {
            let milliseconds = stall.milliseconds.to_le_bytes();
            self.done(STALL, stall.token, Bytes::copy_from_slice(&milliseconds));
        }
        while self.is_free() && self.take_message(now) {}
        if self.stall.is_none() {
            self.send_what_is_due(now);
        }
    }

    fn send_what_is_due(&mut self, now: Duration) {
        while let Some(entry) = self.delayed.first_entry()
            && entry.key().0 <= now
        {
            let Delayed { command, head, bytes } = entry.remove();
            self.delayed_held -= bytes.len() + OVERHEAD;
            self.push(command, &head, bytes);
        }
    }

    /// Size in bytes of the message under way, as far as it is known and kept.
    fn announced(&self) -> usize {
        let size = Frame::<CommandHeader>::size(self.inbox.bytes(), MAX_DATA);
        if self.sink.wanted().is_some() { 0 } else { size.ok().flatten().unwrap_or(0) }
    }

    /// Takes the next message, or what is there of one that is sunk; `false` if that takes more bytes.
    fn take_message(&mut self, now: Duration) -> bool {
        if self.sink.wanted().is_some() {
            let taken = self.sink.take(self.inbox.bytes());
            self.inbox.skip(taken);
            return taken > 0;
        }
        let size = match Frame::<CommandHeader>::size(self.inbox.bytes(), MAX_DATA) {
            Ok(Some(size)) => size,
            Ok(None) => return false,
            Err(error) => {
                self.tasks = Tasks::Wanted(Task::GiveUp(error), Command(0), 0);
                return false;
            }
        };
        if self.begins_to_sink(size) {
            return true;
        }
        if self.inbox.bytes().len() < size {
            return false;
        }
        let frame = self.inbox.take(size).freeze();
        if let Ok((message, _)) = Frame::<CommandHeader>::decode(&frame) {
            self.handle(message.header.command(), &frame.slice_ref(&message.data), now);
        }
        true
    }

    /// Takes the head of a message to be sunk, if that is what comes.
    fn begins_to_sink(&mut self, size: usize) -> bool {
        /// Length, command and token.
        const HEAD: usize = 12;
        let command = SINK.0.to_le_bytes();
        let begins = size >= HEAD
            && self.inbox.bytes().len() >= HEAD
            && self.inbox.bytes().get(4..8) == Some(command.as_slice());
        if begins {
            self.inbox.skip(HEAD);
            self.sink.begin(size - HEAD);
        }
        begins
    }

    fn handle(&mut self, command: Command, data: &Bytes, now: Duration) {
        let (token, request) = Request::read(command, data);
        match request {
            Ok(request) => self.serve(command, token, request, now),
            Err(Unserved::Malformed(message)) => self.exception(command, token, "Malformed", &message),
            Err(Unserved::Unknown) => {
                let message = format!("there is no command {}", command.0);
                self.exception(command, token, "UnknownCommand", &message);
            }
        }
    }

    fn serve(&mut self, command: Command, token: i32, request: Request, now: Duration) {
        let mut want = |task| self.tasks = Tasks::Wanted(task, command, token);
        match request {
            Request::Report => want(Task::Report),
            Request::OpenFile(path) => want(Task::OpenFile(path)),
            Request::Launch(time) => want(Task::Launch(time)),
            Request::Exit(code) => want(Task::Exit(code)),
            Request::Abort => want(Task::Abort),
            Request::Echo(bytes) => self.done(ECHO, token, bytes),
            Request::DelayedEcho(delay, bytes) => {
                let head = head(token, DONE);
                self.delay(now.saturating_add(delay), Delayed { command: DELAYED_ECHO, head, bytes });
            }
            Request::Burst { count, size } => {
                if !self.is_unheard {
                    self.answers.push_burst(token, count, size);
                }
            }
            Request::Throw(message) => self.exception(THROW, token, "ProbeException", &message),
            Request::Stall(milliseconds, time) => {
                self.stall = Some(Stall { until: now.saturating_add(time), token, milliseconds });
            }
            Request::SinkTotal => self.sink_total(token),
            Request::Later(delay, bytes) => {
                self.done(LATER, token, Bytes::new());
                let due = now.saturating_add(delay);
                self.delay(due, Delayed { command: UNSOLICITED, head: Vec::new(), bytes });
            }
        }
    }

    fn sink_total(&mut self, token: i32) {
        let (messages, bytes, sum) = self.sink.total();
        let mut writer = Writer::new();
        writer.int64(messages);
        writer.int64(bytes);
        writer.raw(&sum.to_le_bytes());
        self.done(SINK_TOTAL, token, writer.into_bytes().into());
    }

    fn delay(&mut self, due: Duration, delayed: Delayed) {
        if self.is_finishing {
            return;
        }
        self.delayed_held += delayed.bytes.len() + OVERHEAD;
        self.delayed.insert((due, self.next), delayed);
        self.next += 1;
    }

    fn done(&mut self, command: Command, token: i32, bytes: Bytes) {
        self.push(command, &head(token, DONE), bytes);
    }

    fn exception(&mut self, command: Command, token: i32, kind: &str, message: &str) {
        let mut fields = string(kind).to_vec();
        fields.extend_from_slice(&string(message));
        self.push(command, &head(token, EXCEPTION), fields.into());
    }

    fn push(&mut self, command: Command, head: &[u8], bytes: Bytes) {
        if !self.is_unheard {
            self.answers.push(command, head, bytes);
        }
    }
}

/// What each answer begins with.
fn head(token: i32, status: u8) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.int32(token);
    writer.byte(status);
    writer.into_bytes()
}

/// An encoded string. None here is near the limit, above which it would be cut to nothing.
fn string(text: &str) -> Bytes {
    let mut writer = Writer::new();
    match writer.string("text", text) {
        Ok(()) => writer.into_bytes().into(),
        Err(_) => Bytes::from_static(&[0]),
    }
}
