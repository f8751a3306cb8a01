//! What the harness does itself: the client's side of a conversation, and what both sides send.

use std::io;
use std::rc::Rc;

use tokio::time::sleep_until;

use super::super::connection::{Connection, SendFailure};
use super::super::secure::{Damage, half_a_hello, old_hello};
use super::scope::Scope;
use super::talk::{Moment, Phase, Talk};
use super::{Conversation, Mismatch, Outcome, Trouble};
use crate::event::Happening;
use crate::hex_text::{Stretch, amount};
use crate::matching::Matching;
use crate::terms::TimeSpan;
use crate::vectors::transcript::data::{Frame, Tamper, TlsFault, TlsHandshake, WireItem};
use crate::vectors::transcript::op::Op;
use crate::vectors::transcript::play::{Framing, Player, Unbuildable};
use crate::vectors::transcript::step::CloseKind;
use crate::vectors::transcript::value::{Known, SettingName};
use crate::vectors::transcript::{Party, Step};
use crate::yaml::Spot;

impl Conversation<'_> {
    /// Plays a step of the client.
    pub(super) async fn play(&self, step: &Spot<Step>, name: &str, scope: &Scope<'_>) -> Outcome {
        let known = self.talk(name);
        let connects = known.is_none();
        let talk = match known {
            Some(talk) => talk,
            None => self.connect(step, name).await?,
        };
        let connected = talk.last.get().before;
        self.hold_back(step, &talk, scope).await;
        let mut moment = Moment::at(tokio::time::Instant::now());
        if let Some(handshake) = tls_handshake(step) {
            self.begin_tls(&talk, handshake).await?;
        } else if step.has_bytes() {
            moment = self.send(step, name, &talk, scope).await?;
        }
        if connects {
            // From then on the subject may count, however late the harness comes to its first bytes.
            moment.before = connected;
        }
        self.end_if_told(step, name, &talk).await;
        moment.after = tokio::time::Instant::now();
        self.ended_step(step, Some(&talk), moment, scope);
        Ok(())
    }

    /// Waits until the step may begin.
    pub(super) async fn hold_back(&self, step: &Step, talk: &Rc<Talk>, scope: &Scope<'_>) {
        let reference = self.reference(step, Some(talk), scope);
        if let Some(not_before) = &step.not_before {
            sleep_until(reference.after + not_before.0).await;
        }
        if let Some(quiet) = &step.quiet {
            sleep_until(reference.after + quiet.lasts.0).await;
        }
    }

    async fn connect(&self, step: &Spot<Step>, name: &str) -> Result<Rc<Talk>, Trouble> {
        let Some(address) = self.with_agent(|agent| agent.address) else {
            return Err(Trouble::CannotRun("no subject runs to which a client could connect".to_owned()));
        };
        let from = match &step.from {
            Some(from) => Some(from.parse().map_err(|_| {
                Trouble::CannotRun(format!("{}: `{}` is no address", self.place(from.span), from.value))
            })?),
            None => self.usual_source(),
        };
        let patience = self.background.patience;
        match Talk::open(address, from, patience).await {
            Ok(talk) => {
                self.talks.borrow_mut().insert(name.to_owned(), Rc::clone(&talk));
                self.trace.note(name, Happening::Connected);
                Ok(talk)
            }
            Err(error) => Err(self.cannot_connect(step, &error)),
        }
    }

    fn cannot_connect(&self, step: &Spot<Step>, error: &io::Error) -> Trouble {
        let expected = "the subject accepts a connection";
        match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => {
                let actual = error.to_string();
                self.stumble(step, "connect", Mismatch::words("the connection was refused", expected, actual))
            }
            io::ErrorKind::TimedOut => {
                let actual = format!("nothing for {}", TimeSpan(self.background.patience));
                let mismatch = Mismatch::words("the connection was not accepted", expected, actual);
                self.too_late(step, "connect", mismatch)
            }
            // No ports, no files: that is this machine's doing.
            _ => Trouble::CannotRun(format!("no connection could be made: {error}")),
        }
    }

    async fn send(
        &self,
        step: &Spot<Step>,
        name: &str,
        talk: &Rc<Talk>,
        scope: &Scope<'_>,
    ) -> Result<Moment, Trouble> {
        let (outgoing, header) = self.with_matching(scope, |matching| {
            let data = step.bytes.as_ref().map(|data| matching.player.data(data)).transpose();
            let data = data.map_err(|error| self.unbuildable(&error))?.unwrap_or_default();
            // A message may stand in one step with the handshake that tells how it is framed.
            let framing = self.framing_behind(Party::Client, talk, &data)?;
            let all = outgoing(data, step, matching, framing, Party::Client);
            Ok((all.map_err(|error| self.unbuildable(&error))?, framing.header))
        })?;
        if !outgoing.handshake.is_empty() && talk.connection().is_some_and(|known| known.is_secure()) {
            let why = "handshake bytes cannot follow the acknowledgement of an encrypted connection";
            return Err(Trouble::CannotRun(format!("{}: {why}", self.place(step.span))));
        }
        self.send_all(step, name, talk, outgoing, header).await
    }

    /// Sends what a step says, encrypted where the connection is. `header` is the size of what stands before the data of
    /// its messages.
    pub(super) async fn send_all(
        &self,
        step: &Spot<Step>,
        name: &str,
        talk: &Rc<Talk>,
        outgoing: Outgoing,
        header: usize,
    ) -> Result<Moment, Trouble> {
        let Some(connection) = talk.connection() else {
            return Err(Trouble::CannotRun(format!(
                "{}: the harness has ended this connection before",
                self.place(step.span)
            )));
        };
        let pace = step.pace.as_ref().map(|pace| {
            let pause = pace.pause.map_or(std::time::Duration::ZERO, |pause| pause.0);
            (usize::try_from(pace.bytes.value).unwrap_or(usize::MAX), pause)
        });
        let secure = connection.is_secure();
        let bytes = if secure {
            let cannot = |why| Trouble::CannotRun(format!("{}: {why}", self.place(step.span)));
            outgoing.sealed(&connection, header).map_err(cannot)?
        } else {
            outgoing.in_clear()
        };
        let sent = connection.send_all(&bytes, pace, self.background.patience).await;
        if secure {
            // How much of the messages an end cuts off cannot be told of what is encrypted.
            let count = if sent.failure.is_none() { usize::MAX } else { 0 };
            let messages = outgoing.messages.concat();
            talk.note_all_sent(&messages, count, header);
            let told: Vec<Stretch> =
                std::iter::once(Stretch::Bytes(outgoing.handshake.clone())).chain(messages).collect();
            self.trace.note_sent(name, &told, count.min(told.iter().map(Stretch::len).sum()));
            if !outgoing.raw.is_empty() {
                talk.note_raw();
            }
        } else {
            self.note_in_clear(talk, &outgoing, &bytes, sent.count, header);
            self.trace.note_sent(name, &bytes, sent.count);
        }
        match sent.failure {
            // That is for the next step to judge.
            None | Some(SendFailure::Ended) => {}
            Some(SendFailure::Stuck) => {
                let expected = format!("{} are taken", amount(bytes.iter().map(Stretch::len).sum()));
                let within = TimeSpan(self.background.patience);
                let actual = format!("{} taken, then nothing for {within}", amount(sent.count));
                let mismatch = Mismatch::words("the subject reads no further", expected, actual);
                return Err(self.too_late(step, "send", mismatch));
            }
        }
        Ok(Moment { before: sent.before, after: sent.after })
    }

    /// Takes note of how much of what was to be sent was taken.
    fn note_in_clear(
        &self,
        talk: &Talk,
        outgoing: &Outgoing,
        bytes: &[Stretch],
        count: usize,
        header: usize,
    ) {
        match self.tested {
            // The acknowledgement is no message.
            Party::Client => {
                let opening = outgoing.handshake.len();
                talk.note_all_sent(&outgoing.behind_handshake(), count.saturating_sub(opening), header);
            }
            Party::Agent | Party::Host => talk.note_all_sent(bytes, count, header),
        }
    }

    /// Ends the connection, or one direction of it, where the step says so.
    pub(super) async fn end_if_told(&self, step: &Step, name: &str, talk: &Rc<Talk>) {
        let told_to_close = matches!(step.does.as_ref().map(|op| &op.value), Some(Op::Close(_)));
        let how = step.closes.as_ref().map(|closes| closes.how);
        if step.reset.is_some() || how == Some(CloseKind::Rst) {
            self.saw_end.set(true);
            self.trace.note(name, Happening::Reset);
            if let Some(connection) = talk.take().and_then(sole) {
                connection.reset().await;
            }
        } else if how.is_some() || told_to_close {
            self.saw_end.set(true);
            self.trace.note(name, Happening::Closed);
            if let Some(connection) = talk.take().and_then(sole) {
                connection.close().await;
            }
        } else if step.shutdown.is_some() {
            self.trace.note(name, Happening::HalfClosed);
            if let Some(connection) = talk.connection() {
                connection.shut_down();
            }
            if talk.phase.get() != Phase::Ended {
                talk.phase.set(Phase::HalfClosed);
            }
            self.saw_end.set(true);
        }
    }
}

