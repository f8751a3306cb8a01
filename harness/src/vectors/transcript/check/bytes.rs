//! Literal bytes against their fields, their op and the framing; typed items against their types.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::super::data::{Data, FieldsPart, Frame, FrameFields, Item, TlsFault, WireItem};
use super::super::entry::{Needs, Party};
use super::super::op::Op;
use super::super::play::{AckDefaults, Framing, Obstacle, Player, Unbuildable};
use super::super::step::{Kind, Step, walk};
use super::super::value::{Known, SettingName, Symbol, Value};
use super::super::{Mistake, TranscriptCase};
use super::{head, literal, symbols};
use crate::format::{ByteDifference, Formats};
use crate::terms::Encryption;
use crate::yaml::{Span, Spot};

/// Literals longer than this are taken as they are.
const LONGEST_CHECKED: usize = 1 << 20;

/// What is wrong with the bytes of a case.
pub(super) fn mistakes(case: &TranscriptCase, formats: &Formats) -> Vec<Mistake> {
    let sample = Sample::of(case);
    let ack = AckDefaults { encryption: 0, iv: None, server_version: vec![0] };
    let mut hosts = BTreeSet::new();
    let failing = failing_ops(case);
    let with_tls_steps = with_tls_steps(case);
    walk(case.steps(), &mut |step| {
        hosts.extend(step.host.as_ref().map(|name| name.value.0.as_str()));
    });
    walk(case.steps(), &mut |step| {
        step.client.iter().for_each(|name| {
            hosts.remove(name.value.0.as_str());
        });
    });
    let mut checker = Checker {
        formats,
        needs: &case.entry.needs,
        player: Player { formats, known: &sample, ack: &ack },
        hosts,
        failing,
        with_tls_steps,
        connections: BTreeMap::new(),
        mistakes: Vec::new(),
    };
    walk(case.steps(), &mut |step| checker.step(step));
    checker.mistakes
}

/// The labels of the steps whose ops must fail.
fn failing_ops(case: &TranscriptCase) -> BTreeSet<&str> {
    let mut failing = BTreeSet::new();
    walk(case.steps(), &mut |step| {
        if let (Some(label), Some(_)) = (&step.result, &step.fails) {
            failing.insert(label.value.0.as_str());
        }
    });
    failing
}

/// The connections whose TLS handshake is a step of its own: before it, messages go in clear.
fn with_tls_steps(case: &TranscriptCase) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    walk(case.steps(), &mut |step| {
        let mut items = step.wire.iter().flat_map(|wire| &wire.0);
        if items.any(|item| item.value.tls_handshake().is_some()) {
            let parties = step.client.iter().chain(&step.agent);
            names.extend(parties.map(|name| name.value.0.as_str()));
        }
    });
    names
}

/// Stand-ins for what only a run knows.
struct Sample(BTreeMap<String, Json>);

impl Sample {
    fn of(case: &TranscriptCase) -> Self {
        let mut sample = Self(BTreeMap::new());
        walk(case.steps(), &mut |step| {
            let mut found = Vec::new();
            symbols::of_bytes(step, &mut |span, symbol| found.push((span, symbol)));
            for (span, symbol) in found {
                if let Symbol::Bind { name, .. } = symbol
                    && let Ok(value) = symbol.played(span, &sample)
                {
                    sample.0.insert(name.value.0.clone(), value);
                }
            }
        });
        sample
    }
}

impl Known for Sample {
    fn setting(&self, name: SettingName) -> Option<Json> {
        Some(if name.is_number() { Json::from(1) } else { Json::from("00") })
    }

    fn binding(&self, name: &str) -> Option<Json> {
        self.0.get(name).cloned()
    }
}

/// How far a connection has come.
#[derive(Default)]
struct Connection {
    /// A client was told to ask for a session, so that it speaks the oldest version whatever the answer (HS-8).
    asks_for_session: bool,
    /// The connect of a client fails: no version is agreed on, whatever the acknowledgement says.
    fails: bool,
    acknowledged: bool,
    version: Option<i32>,
}

