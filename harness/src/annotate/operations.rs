//! What clients and hosts are told to do, what that gives back, and the world around a conversation, in words.

use serde_json::Value as Json;

use super::names::{either, word};
use super::words;
use crate::hex_text::amount;
use crate::vectors::transcript::op::{Connect, ErrorKinds, Expected, Op, UpdateAgent, UpdateFile};
use crate::vectors::transcript::scalars::Hex;
use crate::vectors::transcript::start::{Place, Start};
use crate::vectors::transcript::value::Value;
use crate::vectors::transcript::world::{File, Files, Process, Restart, Signal, Subject};
use crate::verdict::clip;
use crate::yaml::Spot;

/// An op with its parameters.
pub(super) fn op(op: &Op) -> String {
    let (text, timeout) = match op {
        Op::Connect(connect) => (self::connect(connect), connect.timeout),
        Op::Send(send) => {
            let target = send.target.as_ref().map_or(String::new(), |to| format!(" to {}", name(to)));
            let data = send.data.as_ref().map_or("no data".to_owned(), |data| digits(data));
            (format!("send command {}{target} with {data}", words::value(&send.command)), send.timeout)
        }
        Op::Receive(receive) => ("receive the next message".to_owned(), receive.timeout),
        Op::GetRootPath(get) => (format!("ask for the root path of {}", name(&get.agent_type)), get.timeout),
        Op::UpdateAgent(update) => (self::update(update), update.timeout),
        Op::OpenSession(open) => {
            let (session, product) = (words::value(&open.session), name(&open.agent_type));
            (format!("open session {session} of {product}"), open.timeout)
        }
        Op::Close(_) => ("close the connection".to_owned(), None),
        Op::Line(line) => (format!("take the line {}", clip(line)), None),
        Op::Start(start) => (self::start(start), None),
    };
    timeout.map_or(text.clone(), |timeout| format!("{text}, within {timeout}"))
}

fn connect(connect: &Connect) -> String {
    let mut parts = Vec::new();
    let number = |value: &Option<Spot<_>>| value.as_ref().map(|value: &Spot<_>| words::value(value));
    match (number(&connect.min), number(&connect.max), number(&connect.session)) {
        (_, _, Some(session)) => parts.push(format!("as a v1 client with session {session}")),
        (Some(min), Some(max), None) => parts.push(format!("offering versions {min} to {max}")),
        (Some(one), None, None) | (None, Some(one), None) => parts.push(format!("offering version {one}")),
        (None, None, None) => {}
    }
    if let Some(host) = &connect.host {
        parts.push(format!("to the host {}", host.value));
    }
    if connect.port.is_some() {
        parts.push("to a port on which nothing listens".to_owned());
    }
    if let Some(key) = &connect.aes_key {
        parts.push(format!("with the AES key {}", key.value));
    }
    if let Some(tls) = &connect.tls {
        let authority = tls.ca.map(|authority| format!("trusting the authority `{}`", word(&authority)));
        let name = tls.name.as_ref().map(|name| format!("expecting the name {name}"));
        let verify = tls.verify.filter(|verify| !verify).map(|_| "judging no certificate".to_owned());
        parts.extend([authority, name, verify].into_iter().flatten());
    }
    if let Some(required) = &connect.require {
        parts.push(format!("requiring {}", word(required)));
    }
    if let Some(dialect) = &connect.dialect {
        parts.push(format!("in the dialect {}", words::dialect(dialect)));
    }
    format!("connect {}", parts.join(", ")).trim_end().to_owned()
}

