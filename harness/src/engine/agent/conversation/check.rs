//! What the subject must do on a connection: send bytes and messages, be quiet, end it, each in its time.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::connection::{Connection, End, Inbox};
use super::scope::Scope;
use super::talk::{Moment, Talk};
use super::{
    Conversation, Counterpart, Fired, Greeting, Mismatch, Outcome, Trouble, bind_all, happening, rounded,
};
use crate::event::Happening;
use crate::hex_text::amount;
use crate::matching::{Cut, good_length};
use crate::terms::TimeSpan;
use crate::vectors::transcript::data::{Data, Frame, WireItem};
use crate::vectors::transcript::op::Op;
use crate::vectors::transcript::step::CloseKind;
use crate::vectors::transcript::{Party, Step};
use crate::verdict::clip;
use crate::yaml::Spot;

/// How long to wait for the rest of bytes that are already known to be wrong, so that a report shows them whole.
const REST_OF_WRONG: Duration = Duration::from_millis(100);

/// What a step waits for, and until when.
pub(super) struct Watch<'w> {
    pub(super) step: &'w Spot<Step>,
    /// The connection.
    pub(super) name: &'w str,
    /// What is awaited, for reports.
    pub(super) what: String,
    /// Its number among the messages of a frame that stands several times.
    pub(super) number: i32,
    /// By when it must have come.
    pub(super) deadline: Instant,
    /// From where the deadline counts.
    pub(super) since: Instant,
    /// Before this nothing of it may have come.
    pub(super) not_before: Option<Instant>,
}

/// What waiting for some bytes came to.
enum Waited {
    /// So many are there.
    Enough,
    /// Those that are there cannot become the right ones.
    Wrong,
    /// The connection ended before.
    Ended(End),
    /// They did not come in time.
    Late,
}