/// The proper TLS handshake that a step is about.
pub(super) fn tls_handshake(step: &Step) -> Option<&TlsHandshake> {
    step.wire.iter().flat_map(|wire| &wire.0).find_map(|item| item.value.tls_handshake())
}

/// The connection itself, which another branch may still look at: then it only gets no more to see.
fn sole(connection: Rc<Connection>) -> Option<Connection> {
    Rc::try_unwrap(connection).map_err(|shared| shared.shut_down()).ok()
}

/// All bytes of a step, in the order in which they are sent.
pub(super) struct Outgoing {
    /// What stands under `bytes`.
    pub(super) handshake: Vec<u8>,
    /// Messages, which an encrypted connection wraps one by one.
    pub(super) messages: Vec<Vec<Stretch>>,
    /// What goes below any encryption.
    pub(super) raw: Vec<Raw>,
}

/// Bytes below any encryption.
pub(super) enum Raw {
    /// As they stand.
    Bytes(Vec<Stretch>),
    /// A message in an AES frame with one thing wrong.
    Damaged(Vec<u8>, Damage),
}

impl Outgoing {
    /// As they go over a connection without encryption; those that are written out in one piece.
    fn in_clear(&self) -> Vec<Stretch> {
        joined(std::iter::once(Stretch::Bytes(self.handshake.clone())).chain(self.behind_handshake()))
    }