struct Checker<'a> {
    formats: &'a Formats,
    needs: &'a Needs,
    player: Player<'a>,
    hosts: BTreeSet<&'a str>,
    failing: BTreeSet<&'a str>,
    with_tls_steps: BTreeSet<&'a str>,
    connections: BTreeMap<String, Connection>,
    mistakes: Vec<Mistake>,
}

impl<'a> Checker<'a> {
    fn report(&mut self, span: Span, message: impl Into<String>) {
        self.mistakes.push((span, message.into()));
    }

    fn step(&mut self, step: &Step) {
        let Some(Kind::Actor(party, name)) = step.kind() else {
            for data in step.is.iter().filter_map(|expected| expected.data.as_ref()) {
                self.items(data);
                super::form_parts::places(data, &mut self.mistakes);
            }
            return;
        };
        if self.hosts.contains(name.value.0.as_str()) {
            return self.host_step(step);
        }
        if let Some(Op::Connect(connect)) = step.does.as_ref().map(|op| &op.value) {
            let fails =
                step.label.as_ref().is_some_and(|label| self.failing.contains(label.value.0.as_str()));
            let connection = self.connections.entry(name.value.0.clone()).or_default();
            (connection.asks_for_session, connection.fails) = (connect.session.is_some(), fails);
        }
        if let Some(bytes) = &step.bytes {
            self.bytes(step, party, &name.value.0, bytes);
        }
        if let Some(frames) = &step.frames {
            self.frames(step, party, &name.value.0, frames);
        }
        self.wire(step, party, &name.value.0);
    }

    fn host_step(&mut self, step: &Step) {
        if let Some(bytes) = &step.bytes {
            self.report(bytes.span, "between agent and host there are `frames`, and raw bytes under `wire`");
        }
        // In shared memory both directions are framed like what an agent sends to a client.
        let framings = Framing::all(self.formats, Party::Agent);
        for frame in step.frames.iter().flat_map(|frames| &frames.value) {
            self.frame(frame, &framings);
        }
        self.frame_fields_beside(step, &framings);
    }

    fn bytes(&mut self, step: &Step, party: Party, name: &str, bytes: &Spot<Data>) {
        if self.connections.entry(name.to_owned()).or_default().acknowledged {
            self.report(
                bytes.span,
                "after the acknowledgement messages stand under `frames`, raw bytes under `wire`",
            );
        }
        let are_good = self.items(bytes);
        if let (Some(fields), None) = (&step.fields, &step.frames) {
            self.fields_of_bytes(&fields.0, fields.span, bytes);
        }
        if let (Some(Op::Connect(connect)), true) = (step.does.as_ref().map(|op| &op.value), are_good)
            && let Some((type_name, value)) = literal::handshake(connect, self.formats, self.player.known)
            && let Ok(wanted) = self.formats.encode(type_name, &value, None)
            && let Ok(found) = self.player.data(bytes)
            && let Some(difference) = self.formats.byte_difference(type_name, &wanted, &found, None)
        {
            self.report(bytes.span, disagreement("`does`", &difference));
        }
        if party == Party::Agent {
            self.acknowledgement(name, bytes);
        }
    }

    /// Whether the items are what they say; findings where not.
    fn items(&mut self, data: &Data) -> bool {
        let before = self.mistakes.len();
        for item in &data.0 {
            self.item(&item.value, item.span);
        }
        self.mistakes.len() == before
    }

