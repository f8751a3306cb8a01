//! A conversation as a text that is the same whenever the same thing is said.
//!
//! ```text
//! handshake/acknowledgement/v2-only: pass
//!   a → 4ed2eb6c f74a134a b9af81d3 dfc644be d0070000 d0070000
//!     ← 00 d0070000 33000000
//! ```
//!
//! Each connection stands by itself, because the order of what happens on different ones is a race. Those of an
//! `each` that went alike stand together. One line is the bytes of one step or message, however TCP cut them; equal
//! lines in a row are counted. Over [`WHOLE`] bytes only the first are shown, with length and CRC-32 of all.
//!
//! Left out, because nothing in a case determines it:
//!
//! - times, and the folder of the subject: `{roots}` is where the root paths lie, and `{n}` the lengths that
//!   depend on how long its name is;
//! - the number of a session that the agent chose: `{new}` where it was given, `{session of a}` where it was named;
//! - whether a v1 client got the session from 1 to 999 that it wanted, which another case may have opened with that
//!   number by then: `{wanted or new}`;
//! - an end by the agent that no step waits for, because the case may be over before it comes; an awaited one is the
//!   last line of its connection, because what the harness sent meanwhile may have been faster or slower;
//! - whether an end was a FIN or an RST where the agent ended the connection before it acknowledged the handshake, or
//!   was told to end: a socket that is closed on bytes not read yet sends an RST, and when they arrive is a race;
//! - how many bytes of a step in pieces, with pauses, were sent when the agent had waited for them long enough.

use std::collections::{BTreeMap, BTreeSet};

use iaspec_harness::event::{CaseResult, Exchange, Happening};
use iaspec_harness::hex_text;
use iaspec_harness::vectors::TranscriptCase;
use iaspec_harness::vectors::transcript::Party;
use iaspec_harness::vectors::transcript::step::{Kind, walk};
use iaspec_harness::verdict::Outcome;

/// The most bytes that are shown whole.
const WHOLE: usize = 64;

/// How many bytes of more are shown.
const HEAD: usize = 32;

/// The bytes of a handshake, and where its second number begins (HS-1).
const HANDSHAKE: usize = 24;
const SECOND_NUMBER: usize = 20;

/// The bytes of an acknowledgement without initialization vector, with a server version of one int32 (HS-4).
const ACKNOWLEDGEMENT: usize = 9;

/// Below this a number is a session of v1, from it on a version (NEG-3, NEG-6).
const FIRST_VERSION: i32 = 1000;

/// The sessions that the agent chose, each with the connection to which it gave it.
type Chosen<'a> = BTreeMap<i32, &'a str>;

/// What the steps of a case say about the ends of its connections.
struct Ends<'a> {
    /// The connections whose end by the agent a step waits for.
    awaited: BTreeSet<&'a str>,
    /// Whether the agent is killed or stopped.
    by_signal: bool,
    /// The connections on which the harness sends in pieces.
    paced: BTreeSet<&'a str>,
}

impl<'a> Ends<'a> {
    fn of(case: &'a TranscriptCase) -> Self {
        let mut ends = Self { awaited: BTreeSet::new(), by_signal: false, paced: BTreeSet::new() };
        walk(case.steps(), &mut |step| {
            if let (Some(Kind::Actor(Party::Agent, name)), true) = (step.kind(), step.closes.is_some()) {
                ends.awaited.insert(&name.value.0);
            }
            if let (Some(Kind::Actor(Party::Client, name)), true) = (step.kind(), step.pace.is_some()) {
                ends.paced.insert(&name.value.0);
            }
            ends.by_signal |= step.subject.as_ref().is_some_and(|subject| subject.signal.is_some());
        });
        ends
    }
}

/// A case: its name, its outcome and its connections.
pub(crate) fn case(result: &CaseResult, case: &TranscriptCase) -> String {
    // What passes may have been tried again on a busy machine.
    let skipped = result.reason.as_ref().filter(|_| result.outcome == Outcome::Skip);
    let reason = skipped.map_or(String::new(), |reason| format!(", {reason}"));
    let connections = connections(&result.conversation, &Ends::of(case));
    format!("{}: {}{reason}\n{connections}", result.case, result.outcome.name())
}