    /// What goes behind the handshake over a connection without encryption.
    fn behind_handshake(&self) -> Vec<Stretch> {
        let raw = self.raw.iter().filter_map(|raw| match raw {
            Raw::Bytes(stretches) => Some(stretches),
            // Only encrypted connections carry it.
            Raw::Damaged(..) => None,
        });
        self.messages.iter().chain(raw).flatten().cloned().collect()
    }

    /// As they go over an encrypted connection.
    fn sealed(&self, connection: &Connection, header: usize) -> Result<Vec<Stretch>, String> {
        let mut all = self.handshake.clone();
        for message in &self.messages {
            all.append(&mut connection.seal(&stretched(message), header)?);
        }
        let mut all = vec![Stretch::Bytes(all)];
        for raw in &self.raw {
            match raw {
                Raw::Bytes(stretches) => all.extend(stretches.iter().cloned()),
                Raw::Damaged(message, damage) => {
                    all.push(Stretch::Bytes(connection.seal_damaged(message, header, damage)?));
                }
            }
        }
        Ok(all)
    }
}

/// Stretches with those that are written out in one piece.
fn joined(stretches: impl Iterator<Item = Stretch>) -> Vec<Stretch> {
    let mut all: Vec<Stretch> = Vec::new();
    for stretch in stretches {
        match (all.last_mut(), stretch) {
            (Some(Stretch::Bytes(bytes)), Stretch::Bytes(more)) => bytes.extend_from_slice(&more),
            (_, more) => all.push(more),
        }
    }
    all
}