fn update(update: &UpdateAgent) -> String {
    let files = |kind: &str, files: &[UpdateFile]| {
        let shown = |file: &UpdateFile| format!("{:?} ({})", file.name.value, amount(file.contents.len()));
        let names: Vec<String> = files.iter().map(shown).collect();
        (!names.is_empty()).then(|| format!("{kind} {}", names.join(", ")))
    };
    let parts = [files("assemblies", &update.assemblies), files("extensions", &update.extensions)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let sent = if parts.is_empty() { "no files".to_owned() } else { parts.join(" and ") };
    clip(&format!("update {} with {sent}", name(&update.agent_type)))
}

fn start(start: &Start) -> String {
    let (product, session) = (name(&start.agent_type), words::value(&start.session));
    let capacity = start
        .ring_capacity
        .as_ref()
        .map_or(String::new(), |capacity| format!(", with rings of {}", amount(capacity.value as usize)));
    let place = match start.place.unwrap_or_default() {
        Place::Memory => "",
        Place::File => ", through a file",
    };
    let rings = if start.rings == Some(false) { ", by an agent that never wakes it" } else { "" };
    let wrong = start.wrong.as_ref().map_or(String::new(), |wrong| {
        let value = start.value.as_ref().map_or(String::new(), |value| format!(" ({})", digits(value)));
        let byte = start.byte.as_ref().map_or(String::new(), |byte| format!(" (byte {})", byte.value));
        let options =
            start.options.as_ref().map_or(String::new(), |words| format!(" (`{}`)", clip(&words.join(" "))));
        format!("; its {} is wrong{value}{byte}{options}", word(&wrong.value).replace('_', " "))
    });
    let counts = start
        .counts
        .as_ref()
        .map_or(String::new(), |counts| format!(", with counts that begin at {}", counts.value.0));
    let waiting = start
        .waiting
        .as_ref()
        .map_or(String::new(), |bytes| format!(", with {} waiting in its ring", amount(bytes.len())));
    let schedule = start
        .schedule
        .as_ref()
        .map_or(String::new(), |schedule| format!("; then the agent {}", schedule.value.told()));
    format!(
        "start for {product}, session {session}{capacity}{place}{rings}{counts}{waiting}{wrong}{schedule}"
    )
}

/// The result that must come.
pub(super) fn expected(expected: &Expected) -> String {
    let mut parts: Vec<String> =
        expected.values().map(|(name, value)| format!("{name}: {}", words::value(value))).collect();
    parts.extend(expected.data.as_ref().map(|data| format!("data: {}", words::data(data))));
    if parts.is_empty() { "it succeeds".to_owned() } else { format!("it gives {}", parts.join(", ")) }
}

/// The error that must come.
pub(super) fn fails(kinds: &ErrorKinds) -> String {
    let kinds: Vec<String> = kinds.0.iter().map(word).collect();
    format!("it fails as {}", either(&kinds))
}

/// What is done with the subject.
pub(super) fn subject(subject: &Subject) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(start) = &subject.start {
        let settings: Vec<String> = start
            .settings
            .iter()
            .map(|(name, value)| format!("{} = {:?}", word(name), value.value))
            .collect();
        let with = if settings.is_empty() { String::new() } else { format!(" with {}", settings.join(", ")) };
        notes.push(format!("is started{with}"));
        if let Some(config) = &start.config {
            notes.push("with this configuration file:".to_owned());
            notes.extend(config.value.lines().map(|line| format!("| {}", clip(line))));
        }
    }
    match subject.signal.as_ref().map(|signal| signal.value) {
        Some(Signal::Stop) => notes.push("gets the signal by which its manifest stops it".to_owned()),
        Some(Signal::Kill) => notes.push("gets SIGKILL".to_owned()),
        None => {}
    }
    if let Some(Spot { value: Restart::SameState, .. }) = &subject.restart {
        notes.push("is started again with the same state folder, port and settings".to_owned());
    }
    if let Some(more) = &subject.open_files {
        notes.push(format!("may have {} files more open than it has now", more.value));
    }
    if subject.refuses.is_some() {
        notes.push("refuses to start, with a message".to_owned());
    }
    if let Some(mentions) = &subject.mentions {
        let mentions: Vec<String> = mentions.iter().map(|text| format!("{text:?}")).collect();
        notes.push(format!("the message mentions {}", mentions.join(", ")));
    }
    notes
}

/// Whether a process is there.
pub(super) fn process(process: &Process) -> String {
    let state = match (process.gone, &process.reaped) {
        (true, Some(_)) => "is gone and was waited for",
        (true, None) => "is gone",
        (false, _) => "is there",
    };
    let when = process.within.as_ref().map_or(String::new(), |within| format!(" within {}", within.value));
    let opens = process
        .opens
        .as_ref()
        .map_or(String::new(), |path| format!(", and has {path:?} open", path = path.value));
    let group = process
        .group_of
        .as_ref()
        .map_or(String::new(), |leader| format!(", in the process group of {}", words::value(leader)));
    format!("process {} {state}{when}{opens}{group}", words::value(&process.pid))
}

/// Which files are there.
pub(super) fn files(files: &Files) -> Vec<String> {
    let shown = |file: &Spot<File>| {
        let contents = file.contents.as_ref().map(|contents| format!("contents {}", digits(contents)));
        let ticks = file.modified_ticks.as_ref().map(|ticks| format!("modified at ticks {}", ticks.value));
        let what: Vec<String> = contents.into_iter().chain(ticks).collect();
        let what = if what.is_empty() { String::new() } else { format!(": {}", what.join(", ")) };
        format!("{:?}{what}", file.path.value)
    };
    if files.are.is_empty() {
        return vec!["none".to_owned()];
    }
    files.are.iter().map(shown).collect()
}

/// A product by its name, or what fits.
fn name(value: &Value) -> String {
    match value {
        Value::Literal(Json::String(name)) => clip(name),
        other => words::value(other),
    }
}

/// Short bytes by their digits, others by their number.
fn digits(hex: &Hex) -> String {
    match hex.len() {
        0 => "no bytes".to_owned(),
        1..=16 => format!("\"{}\"", crate::hex_text::encode(&hex.bytes())),
        length => amount(length),
    }
}
