//! What the harness does itself where hosts are tested, the agent's side of a segment, and what a host does apart from
//! messages: it attaches, finishes, and its process ends.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::connection::{Connection, End};
use super::super::host::{Host, Terms};
use super::super::schedule::Found;
use super::super::support::has_step;
use super::check::{Watch, came};
use super::fence::spot;
use super::play::outgoing;
use super::scope::Scope;
use super::talk::{Moment, Phase, Talk};
use super::{Conversation, Counterpart, Mismatch, Outcome, Trouble, happening, rounded};
use crate::event::Happening;
use crate::subject::placeholders::Values;
use crate::subject::{Ending, Ground, Manifest};
use crate::terms::TimeSpan;
use crate::vectors::transcript::data::Frame;
use crate::vectors::transcript::op::Op;
use crate::vectors::transcript::play::agent_type;
use crate::vectors::transcript::scalars::{Hex, Name};
use crate::vectors::transcript::start::{Breaks, Exits, Schedule, Start};
use crate::vectors::transcript::step::{Kind, walk};
use crate::vectors::transcript::value::Value;
use crate::vectors::transcript::{Party, Step};
use crate::verdict::clip;
use crate::yaml::{Span, Spot};

/// How long a host may take to finish (contract of the segment, state 2).
const FINISHES_WITHIN: Duration = Duration::from_secs(2);

/// What the end of each case checks, whatever it is about: the answer to an echo, the end of a host that is asked to finish,
/// and that of one that must not attach.
const ANSWERS: &str = "PRB-1";
const FINISHES: &str = "SHM-14";
const REFUSES: &str = "SHM-4";

/// How often a segment is looked at of which no bell tells.
const LOOK: Duration = Duration::from_millis(2);

/// How often it is looked at whether a host has changed a segment that it must refuse.
const CHANGES_LOOK: Duration = Duration::from_millis(20);

/// The request at the end, an echo: length 10, command 101, a token, bytes of no pattern.
const LAST_REQUEST: [u8; 18] =
    [10, 0, 0, 0, 101, 0, 0, 0, 0x5a, 0xc3, 0x17, 0x7e, 0x9d, 0x02, 0xf4, 0x6b, 0x31, 0x88];
/// Its answer: the token, status 0, the bytes.
const LAST_ANSWER: [u8; 19] =
    [11, 0, 0, 0, 101, 0, 0, 0, 0x5a, 0xc3, 0x17, 0x7e, 0, 0x9d, 0x02, 0xf4, 0x6b, 0x31, 0x88];

/// The hosts of a case.
pub(in super::super) struct Hosts<'a> {
    manifest: &'a Manifest,
    ground: Ground,
    pub(super) values: Rc<Values>,
    running: RefCell<BTreeMap<String, Rc<Host>>>,
}

impl<'a> Hosts<'a> {
    /// None so far, and a place for them. `values` are made from that place.
    ///
    /// # Errors
    ///
    /// As of [`Ground::new`].
    pub(in super::super) fn new(
        manifest: &'a Manifest,
        values: impl FnOnce(&Ground) -> Values,
    ) -> Result<Self, String> {
        let ground = Ground::new()?;
        let values = Rc::new(values(&ground));
        Ok(Self { manifest, ground, values, running: RefCell::default() })
    }

    /// What they logged.
    pub(in super::super) fn log(&self) -> Option<String> {
        let logs: Vec<String> = self.running.borrow().values().filter_map(|host| host.log()).collect();
        (!logs.is_empty()).then(|| logs.join("\n"))
    }

    /// The processes of all of them.
    pub(super) fn family(&self) -> Vec<i32> {
        self.running.borrow().values().flat_map(|host| host.process().family()).collect()
    }

    /// Ends all of them.
    pub(in super::super) async fn kill(self) {
        for host in self.running.into_inner().into_values().filter_map(Rc::into_inner) {
            host.kill().await;
        }
    }
}