fn connections(conversation: &[Exchange], ends: &Ends<'_>) -> String {
    let mut by_name: BTreeMap<(&str, u32), Vec<&Exchange>> = BTreeMap::new();
    for exchange in conversation {
        by_name.entry(numbered(&exchange.connection)).or_default().push(exchange);
    }
    let mut chosen = Chosen::new();
    for exchanges in by_name.values() {
        if let Some(session) = given(exchanges) {
            chosen.entry(session).or_insert(&exchanges[0].connection);
        }
    }
    let mut alike: Vec<(Vec<&str>, Vec<String>)> = Vec::new();
    for exchanges in by_name.values() {
        let (name, told) = (exchanges[0].connection.as_str(), connection(exchanges, &chosen, ends));
        let same_step = |names: &[&str]| name.contains('#') && numbered(names[0]).0 == numbered(name).0;
        match alike.iter_mut().find(|(names, other)| same_step(names) && *other == told) {
            Some((names, _)) => names.push(name),
            None => alike.push((vec![name], told)),
        }
    }
    alike.iter().map(|(names, told)| together(names, told)).collect()
}

/// A name with its number as one, so that `c#2` stands before `c#10`.
fn numbered(name: &str) -> (&str, u32) {
    name.split_once('#').map_or((name, 0), |(name, number)| (name, number.parse().expect("a number")))
}

/// Connections that went alike.
fn together(names: &[&str], told: &[String]) -> String {
    let head = match names {
        [one] => format!("  {one} "),
        [first, .., last] => format!("  {first} to {last}, {} alike ", names.len()),
        [] => String::new(),
    };
    let mut text = String::new();
    let mut lines = told.chunk_by(|one, other| one == other).map(|equal| match equal.len() {
        1 => equal[0].clone(),
        count => format!("{} ({count} times)", equal[0]),
    });
    text.push_str(&format!("{head}{}\n", lines.next().unwrap_or_default()));
    lines.for_each(|line| text.push_str(&format!("    {line}\n")));
    text
}

/// The session that the agent gave to a connection of its own choice.
fn given(exchanges: &[&Exchange]) -> Option<i32> {
    let handshake = all(exchanges, Happening::Sent);
    let acknowledgement = all(exchanges, Happening::Received);
    let given = number(&acknowledgement, 1).filter(|_| acknowledgement.len() >= ACKNOWLEDGEMENT)?;
    let wanted = number(&handshake, SECOND_NUMBER)?;
    (given < FIRST_VERSION && given != wanted && !may_be_taken(wanted)).then_some(given)
}

/// Whether another case may have been given this session by the agent, which numbers them from 1 to 999.
fn may_be_taken(session: i32) -> bool {
    (1..FIRST_VERSION).contains(&session)
}

/// All bytes that went one way, as far as they are known.
fn all(exchanges: &[&Exchange], what: Happening) -> Vec<u8> {
    exchanges.iter().filter(|exchange| exchange.what == what).flat_map(|exchange| bytes(exchange)).collect()
}

fn bytes(exchange: &Exchange) -> Vec<u8> {
    hex_text::decode(&exchange.bytes).expect("hexadecimal")
}

fn number(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..at + 4)?.try_into().ok().map(i32::from_le_bytes)
}