    fn item(&mut self, item: &Item, span: Span) {
        if let Item::Typed { type_name, .. } = item {
            let type_known = self.formats.find(type_name).is_some();
            // Encrypted frames are not written out in a conversation: the run's encryption makes them.
            if !type_known || type_name.starts_with("aes_") {
                let names: Vec<_> =
                    self.formats.type_names().into_iter().filter(|name| !name.starts_with("aes_")).collect();
                let message =
                    format!("there is no item `{}`; the types are {}", type_name.value, names.join(", "));
                return self.report(type_name.span, message);
            }
        }
        let example = match item {
            Item::Symbol(Symbol::Setting(_)) => {
                Some("setting needs its type here, such as {string: {setting: otter_root}}")
            }
            Item::Symbol(Symbol::Range { .. }) => {
                Some("range needs its type here, such as {int32: {range: {from: 1, to: 9}}}")
            }
            _ => None,
        };
        if let Some(example) = example {
            return self.report(span, format!("a {example}"));
        }
        if !matches!(item, Item::Hex(_))
            && let Err(error) = self.player.item(item, span)
        {
            self.unbuildable(error);
        }
    }

    /// Reports a value that is not of its type; symbols without a value are told elsewhere.
    fn unbuildable(&mut self, Unbuildable { span, why }: Unbuildable) {
        if let Obstacle::Unencodable(reason) = why {
            self.report(span, format!("this cannot be encoded: {reason}"));
        }
    }

    fn fields_of_bytes(&mut self, parts: &[Spot<FieldsPart>], span: Span, bytes: &Spot<Data>) {
        let Some(found) = bytes.literal().filter(|found| found.len() <= LONGEST_CHECKED) else {
            return self.report(span, "`fields` stands beside hexadecimal bytes only");
        };
        let mut wanted = Vec::new();
        let mut type_name = "bytes";
        for part in parts {
            let FieldsPart::Item(item) = &part.value else {
                return self
                    .report(part.span, "beside `bytes` there are typed items, such as {handshake_v1: {…}}");
            };
            if let (Item::Typed { type_name: only, .. }, 1) = (item, parts.len()) {
                type_name = only;
            }
            let before = self.mistakes.len();
            self.item(item, part.span);
            match self.player.item(item, part.span) {
                Ok(mut more) if self.mistakes.len() == before => wanted.append(&mut more),
                _ => return,
            }
        }
        if let Some(difference) = self.formats.byte_difference(type_name, &wanted, &found, None) {
            self.report(bytes.span, disagreement("`fields`", &difference));
        }
    }

    /// What an acknowledgement says about the rest of the conversation.
    fn acknowledgement(&mut self, name: &str, bytes: &Spot<Data>) {
        let Some((encryption, value, span)) = self.read_acknowledgement(bytes) else { return };
        let oldest = self.formats.oldest_version();
        let connection = self.connections.entry(name.to_owned()).or_default();
        let version = if value < oldest || connection.asks_for_session { oldest } else { value };
        let version = (!connection.fails).then_some(version);
        (connection.acknowledged, connection.version) = (true, version);
        let mode = match encryption {
            None => None,
            Some(1) => Some((Encryption::Ssl, "ssl")),
            Some(2) => Some((Encryption::Aes, "aes")),
            Some(_) => Some((Encryption::None, "none")),
        };
        if let Some((mode, word)) = mode
            && !head::runs_only(self.needs, mode)
        {
            let message = format!(
                "this acknowledgement says encryption {word}, so the case needs `encryption: [{word}]`; {{ack: {{value: …}}}} \
                 follows the run"
            );
            self.report(span, message);
        }
        let versions = self.needs.versions.as_ref();
        if let Some(version) = version
            && !versions.is_some_and(|versions| versions.iter().any(|needed| needed.value == version))
        {
            let message =
                format!("version {version} is spoken here, so the case needs `versions: [{version}]`");
            self.report(span, message);
        }
    }