impl Conversation<'_> {
    fn hosts(&self) -> Result<&Hosts<'_>, Trouble> {
        match &self.counterpart {
            Counterpart::Hosts(hosts) => Ok(hosts),
            _ => Err(Trouble::CannotRun("the subject is no host".to_owned())),
        }
    }

    fn host(&self, step: &Spot<Step>, name: &str) -> Result<Rc<Host>, Trouble> {
        let host = self.hosts()?.running.borrow().get(name).cloned();
        host.ok_or_else(|| self.unusable(step.span, &format!("host `{name}` was not started")))
    }

    /// Plays a step of the agent towards a host.
    pub(super) async fn act(&self, step: &Spot<Step>, name: &str, scope: &Scope<'_>) -> Outcome {
        let host = self.host(step, name)?;
        let Some(talk) = self.talk(name) else {
            return Err(self.unusable(step.span, &format!("host `{name}` has not attached")));
        };
        self.hold_back(step, &talk, scope).await;
        let mut moment = Moment::at(Instant::now());
        if step.has_bytes() {
            let framing = self.framing(Party::Agent, &talk)?;
            let all = self.with_matching(scope, |matching| {
                let all = outgoing(Vec::new(), step, matching, framing, Party::Agent);
                all.map_err(|error| self.unbuildable(&error))
            })?;
            moment = self.send_all(step, name, &talk, all, framing.header).await?;
        }
        if let Some(breaks) = &step.breaks {
            self.break_segment(&host, &talk, breaks.value);
        }
        self.leave(step, name, &host, &talk).await;
        moment.after = Instant::now();
        self.ended_step(step, Some(&talk), moment, scope);
        Ok(())
    }

    fn break_segment(&self, host: &Host, talk: &Talk, breaks: Breaks) {
        let stops_reading = matches!(breaks, Breaks::ReadBackwards | Breaks::ReadExcess);
        if let (true, Some(connection)) = (stops_reading, talk.connection())
            && let Some(rings) = connection.rings()
        {
            rings.read_no_more();
        }
        host.break_segment(breaks);
        talk.phase.set(Phase::HalfClosed);
        self.saw_end.set(true);
    }

    /// Ends the session, or a direction of it, where the step says so.
    async fn leave(&self, step: &Step, name: &str, host: &Host, talk: &Talk) {
        let segment = host.segment().map(iaspec_shm::Segment::link);
        if step.reset.is_some() {
            self.trace.note(name, Happening::Reset);
            host.kill_agent().await;
        } else if step.closes.is_some() {
            self.trace.note(name, Happening::Closed);
            segment.into_iter().for_each(iaspec_shm::Link::request_close);
        } else if step.shutdown.is_some() {
            self.trace.note(name, Happening::HalfClosed);
            talk.connection().iter().for_each(|connection| connection.shut_down());
        } else {
            return;
        }
        self.saw_end.set(true);
        if talk.phase.get() != Phase::Ended {
            talk.phase.set(Phase::HalfClosed);
        }
    }

    /// Checks a step of a host, which is started where the step says so.
    pub(super) async fn look_at_host(&self, step: &Spot<Step>, name: &str, scope: &Scope<'_>) -> Outcome {
        if let Some(Op::Start(start)) = step.does.as_ref().map(|op| &op.value) {
            self.start_host(step, name, start, scope).await?;
        }
        let host = self.host(step, name)?;
        let reference = self.reference(step, self.talk(name).as_deref(), scope);
        if step.has_bytes() || step.quiet.is_some() {
            self.check(step, name, scope).await?;
        }
        if step.closes.is_some() {
            let (_, within) = step.end_times();
            let since = if step.has_bytes() {
                self.reference(step, self.talk(name).as_deref(), scope)
            } else {
                reference
            };
            let deadline = since.after + within.map_or(FINISHES_WITHIN, |within| within.0);
            self.finishes(step, name, &host, since.after, deadline).await?;
        }
        if let Some(exits) = &step.exits {
            self.exits(step, &host, exits, reference.after).await?;
            if let Some(talk) = self.talk(name) {
                self.ended(&talk);
            }
        }
        if let Some(reported) = &step.reported {
            self.look_at_report(step, &host, reported, scope).await?;
        }
        if !step.has_bytes() && step.quiet.is_none() {
            let talk = self.talk(name);
            self.ended_step(step, talk.as_deref(), Moment::at(Instant::now()), scope);
        }
        Ok(())
    }

    async fn start_host(&self, step: &Spot<Step>, name: &str, start: &Start, scope: &Scope<'_>) -> Outcome {
        let hosts = self.hosts()?;
        let out_of_range = |_| self.unusable(step.span, "it does not fit its field");
        let terms = Terms {
            start,
            session: i32::try_from(self.number(&start.session, scope)?).map_err(out_of_range)?,
            agent_type: u8::try_from(self.number(&start.agent_type, scope)?).map_err(out_of_range)?,
            apart: self.kills_agent_of(name),
        };
        let host = Host::start(hosts.manifest, &hosts.values, &hosts.ground, &terms);
        let host = Rc::new(host.map_err(Trouble::CannotRun)?);
        hosts.running.borrow_mut().insert(name.to_owned(), Rc::clone(&host));
        if host.is_refused {
            return Ok(());
        }
        self.attaches(step, &host).await?;
        match &start.schedule {
            Some(schedule) if !self.follows(step, &host, schedule.value).await? => Ok(()),
            _ => self.take_up(step, name, &host),
        }
    }

    /// Plays a schedule towards a host, and tells whether it serves on.
    async fn follows(&self, step: &Spot<Step>, host: &Host, schedule: Schedule) -> Result<bool, Trouble> {
        let mut playing = host.begin(schedule).map_err(Trouble::CannotRun)?;
        if let Err(Found { expected, actual, late }) = playing.outcome().await {
            let summary = format!("while the agent {}", schedule.told());
            return Err(self.fell(step, "start", Mismatch::words(summary, expected, actual), late));
        }
        if schedule != Schedule::AsleepAtTheEnd {
            return Ok(true);
        }
        host.finished.set(true);
        match host.unfinished() {
            None => Ok(false),
            Some((expected, actual)) => {
                let mismatch = Mismatch::words("the host did not finish", expected, actual);
                Err(self.stumble(step, "start", mismatch))
            }
        }
    }

    /// Waits until a host has attached.
    async fn attaches(&self, step: &Spot<Step>, host: &Host) -> Outcome {
        let patience = self.background.patience;
        host.attached(Instant::now() + patience).await.map_err(|(actual, late)| {
            let expected = format!("it attaches (state 1) within {}", TimeSpan(patience));
            self.fell(step, "start", Mismatch::words("the host did not attach", expected, actual), late)
        })
    }

    /// Takes up the rings of a host.
    fn take_up(&self, step: &Spot<Step>, name: &str, host: &Host) -> Outcome {
        let ends = host.segment().map(iaspec_shm::Segment::take_ends).transpose();
        let ends = ends.map_err(|error| {
            let (expected, actual) = ("rings that are sound", error.to_string());
            self.stumble(step, "start", Mismatch::words("the host broke the segment", expected, actual))
        })?;
        let Some((sender, receiver)) = ends else { return Ok(()) };
        let connection = Connection::over_rings(sender, receiver)
            .map_err(|error| Trouble::CannotRun(format!("the rings cannot be served: {error}")))?;
        self.talks.borrow_mut().insert(name.to_owned(), Talk::with_host(connection));
        self.trace.note(name, Happening::ConnectedBySubject);
        if has_step(self.case, |kind| matches!(kind, Kind::Memory(_))) {
            self.memory_at_start.set(self.peak_memory());
        }
        Ok(())
    }

    /// A parameter of a start.
    fn number(&self, value: &Spot<Value>, scope: &Scope<'_>) -> Result<i64, Trouble> {
        let played = self.with_matching(scope, |matching| value.played(matching.player.known));
        let played = agent_type(played.map_err(|error| self.unbuildable(&error.into()))?);
        played.as_i64().ok_or_else(|| self.unusable(value.span, &format!("{played} is no number")))
    }

    /// A mistake in the vector.
    fn unusable(&self, span: Span, why: &str) -> Trouble {
        Trouble::CannotRun(format!("{}: {why}", self.place(span)))
    }

    /// Whether the case kills the agent of a host: then that is a process of its own.
    fn kills_agent_of(&self, name: &str) -> bool {
        let plain = name.split('#').next().unwrap_or(name);
        let mut found = false;
        walk(self.case.steps(), &mut |step| {
            found |= step.reset.is_some() && step.agent.as_ref().is_some_and(|agent| agent.value.0 == plain);
        });
        found
    }

    /// Waits until the host has finished: no more bytes, both directions closed, state 3.
    async fn finishes(
        &self,
        step: &Spot<Step>,
        name: &str,
        host: &Host,
        since: Instant,
        deadline: Instant,
    ) -> Outcome {
        self.stream_ends(step, name, since, deadline).await?;
        while let Some((expected, actual)) = host.unfinished() {
            if Instant::now() >= deadline {
                let expected = format!("{expected} {}", within(since, deadline));
                let mismatch = Mismatch::words("the host did not finish", expected, actual);
                return Err(self.too_late(step, "closes", mismatch));
            }
            sleep(LOOK).await;
        }
        host.finished.set(true);
        Ok(())
    }

    /// Waits until no more bytes will come from a host, and none have.
    async fn stream_ends(&self, step: &Spot<Step>, name: &str, since: Instant, deadline: Instant) -> Outcome {
        let talk = self.talk(name);
        let connection = talk.as_ref().and_then(|talk| talk.connection());
        let (Some(talk), Some(connection)) = (talk, connection) else {
            return Err(self.unusable(step.span, &format!("host `{name}` has not attached")));
        };
        let found = connection
            .watch(deadline, |inbox| {
                if !inbox.unread().is_empty() {
                    return Some(Err(came(inbox)));
                }
                inbox.end().map(|(end, when)| Ok((end.clone(), when)))
            })
            .await;
        let summary = "the host did not finish";
        let expected = "the end of its stream, and nothing before";
        match found {
            Some(Ok((end, when))) => {
                self.ended(&talk);
                if !talk.end_told.replace(true) {
                    self.trace.note_end(name, happening(&end), when);
                }
                let actual = format!("the segment was {end}");
                let mismatch = || Mismatch::words(summary, expected, actual);
                if end == End::Fin { Ok(()) } else { Err(self.stumble(step, "closes", mismatch())) }
            }
            Some(Err(actual)) => {
                let mismatch = Mismatch::words("bytes came before the end", expected, actual);
                Err(self.stumble(step, "closes", mismatch))
            }
            None => {
                let expected = format!("{expected}, {}", within(since, deadline));
                let mismatch = Mismatch::words(summary, expected, "its ring is still open");
                Err(self.too_late(step, "closes", mismatch))
            }
        }
    }

    /// Waits until the host's process has ended as it must; nothing may have changed in a segment that it refused.
    async fn exits(&self, step: &Spot<Step>, host: &Host, exits: &Exits, since: Instant) -> Outcome {
        let within = exits.within.as_ref().map_or(self.background.patience, |within| within.0);
        let expected = match (&exits.code, &exits.signal) {
            (Some(code), _) => format!("status {}", code.value),
            (None, Some(_)) => "the end by a signal".to_owned(),
            (None, None) => "its end".to_owned(),
        };
        let deadline = since + within;
        let mut ending = None;
        while ending.is_none() && Instant::now() < deadline {
            ending = host.ended(deadline.min(Instant::now() + CHANGES_LOOK)).await;
            if ending.is_none() {
                self.leaves_alone(step, host)?;
            }
        }
        let Some(ending) = ending else {
            let expected = format!("{expected} within {}", TimeSpan(within));
            let mismatch = Mismatch::words("the host did not end", expected, "it still runs");
            return Err(self.too_late(step, "exits", mismatch));
        };
        host.end_seen.set(true);
        let is_right = match (ending, &exits.code, &exits.signal) {
            (None, ..) | (_, None, None) => true,
            (Some(Ending::Exited(code)), Some(wanted), _) => code == wanted.value,
            (Some(Ending::Signalled(_)), None, Some(_)) => true,
            _ => false,
        };
        if !is_right {
            let actual = ending.map_or_else(String::new, |ending| format!("it {ending}"));
            let log = host.log().map_or(String::new(), |log| format!("; it logged: {}", clip(log.trim())));
            let mismatch = Mismatch::words("the host ended in another way", expected, actual + &log);
            return Err(self.stumble(step, "exits", mismatch));
        }
        self.leaves_alone(step, host)
    }

    /// Looks whether a host has changed a segment that it must refuse.
    fn leaves_alone(&self, step: &Spot<Step>, host: &Host) -> Outcome {
        match host.changed_at().filter(|_| host.is_refused) {
            None => Ok(()),
            Some(offset) => {
                let summary = "the host changed a segment that it must not attach to";
                let actual = format!("another byte at offset {offset:#x}");
                Err(self.stumble(step, "exits", Mismatch::words(summary, "the segment as it was", actual)))
            }
        }
    }

    /// The end of a case: every host that serves answers once more, is asked to finish, and does.
    pub(super) async fn dismiss(&self) -> Outcome {
        let hosts: Vec<(String, Rc<Host>)> = self
            .hosts()?
            .running
            .borrow()
            .iter()
            .map(|(name, host)| (name.clone(), Rc::clone(host)))
            .collect();
        for (name, host) in hosts {
            let clause = if host.is_refused { REFUSES } else { FINISHES };
            let step = self.host_step(&name, clause);
            if let Some(talk) = self.talk(&name) {
                self.dismiss_one(&step, &name, &host, &talk).await?;
            }
            if !host.end_seen.get() {
                let code = if host.is_refused { 3 } else { 0 };
                let within = Some(spot(TimeSpan(FINISHES_WITHIN)));
                let exits = Exits { code: Some(spot(code)), signal: None, within };
                self.exits(&step, &host, &exits, Instant::now()).await?;
            }
            if host.finished.get() || host.is_refused {
                self.nothing_left_behind(&step, &host).await?;
            }
        }
        Ok(())
    }

    async fn dismiss_one(&self, step: &Spot<Step>, name: &str, host: &Host, talk: &Rc<Talk>) -> Outcome {
        let Some(connection) = talk.connection() else { return Ok(()) };
        if talk.phase.get() == Phase::Open && talk.is_between_messages() {
            let sent = connection.send(&LAST_REQUEST, self.background.patience).await;
            self.trace.note_came(name, Happening::Sent, &LAST_REQUEST[..sent.count.min(LAST_REQUEST.len())]);
            let asked = self.host_step(name, ANSWERS);
            let watch = Watch {
                step: &asked,
                name,
                what: "the echo at the end, which must be answered next".to_owned(),
                number: 0,
                deadline: sent.after + self.background.patience,
                since: sent.after,
                not_before: None,
            };
            let answer = spot(Frame::Hex(Hex::of(&LAST_ANSWER)));
            self.message(&watch, &answer, &connection, talk, &Scope::default()).await?;
        }
        self.nothing_left(name, talk, &connection)?;
        if talk.phase.get() == Phase::Ended {
            return Ok(());
        }
        host.segment().map(iaspec_shm::Segment::link).into_iter().for_each(iaspec_shm::Link::request_close);
        self.trace.note(name, Happening::Closed);
        let now = Instant::now();
        self.finishes(step, name, host, now, now + FINISHES_WITHIN).await
    }

    async fn nothing_left_behind(&self, step: &Spot<Step>, host: &Host) -> Outcome {
        let names = host.process().lingering().await;
        if names.is_empty() {
            return Ok(());
        }
        let summary = "the host left processes behind";
        let mismatch = Mismatch::words(summary, "none", clip(&names.join(", ")));
        Err(self.stumble(step, "at the end", mismatch))
    }

    /// A step that stands for the end of the case, of a host, and what it checks.
    fn host_step(&self, name: &str, clause: &str) -> Spot<Step> {
        let span = self.case.steps().last().map_or(Span::default(), |step| step.span);
        let (host, clause) = (Some(spot(Name(name.to_owned()))), Some(spot(clause.to_owned())));
        Spot { span, value: Step { host, clause, ..Step::default() } }
    }
}

fn within(since: Instant, deadline: Instant) -> String {
    format!("within {}", TimeSpan(rounded(deadline.saturating_duration_since(since))))
}