/// What happened on one connection, a line each.
fn connection(exchanges: &[&Exchange], chosen: &Chosen<'_>, ends: &Ends<'_>) -> Vec<String> {
    let (first, rest) = exchanges.split_first().expect("something happened");
    assert_eq!(first.what, Happening::Connected, "the record of a conversation begins later than it did");
    let name = numbered(&first.connection).0;
    let last_sent = rest.iter().rposition(|exchange| exchange.what == Happening::Sent);
    let in_pieces = ends.paced.contains(name) && ends.awaited.contains(name);
    let wanted = number(&all(exchanges, Happening::Sent), SECOND_NUMBER);
    let taken = wanted.is_some_and(|wanted| may_be_taken(wanted) && !chosen.contains_key(&wanted));
    let (mut sent, mut received) = (0, 0);
    let (mut lines, mut end) = (Vec::new(), None);
    for (place, exchange) in rest.iter().enumerate() {
        let line = match exchange.what {
            Happening::Connected => "connected again".to_owned(),
            Happening::ConnectedBySubject => "← connected".to_owned(),
            Happening::Told => format!("⇒ {}", exchange.text),
            Happening::Answered => format!("⇐ {}", exchange.text),
            Happening::Sent if in_pieces && Some(place) == last_sent => {
                format!("→ {} …, in pieces until the end", grouped(&bytes(exchange)[..1]))
            }
            Happening::Sent => {
                let at = sent;
                sent += exchange.count;
                format!("→ {}", out(exchange, at, chosen))
            }
            Happening::Received => {
                let at = received;
                received += exchange.count;
                format!("← {}", came(exchange, at, chosen, taken))
            }
            // A ring is cut as it comes.
            Happening::HostReceived | Happening::HostSent => continue,
            Happening::Unread => format!("← not asked for: {}", cut(exchange)),
            Happening::HalfClosed => "→ FIN, reading on".to_owned(),
            Happening::Closed => "→ closed".to_owned(),
            Happening::Reset => "→ RST".to_owned(),
            Happening::Unopened => "← what cannot be decrypted".to_owned(),
            Happening::ClosedBySubject | Happening::ResetBySubject => {
                end = ends.awaited.contains(name).then_some(exchange.what);
                continue;
            }
        };
        lines.push(line);
    }
    let by_race = received == 0 || ends.by_signal;
    lines.extend(end.map(|end| match end {
        _ if by_race => "← end".to_owned(),
        Happening::ResetBySubject => "← RST".to_owned(),
        _ => "← FIN".to_owned(),
    }));
    lines
}

/// Bytes that the harness sent after so many others. Among those of the handshake may be a session.
fn out(exchange: &Exchange, at: usize, chosen: &Chosen<'_>) -> String {
    let bytes = bytes(exchange);
    let named = number(&bytes, SECOND_NUMBER).filter(|_| at == 0).and_then(|id| chosen.get(&id));
    match named {
        Some(owner) => {
            let (before, after) = (&bytes[..SECOND_NUMBER], &bytes[HANDSHAKE..]);
            format!("{} {{session of {owner}}} {}", grouped(before), grouped(after)).trim_end().to_owned()
        }
        None => cut(exchange),
    }
}

/// Bytes that the agent sent after so many others: the acknowledgement, or messages. `taken` says whether the wanted
/// session may be another case's.
fn came(exchange: &Exchange, at: usize, chosen: &Chosen<'_>, taken: bool) -> String {
    let bytes = bytes(exchange);
    if at == 0 && bytes.len() == ACKNOWLEDGEMENT {
        let value = number(&bytes, 1).expect("nine bytes");
        let value = match chosen.get(&value) {
            Some(owner) if *owner == exchange.connection => "{new}".to_owned(),
            Some(owner) => format!("{{session of {owner}}}"),
            None if taken => "{wanted or new}".to_owned(),
            None => hex_text::encode(&bytes[1..5]),
        };
        return format!("{} {value} {}", grouped(&bytes[..1]), grouped(&bytes[5..]));
    }
    root_path(&bytes).unwrap_or_else(|| cut(exchange))
}

/// A message that tells a root path below the folder of the subject, if the bytes are one: int32 length, int32
/// command, string (FRM-3, MTA-3), both lengths right.
fn root_path(bytes: &[u8]) -> Option<String> {
    let text = bytes.get(8..)?;
    let (length, prefix) = match text {
        [low @ 0..0x80, ..] => (usize::from(*low), 1),
        [low, high @ 0..0x80, ..] => (usize::from(low & 0x7f) | usize::from(*high) << 7, 2),
        _ => return None,
    };
    let path = std::str::from_utf8(&text[prefix..]).ok()?;
    let (_, below) = path.split_once("/iaspec-")?.1.split_once("/roots/")?;
    let right = path.len() == length && number(bytes, 0)? == i32::try_from(text.len()).ok()?;
    right.then(|| format!("{{n}} {} {{n}} {{roots}}/{below}", grouped(&bytes[4..8])))
}

/// Bytes, long ones cut.
fn cut(exchange: &Exchange) -> String {
    let bytes = bytes(exchange);
    if exchange.count <= WHOLE {
        return grouped(&bytes);
    }
    let checksum = exchange.crc32.unwrap_or_else(|| crc32fast::hash(&bytes));
    format!("{} … {} bytes, CRC-32 {checksum:08x}", grouped(&bytes[..HEAD]), exchange.count)
}

/// Hexadecimal, four bytes a group.
fn grouped(bytes: &[u8]) -> String {
    bytes.chunks(4).map(hex_text::encode).collect::<Vec<_>>().join(" ")
}