impl Conversation<'_> {
    /// Checks a step of the subject, which is told to do it if it is a client.
    pub(super) async fn check(&self, step: &Spot<Step>, name: &str, scope: &Scope<'_>) -> Outcome {
        if let (Party::Client, Some(op)) = (self.tested, &step.does) {
            self.tell(step, name, &op.value, scope).await?;
            if !(step.has_bytes() || step.quiet.is_some() || step.closes.is_some()) {
                self.ended_step(step, self.talk(name).as_deref(), Moment::at(Instant::now()), scope);
                return Ok(());
            }
        }
        let talk = match self.tested {
            Party::Client => Some(self.accepted(step, name).await?),
            Party::Agent | Party::Host => self.talk(name),
        };
        let found = talk.and_then(|talk| Some((talk.connection()?, talk)));
        let Some((connection, talk)) = found else {
            return Err(Trouble::CannotRun(format!(
                "{}: there is no connection `{name}` on which something could come",
                self.place(step.span)
            )));
        };
        let mut reference = self.reference(step, Some(&talk), scope);
        if step.does.is_some() && step.since.is_none() && self.tested == Party::Client {
            // It could not begin before it was told.
            reference.after = reference.after.max(Instant::now());
        }
        let within =
            self.background.wait(step.within.as_ref().map(|within| within.0), step.not_before.is_some());
        let mut watch = Watch {
            step,
            name,
            what: String::new(),
            number: 0,
            deadline: reference.after + within,
            since: reference.after,
            not_before: step.not_before.as_ref().map(|time| reference.before + time.0),
        };
        let mut moment = Moment::at(Instant::now());
        if let Some(quiet) = &step.quiet {
            moment = self.quiet(step, &connection, reference.after + quiet.lasts.0).await?;
        }
        if let Some(data) = &step.bytes {
            watch.what = "bytes".to_owned();
            moment = self.bytes(&watch, data, &connection, &talk, scope).await?;
        }
        let frames = step.frames.iter().flat_map(|frames| &frames.value);
        for (place, frame) in frames.enumerate() {
            let times = i32::try_from(frame.times()).unwrap_or(i32::MAX);
            for number in 0..times {
                watch.what = match times {
                    1 => format!("message {}", place + 1),
                    _ => format!("message {}, number {} of {times}", place + 1, number + 1),
                };
                watch.number = number;
                moment = self.message(&watch, frame, &connection, &talk, scope).await?;
            }
            self.fresh_vectors(&watch)?;
        }
        if matches!(step.does.as_ref().map(|op| &op.value), Some(Op::GetRootPath(_))) && step.frames.is_some()
        {
            talk.unanswered.set(talk.unanswered.get() + 1);
        }
        for item in step.wire.iter().flat_map(|wire| &wire.0) {
            let WireItem::Hex(hex) = &item.value else { continue };
            watch.what = "raw bytes".to_owned();
            moment = self.raw(&watch, &hex.bytes(), &connection).await?;
        }
        if let (Some(closes), false) = (&step.closes, self.tested == Party::Host) {
            moment = self.end(step, name, closes.how, reference, &connection, &talk).await?;
        }
        self.ended_step(step, Some(&talk), moment, scope);
        Ok(())
    }

    /// Sees to it that nothing comes until a time.
    async fn quiet(
        &self,
        step: &Spot<Step>,
        connection: &Connection,
        until: Instant,
    ) -> Result<Moment, Trouble> {
        let broken = connection
            .watch(until, |inbox| {
                if !inbox.unread().is_empty() {
                    return Some(("bytes came", came(inbox)));
                }
                inbox.end().map(|(end, _)| ("the connection ended", format!("the connection was {end}")))
            })
            .await;
        match broken {
            None => Ok(Moment::at(Instant::now())),
            Some((what, actual)) => {
                let lasts =
                    step.quiet.as_ref().map_or(String::new(), |quiet| format!(" for {}", quiet.lasts));
                let summary = format!("{what} where nothing may");
                Err(self.stumble(step, "quiet", Mismatch::words(summary, format!("nothing{lasts}"), actual)))
            }
        }
    }

    /// Checks raw bytes below any encryption.
    async fn raw(
        &self,
        watch: &Watch<'_>,
        expected: &[u8],
        connection: &Connection,
    ) -> Result<Moment, Trouble> {
        let nowhere = Scope::default();
        let differs = |came: &[u8]| {
            *self.with_matching(&nowhere, |matching| matching.bytes_differ(None, expected, came))
        };
        self.exactly(watch, expected, connection, differs).await
    }

    /// Checks the bytes that open a connection: acknowledgement or handshake.
    async fn bytes(
        &self,
        watch: &Watch<'_>,
        data: &Data,
        connection: &Connection,
        talk: &Talk,
        scope: &Scope<'_>,
    ) -> Result<Moment, Trouble> {
        let (exact, length) = self.with_matching(scope, |matching| {
            let exact = matching.exact(data).map_err(|error| self.unbuildable(&error))?;
            let length = matching.length(data).map_err(|error| self.unbuildable(&error))?;
            Ok((exact, length))
        })?;
        let hint = match self.tested {
            Party::Client => self.handshake_type(talk),
            Party::Agent | Party::Host => self.acknowledgement_type(),
        };
        if let Some(exact) = exact {
            let scope = Scope::default();
            let differs = |came: &[u8]| {
                *self.with_matching(&scope, |matching| matching.bytes_differ(hint, &exact, came))
            };
            let moment = self.exactly(watch, &exact, connection, differs).await?;
            self.note_opening(watch, &exact, connection, talk).await?;
            return Ok(moment);
        }
        let waited = self.wait(watch, connection, length, None).await;
        let came = self.taken(watch.name, connection, length);
        let judged = self.with_matching(scope, |matching| matching.data(data, &came, hint));
        match judged {
            Ok(bindings) if came.len() == length => {
                bind_all(bindings, scope);
                let moment = self.arrived(watch, connection, length)?;
                self.note_opening(watch, &came, connection, talk).await?;
                Ok(moment)
            }
            judged => {
                let short = || Mismatch::words(String::new(), amount(length), amount(came.len()));
                let mismatch = judged.map_or_else(|mismatch| *mismatch, |_| short());
                Err(self.wrong(watch, &waited, mismatch, Some(length), came.len()))
            }
        }
    }

    /// What went wrong with bytes of which too few came, or others.
    fn wrong(
        &self,
        watch: &Watch<'_>,
        waited: &Waited,
        mismatch: Mismatch,
        awaited: Option<usize>,
        came: usize,
    ) -> Trouble {
        let within = TimeSpan(rounded(watch.deadline.saturating_duration_since(watch.since)));
        let mismatch = mismatch.without_missing(came);
        let actual = if came == 0 { "nothing".to_owned() } else { amount(came) };
        let expected = awaited.map_or_else(|| "a whole message".to_owned(), amount);
        match waited {
            Waited::Enough | Waited::Wrong => self.stumble(watch.step, &watch.what, mismatch),
            Waited::Ended(end) => {
                let mismatch = mismatch.unopened(end);
                let summary = format!("the connection was {end} instead");
                self.stumble(watch.step, &watch.what, Mismatch { summary, expected, actual, ..mismatch })
            }
            Waited::Late => {
                let summary = "what was awaited did not come in time".to_owned();
                let actual = format!("{actual} within {within}");
                self.too_late(watch.step, &watch.what, Mismatch { summary, expected, actual, ..mismatch })
            }
        }
    }

    /// Takes note of the bytes that open a connection: the acknowledgement of an agent, the handshake of a client.
    async fn note_opening(
        &self,
        watch: &Watch<'_>,
        bytes: &[u8],
        connection: &Connection,
        talk: &Talk,
    ) -> Outcome {
        if self.tested == Party::Client {
            talk.note_handshake(bytes);
            return Ok(());
        }
        self.note_acknowledgement(bytes, talk);
        self.secure(watch, bytes, connection, talk).await
    }

    pub(super) fn note_acknowledgement(&self, bytes: &[u8], talk: &Talk) {
        let Some(type_name) = self.acknowledgement_type() else { return };
        let decoded = self.formats().decode(type_name, bytes, None);
        let value =
            decoded.ok().and_then(|decoded| i32::try_from(decoded.value.get("value")?.as_i64()?).ok());
        if let Some(value) = value {
            talk.acknowledged(value, self.oldest_version());
            *self.greeting.borrow_mut() = Some(Greeting { from: talk.from, bytes: talk.handshake() });
        }
    }

    /// Checks one message.
    pub(super) async fn message(
        &self,
        watch: &Watch<'_>,
        frame: &Spot<Frame>,
        connection: &Connection,
        talk: &Talk,
        scope: &Scope<'_>,
    ) -> Result<Moment, Trouble> {
        let framing = self.framing(self.tested, talk)?;
        let exact =
            self.with_matching_of(watch.number, scope, |matching| matching.exact_frame(frame, framing));
        if let Some(exact) = exact.map_err(|error| self.unbuildable(&error))? {
            let differs = |came: &[u8]| {
                *self.with_matching(scope, |matching| matching.frame_differs(framing, &exact, came, None))
            };
            let moment = self.exactly(watch, &exact, connection, differs).await?;
            talk.note_opened(&exact, self.oldest_version());
            return Ok(moment);
        }
        let mut wanted = framing.header;
        loop {
            let waited = self.wait(watch, connection, wanted, None).await;
            let cut = framing.cut(connection.inbox().unread());
            let length = match cut {
                Cut::BadLength(length) => {
                    let summary = "field `length` is no length of a message";
                    let mismatch = Mismatch::words(summary, good_length(), length.to_string());
                    return Err(self.stumble(watch.step, &watch.what, mismatch));
                }
                Cut::Incomplete(more) if matches!(waited, Waited::Enough) => {
                    wanted = more;
                    continue;
                }
                Cut::Whole(length) | Cut::Incomplete(length) => length,
            };
            let came = self.taken(watch.name, connection, length);
            let judged =
                self.with_matching_of(watch.number, scope, |matching| matching.frame(frame, framing, &came));
            return match judged {
                Ok(bindings) => {
                    bind_all(bindings, scope);
                    talk.note_opened(&came, self.oldest_version());
                    self.arrived(watch, connection, length)
                }
                Err(mismatch) => {
                    let waited = if came.len() == length { Waited::Enough } else { waited };
                    let awaited = (came.len() >= framing.header).then_some(length);
                    Err(self.wrong(watch, &waited, *mismatch, awaited, came.len()))
                }
            };
        }
    }

    /// Checks bytes that can only be these; `differs` compares them with those that came instead.
    async fn exactly(
        &self,
        watch: &Watch<'_>,
        expected: &[u8],
        connection: &Connection,
        differs: impl FnOnce(&[u8]) -> Mismatch,
    ) -> Result<Moment, Trouble> {
        let waited = self.wait(watch, connection, expected.len(), Some(expected)).await;
        if let Waited::Wrong = waited {
            // The report shall show more than the first wrong byte.
            connection.want(expected.len());
            let deadline = Instant::now() + REST_OF_WRONG;
            connection.watch(deadline, |inbox| (inbox.unread().len() >= expected.len()).then_some(())).await;
        }
        let came = self.taken(watch.name, connection, expected.len());
        if came == expected {
            return self.arrived(watch, connection, expected.len());
        }
        Err(self.wrong(watch, &waited, differs(&came), Some(expected.len()), came.len()))
    }

    /// Waits until so many bytes are there, or until it is clear that the right ones never will be.
    async fn wait(
        &self,
        watch: &Watch<'_>,
        connection: &Connection,
        length: usize,
        exact: Option<&[u8]>,
    ) -> Waited {
        connection.want(length);
        // What was found right stays so.
        let mut right = 0;
        let found = connection
            .watch(watch.deadline, |inbox| {
                let unread = inbox.unread();
                let common = unread.len().min(length);
                if exact.is_some_and(|exact| unread[right..common] != exact[right..common]) {
                    return Some(Waited::Wrong);
                }
                right = common;
                if common == length {
                    return Some(Waited::Enough);
                }
                inbox.end().map(|(end, _)| Waited::Ended(end.clone()))
            })
            .await;
        found.unwrap_or(Waited::Late)
    }

    fn taken(&self, name: &str, connection: &Connection, length: usize) -> Vec<u8> {
        let mut inbox = connection.inbox();
        let length = length.min(inbox.unread().len());
        let came = inbox.unread()[..length].to_vec();
        let news = inbox.record(length);
        if !news.is_empty() {
            self.trace.note_came(name, Happening::Received, news);
        }
        inbox.take(length);
        came
    }

    /// When the bytes just taken came, which must have been in time.
    fn arrived(&self, watch: &Watch<'_>, connection: &Connection, length: usize) -> Result<Moment, Trouble> {
        let inbox = connection.inbox();
        let (first, last) = inbox.arrival_of_last(length);
        drop(inbox);
        let now = Instant::now();
        let (first, last) = (first.unwrap_or(now), last.unwrap_or(now));
        self.in_time(watch, first, last)?;
        Ok(Moment::at(last))
    }

    fn in_time(&self, watch: &Watch<'_>, first: Instant, last: Instant) -> Result<(), Trouble> {
        if let Some(not_before) = watch.not_before
            && first < not_before
        {
            let early = TimeSpan(rounded(not_before - first));
            let expected = format!("not before {}", after(watch.since, not_before));
            let actual = format!("after {}, {early} too early", after(watch.since, first));
            return Err(self.stumble(
                watch.step,
                &watch.what,
                Mismatch::words("it came too early", expected, actual),
            ));
        }
        if last > watch.deadline {
            let expected = format!("within {}", after(watch.since, watch.deadline));
            let actual = format!("after {}", after(watch.since, last));
            return Err(self.too_late(
                watch.step,
                &watch.what,
                Mismatch::words("it came too late", expected, actual),
            ));
        }
        Ok(())
    }

    /// Takes note of the time after which a handshake was cut off.
    fn note_timeout(&self, took: Duration) {
        // What a case starts its subject with may be written in its configuration file alone.
        if matches!(self.counterpart, Counterpart::Own(_)) {
            return;
        }
        let values = self.values.borrow();
        let set = values.get("handshake_timeout_ms").and_then(|text| text.parse().ok());
        let Some(set) = set.map(Duration::from_millis) else { return };
        self.timeouts.borrow_mut().push(Fired { name: "handshake".to_owned(), set, took });
    }

    /// Waits for the end of the connection.
    async fn end(
        &self,
        step: &Spot<Step>,
        name: &str,
        how: CloseKind,
        reference: Moment,
        connection: &Connection,
        talk: &Rc<Talk>,
    ) -> Result<Moment, Trouble> {
        let (not_before, within) = step.end_times();
        let watch = Watch {
            step,
            name,
            what: "closes".to_owned(),
            number: 0,
            deadline: reference.after
                + self.background.wait(within.map(|within| within.0), not_before.is_some()),
            since: reference.after,
            not_before: not_before.map(|time| reference.before + time.0),
        };
        connection.want(0);
        let found = connection
            .watch(watch.deadline, |inbox| {
                if !inbox.unread().is_empty() && !self.may_be_left(name, inbox.unread()) {
                    return Some(Err(came(inbox)));
                }
                inbox.end().map(|(end, when)| Ok((end.clone(), when)))
            })
            .await;
        let mismatch = match found {
            Some(Ok((end, when))) => {
                self.ended(talk);
                if !talk.end_told.replace(true) {
                    self.trace.note_end(name, happening(&end), when);
                }
                if !is(how, &end) {
                    let actual = format!("the connection was {end}");
                    let mismatch = Mismatch::words("the connection ended in another way", kind(how), actual);
                    return Err(self.stumble(step, &watch.what, mismatch));
                }
                self.in_time(&watch, when, when)?;
                if watch.not_before.is_some() {
                    self.note_timeout(when.saturating_duration_since(reference.before));
                }
                return Ok(Moment::at(when));
            }
            Some(Err(actual)) => {
                let mismatch =
                    Mismatch::words("bytes came before the end", "the end, and nothing before", actual);
                return Err(self.stumble(step, &watch.what, mismatch));
            }
            None => {
                let within = after(watch.since, watch.deadline);
                let actual = format!("still open after {within}");
                Mismatch::words("the connection did not end", format!("its end within {within}"), actual)
            }
        };
        Err(self.too_late(step, &watch.what, mismatch))
    }
}

/// What has come, for reports.
pub(super) fn came(inbox: &Inbox) -> String {
    let unread = inbox.unread();
    let start = crate::hex_text::encode(&unread[..unread.len().min(32)]);
    let more = if unread.len() > 32 { "…" } else { "" };
    clip(&format!("{}: {start}{more}", amount(unread.len())))
}

fn is(wanted: CloseKind, end: &End) -> bool {
    match wanted {
        CloseKind::Any => !matches!(end, End::Unopened(_)),
        CloseKind::Fin => *end == End::Fin,
        CloseKind::Rst => *end == End::Rst,
    }
}

fn kind(how: CloseKind) -> &'static str {
    match how {
        CloseKind::Any => "any end",
        CloseKind::Fin => "a FIN",
        CloseKind::Rst => "an RST",
    }
}

fn after(since: Instant, when: Instant) -> TimeSpan {
    TimeSpan(rounded(when.saturating_duration_since(since)))
}