    /// Encryption, where it is given, and value of an acknowledgement.
    fn read_acknowledgement(&self, bytes: &Spot<Data>) -> Option<(Option<i64>, i32, Span)> {
        let newest = self.formats.iter().last()?;
        let type_name = newest.conversation.acknowledgement.value.as_str();
        let item = bytes.0.first()?;
        let (encryption, value) = match &item.value {
            Item::Hex(_) => {
                let read = self.formats.decode(type_name, &bytes.literal()?, None).ok()?.value;
                (read.get("encryption").cloned(), read.get("value").cloned())
            }
            Item::Typed { type_name: typed, value } if typed.value == type_name => {
                let Value::Fields(fields) = &value.value else { return None };
                let played = |name: &str| fields.get(name)?.played(self.player.known).ok();
                let fixed =
                    fields.get("encryption").is_some_and(|mode| matches!(mode.value, Value::Literal(_)));
                (played("encryption").filter(|_| fixed), played("value"))
            }
            _ => return None,
        };
        let value = value?.as_i64().and_then(|number| i32::try_from(number).ok())?;
        Some((encryption.as_ref().and_then(Json::as_i64), value, item.span))
    }

    fn frames(&mut self, step: &Step, party: Party, name: &str, frames: &Spot<Vec<Spot<Frame>>>) {
        let connection = self.connections.entry(name.to_owned()).or_default();
        let version = connection.version;
        let in_clear = self.with_tls_steps.contains(name) || head::runs_only(self.needs, Encryption::None);
        if !connection.acknowledged && !in_clear {
            let message = "a message before the acknowledgement cannot be encrypted: the case needs `encryption: [none]`";
            self.report(frames.span, message);
        }
        let framings = self.framings(party, version);
        let before = self.mistakes.len();
        for frame in &frames.value {
            self.frame(frame, &framings);
        }
        if step.bytes.is_none() {
            self.frame_fields_beside(step, &framings);
        }
        if let (Some(op), [framing], true) = (&step.does, framings.as_slice(), self.mistakes.len() == before)
        {
            self.op(&op.value, frames, *framing);
        }
    }