/// Stretches written out.
fn stretched(stretches: &[Stretch]) -> Vec<u8> {
    let mut bytes = Vec::new();
    stretches.iter().for_each(|stretch| stretch.write_to(&mut bytes));
    bytes
}

/// What a step of a party sends, behind the bytes that open the connection.
pub(super) fn outgoing(
    handshake: Vec<u8>,
    step: &Step,
    matching: Matching<'_>,
    framing: Framing<'_>,
    party: Party,
) -> Result<Outgoing, Unbuildable> {
    let mut all = Outgoing { handshake, messages: Vec::new(), raw: Vec::new() };
    for frame in step.frames.iter().flat_map(|frames| &frames.value) {
        match &frame.value {
            Frame::Hex(hex) => all.messages.push(hex.stretches()),
            Frame::Fields(_) => {
                for number in 0..frame.times() {
                    let known = Copy { number, known: matching.player.known };
                    let message = Player { known: &known, ..matching.player }.frame(frame, framing)?;
                    all.messages.push(vec![Stretch::Bytes(message)]);
                }
            }
        }
    }
    for item in step.wire.iter().flat_map(|wire| &wire.0) {
        match &item.value {
            WireItem::Hex(hex) => all.raw.push(Raw::Bytes(hex.stretches())),
            WireItem::Tamper(tamper) => {
                let message = matching.player.frame(&tamper.frame, framing)?;
                let damage = damage(tamper).map_err(|why| Unbuildable::unencodable(item.span, why))?;
                all.raw.push(Raw::Damaged(message, damage));
            }
            WireItem::Tls(fault) => {
                let bytes = instead_of_tls(fault, matching, framing, party)?;
                all.raw.push(Raw::Bytes(vec![Stretch::Bytes(bytes)]));
            }
        }
    }
    Ok(all)
}

/// What a run knows of one message among several.
struct Copy<'k> {
    number: u32,
    known: &'k dyn Known,
}

impl Known for Copy<'_> {
    fn setting(&self, name: SettingName) -> Option<serde_json::Value> {
        self.known.setting(name)
    }

    fn binding(&self, name: &str) -> Option<serde_json::Value> {
        self.known.binding(name)
    }

    fn number(&self) -> i32 {
        i32::try_from(self.number).unwrap_or(i32::MAX)
    }
}

/// The one thing that is wrong.
fn damage(tamper: &Tamper) -> Result<Damage, String> {
    let Tamper { frame: _, flip, truncate, set_length, key, pad } = tamper;
    if let Some(flip) = flip {
        return Ok(Damage::Flip { byte: flip.byte, bit: flip.bit });
    }
    if let Some(length) = truncate {
        return Ok(Damage::Truncate(usize::try_from(length.value).unwrap_or(usize::MAX)));
    }
    if let Some(length) = set_length {
        return Ok(Damage::Length(length.value));
    }
    let key = key.as_ref().map(|key| Damage::Key(key.bytes()));
    let padding = pad.as_ref().map(|pad| Damage::Padding(pad.bytes()));
    key.or(padding).ok_or_else(|| "nothing is wrong with this frame".to_owned())
}

/// What is sent where a TLS handshake is due.
fn instead_of_tls(
    fault: &TlsFault,
    matching: Matching<'_>,
    framing: Framing<'_>,
    party: Party,
) -> Result<Vec<u8>, Unbuildable> {
    match fault {
        TlsFault::Stall => Ok(half_a_hello(party)),
        TlsFault::OldVersion => Ok(old_hello(party)),
        // These are handshakes, which go both ways.
        TlsFault::Certificate(_) | TlsFault::Handshake(_) => Ok(Vec::new()),
        TlsFault::Plaintext(frames) => {
            let frames: Result<Vec<_>, _> =
                frames.iter().map(|frame| matching.player.frame(frame, framing)).collect();
            Ok(frames?.concat())
        }
        // A record of type 21, TLS 1.2, two bytes: fatal, and which.
        TlsFault::Alert(number) => Ok(vec![0x15, 0x03, 0x03, 0x00, 0x02, 0x02, *number]),
    }
}