    /// The framings in which a party may send on a connection.
    fn framings(&self, party: Party, version: Option<i32>) -> Vec<Framing<'a>> {
        match version.and_then(|version| Framing::new(self.formats, party, version)) {
            Some(framing) => vec![framing],
            None => Framing::all(self.formats, party),
        }
    }

    /// One message, which must be good in one of the framings.
    fn frame(&mut self, frame: &Spot<Frame>, framings: &[Framing<'_>]) {
        match &frame.value {
            Frame::Hex(hex) if hex.len() > LONGEST_CHECKED => {}
            Frame::Hex(hex) => {
                let bytes = hex.bytes();
                let wrong: Vec<String> =
                    framings.iter().filter_map(|framing| self.misfit(*framing, &bytes)).collect();
                if wrong.len() == framings.len() {
                    let message = format!(
                        "this is no whole message: {}; one that is wrong on purpose is written {{length: …, command: …, \
                         data: …}}",
                        wrong.join("; ")
                    );
                    self.report(frame.span, message);
                }
            }
            Frame::Fields(fields) => self.frame_fields(fields, frame.span, framings),
        }
    }

    /// Why some bytes are not one message of a framing.
    fn misfit(&self, framing: Framing<'_>, bytes: &[u8]) -> Option<String> {
        let name = framing.type_name;
        match self.formats.decode(name, bytes, None) {
            Ok(decoded) if decoded.used == bytes.len() => None,
            Ok(decoded) => Some(format!("as {name} it ends after {} of {} bytes", decoded.used, bytes.len())),
            Err(error) => Some(format!("as {name}, field `{}`: {}", error.path, error.reason)),
        }
    }

    fn frame_fields(&mut self, fields: &FrameFields, span: Span, framings: &[Framing<'_>]) {
        if let Some(target) = &fields.target
            && !framings.iter().any(|framing| framing.has_target)
        {
            let message = "this message has no `target`: only those from client to agent in v1 have one";
            return self.report(target.span, message);
        }
        let before = self.mistakes.len();
        fields.data.iter().for_each(|data| {
            self.items(data);
        });
        let framing = framings.iter().find(|framing| framing.has_target).or(framings.first());
        if let (Some(framing), true) = (framing, self.mistakes.len() == before)
            && let Err(error) = self.player.frame_fields(fields, span, *framing)
        {
            self.unbuildable(error);
        }
    }

    /// Hexadecimal frames against the `fields` beside them.
    fn frame_fields_beside(&mut self, step: &Step, framings: &[Framing<'_>]) {
        let (Some(fields), Some(frames)) = (&step.fields, &step.frames) else { return };
        if fields.0.len() != frames.len() {
            let message = format!("`fields` lists {} messages, `frames` {}", fields.0.len(), frames.len());
            return self.report(fields.span, message);
        }
        for (part, frame) in fields.0.iter().zip(&frames.value) {
            let (FieldsPart::Frame(wanted), Frame::Hex(found)) = (&part.value, &frame.value) else {
                let message =
                    "beside hexadecimal `frames` there are messages by their fields: {command: …, data: …}";
                self.report(part.span, message);
                continue;
            };
            let before = self.mistakes.len();
            self.frame_fields(wanted, part.span, framings);
            if self.mistakes.len() == before && found.len() <= LONGEST_CHECKED {
                self.same_frame(wanted, part.span, frame.span, &found.bytes(), framings);
            }
        }
    }

    fn same_frame(
        &mut self,
        wanted: &FrameFields,
        fields: Span,
        frame: Span,
        found: &[u8],
        framings: &[Framing<'_>],
    ) {
        let differences: Vec<ByteDifference> = framings
            .iter()
            .filter_map(|framing| {
                let wanted = self.player.frame_fields(wanted, fields, *framing).ok()?;
                self.formats.byte_difference(framing.type_name, &wanted, found, None)
            })
            .collect();
        if let (Some(difference), true) = (differences.first(), differences.len() == framings.len()) {
            self.report(frame, disagreement("`fields`", difference));
        }
    }

    /// The messages of a step against the op that sends them.
    fn op(&mut self, op: &Op, frames: &Spot<Vec<Spot<Frame>>>, framing: Framing<'_>) {
        if matches!(op, Op::Connect(_) | Op::Line(_)) {
            return;
        }
        let [frame] = frames.value.as_slice() else {
            if frames.is_empty() {
                return;
            }
            let message = format!("`{}` sends one message, and here are {}", op.name(), frames.len());
            return self.report(frames.span, message);
        };
        if !op.sends() {
            return self.report(frames.span, format!("`{}` sends no message", op.name()));
        }
        let wanted = literal::message(op, framing, self.formats, self.player.known);
        let found = self.player.frame(frame, framing);
        if let (Some(wanted), Ok(found)) = (wanted, found)
            && let Some(difference) = self.formats.byte_difference(framing.type_name, &wanted, &found, None)
        {
            self.report(frame.span, disagreement("`does`", &difference));
        }
    }

    /// Messages inside raw bytes.
    fn wire(&mut self, step: &Step, party: Party, name: &str) {
        let version = self.connections.get(name).and_then(|connection| connection.version);
        let framings = self.framings(party, version);
        for item in step.wire.iter().flat_map(|wire| &wire.0) {
            match &item.value {
                WireItem::Tamper(tamper) => self.frame(&tamper.frame, &framings),
                WireItem::Tls(TlsFault::Plaintext(frames)) => {
                    frames.iter().for_each(|frame| self.frame(frame, &framings));
                }
                WireItem::Hex(_) | WireItem::Tls(_) => {}
            }
        }
    }
}

/// Where two descriptions of the same bytes first differ.
fn disagreement(with: &str, difference: &ByteDifference) -> String {
    let row = difference.rows.iter().find(|row| row.differs && row.field == difference.field);
    let (wanted, found) = row.map_or(("", ""), |row| (row.expected.as_str(), row.actual.as_str()));
    format!(
        "the bytes disagree with {with}: field `{}`, first at offset {}: {with} gives [{wanted}], the bytes have [{found}]",
        difference.field, difference.offset
    )
}
