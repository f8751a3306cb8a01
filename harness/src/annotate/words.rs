//! Values, settings and times of a transcript in words.

use serde_json::Value as Json;

use super::names::{word, words};
use crate::hex_text::amount;
use crate::matching::quoted;
use crate::terms::TimeSpan;
use crate::vectors::transcript::Party;
use crate::vectors::transcript::data::{Data, Item};
use crate::vectors::transcript::entry::{Needs, Settings};
use crate::vectors::transcript::op::Dialect;
use crate::vectors::transcript::start::Breaks;
use crate::vectors::transcript::step::{CloseKind, Step};
use crate::vectors::transcript::value::{Symbol, Value};
use crate::verdict::clip;
use crate::yaml::Spot;

/// What fits in the place of a value.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::Literal(literal) => clip(&literal.to_string()),
        Value::Symbol(found) => symbol(found),
        Value::List(items) => clip(&format!("[{}]", list(items))),
        Value::Fields(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, inner)| format!("{name}: {}", self::value(inner))).collect();
            clip(&fields.join(", "))
        }
    }
}

fn list(items: &[Spot<Value>]) -> String {
    items.iter().map(|item| value(item)).collect::<Vec<_>>().join(", ")
}

/// What fits in the place of a symbol.
pub(super) fn symbol(symbol: &Symbol) -> String {
    let played = |play: &Option<Box<Spot<Value>>>| {
        play.as_ref().map_or(String::new(), |play| format!(" (played: {})", value(play)))
    };
    match symbol {
        Symbol::Any { play } => format!("any{}", played(play)),
        Symbol::OneOf(values) => clip(&format!("one of {}", list(values))),
        Symbol::Setting(name) => format!("the setting {}", word(&name.value)),
        Symbol::Range { from, to } => format!("{} to {}", from.number, to.number),
        Symbol::Bind { name, is: Some(is), .. } => {
            format!("{}, from here on `{}`", value(is), name.value)
        }
        Symbol::Bind { name, play, .. } => format!("any{}, from here on `{}`", played(play), name.value),
        Symbol::Ref(name) => format!("`{}` from before", name.value),
        Symbol::Number(from) => format!("the message's number, counted from {}", from.value),
        Symbol::Lacks(texts) => format!("nothing with {}", quoted(texts, " or ")),
        Symbol::Repeat { repeat, count } => {
            format!("{} times {}", count.value, clip(&Json::from(repeat.as_str()).to_string()))
        }
    }
}

/// Bytes in a word or two.
pub(super) fn data(data: &Data) -> String {
    let item = |item: &Spot<Item>| match &item.value {
        Item::Hex(hex) if hex.len() > 32 => amount(hex.len()),
        Item::Hex(hex) => format!("\"{}\"", crate::hex_text::encode(&hex.bytes())),
        Item::Typed { type_name, value } => format!("{} {}", type_name.value, self::value(value)),
        Item::Symbol(found) => symbol(found),
    };
    if data.0.is_empty() {
        return "nothing".to_owned();
    }
    data.0.iter().map(item).collect::<Vec<_>>().join(", ")
}

/// When something happens.
pub(super) fn times(not_before: Option<TimeSpan>, within: Option<TimeSpan>, since: Option<&str>) -> String {
    let span = match (not_before, within) {
        (None, None) => return String::new(),
        (Some(from), None) => format!("not before {from}"),
        (None, Some(to)) => format!("within {to}"),
        (Some(from), Some(to)) => format!("between {from} and {to}"),
    };
    match since {
        Some(step) => format!("{span} of the end of `{step}`"),
        None => format!("{span} of the step before on this connection"),
    }
}

/// What a step says beside bytes, a sentence each.
pub(super) fn notes(step: &Step) -> Vec<String> {
    notes_between(step, None)
}

/// The same of a step between agent and host, where a party ends its side of a segment.
pub(super) fn notes_between(step: &Step, in_memory: Option<Party>) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(address) = &step.from {
        notes.push(format!("from the address {}", address.value));
    }
    if let Some(pace) = &step.pace {
        let pause = pace.pause.map_or(String::new(), |pause| format!(", with {pause} between two"));
        notes.push(format!("played in writes of {}{pause}", amount(pace.bytes.value as usize)));
    }
    if let Some(quiet) = &step.quiet {
        notes.push(format!("nothing comes for {}", quiet.lasts));
    }
    let since = step.since.as_ref().map(|since| since.value.0.as_str());
    // In a step without bytes the times are those of the end.
    let is_of_end = step.closes.is_some() && !step.has_bytes();
    let (not_before, within) =
        (step.not_before.as_ref().map(|t| t.value), step.within.as_ref().map(|t| t.value));
    let when = times(not_before, within, since);
    if !when.is_empty() && !is_of_end {
        notes.push(when);
    }
    if let Some(reported) = &step.reported {
        let fields: Vec<&str> = reported.fields.iter().map(|field| field.value.name()).collect();
        notes.push(format!("what it reports is so: {}", fields.join(", ")));
    }
    notes.extend(ends(step, since, in_memory));
    if let Some(clause) = &step.clause {
        notes.push(format!("tests {}", clause.value));
    }
    notes
}

/// How a step ends a connection or a process.
fn ends(step: &Step, since: Option<&str>, in_memory: Option<Party>) -> Vec<String> {
    let mut notes = Vec::new();
    if step.shutdown.is_some() {
        let how = if in_memory.is_some() { "closes its ring" } else { "sends no more (FIN)" };
        notes.push(format!("then {how}, and goes on reading"));
    }
    if step.reset.is_some() {
        let how =
            if in_memory.is_some() { "its process is killed" } else { "breaks the connection off (RST)" };
        notes.push(format!("then {how}"));
    }
    if let Some(breaks) = &step.breaks {
        let what = match breaks.value {
            Breaks::WrittenBackwards => "its count of bytes written runs back to 0",
            Breaks::WrittenExcess => "its count of bytes written claims more than the ring holds",
            Breaks::ReadBackwards => "it reads no more, and its count of bytes read runs back to 0",
            Breaks::ReadExcess => {
                "it reads no more, and its count of bytes read claims more than was written"
            }
            Breaks::State => "the state is a number that is none",
        };
        notes.push(format!("then it breaks the segment: {what}"));
    }
    if let Some(closes) = &step.closes {
        let how = match (in_memory, closes.how) {
            (Some(Party::Host), _) => "finishes: both directions closed, state 3",
            (Some(_), _) => "asks the host to finish (state 2)",
            (None, CloseKind::Any) => "ends the connection by FIN or RST",
            (None, CloseKind::Fin) => "ends the connection by FIN",
            (None, CloseKind::Rst) => "ends the connection by RST",
        };
        let (not_before, within) = step.end_times();
        let when = times(not_before, within, since);
        let separator = if when.is_empty() { "" } else { ", " };
        notes.push(format!("{how}{separator}{when}"));
    }
    if let Some(exits) = &step.exits {
        let when = times(None, exits.within.as_ref().map(|time| time.value), since);
        let separator = if when.is_empty() { "" } else { ", " };
        let how = match (&exits.code, &exits.signal) {
            (Some(code), _) => format!(" with code {}", code.value),
            (None, Some(_)) => " by a signal".to_owned(),
            (None, None) => String::new(),
        };
        notes.push(format!("its process ends{how}{separator}{when}"));
    }
    notes
}

/// What a subject must have, each by itself.
pub(super) fn needs(needs: &Needs) -> Vec<String> {
    let mut all = Vec::new();
    let mut add = |what: &str, text: Option<String>| all.extend(text.map(|text| format!("{what} {text}")));
    add("versions", needs.versions.as_ref().map(|list| words(list.iter().map(|spot| &spot.value))));
    add("encryption", needs.encryption.as_ref().map(|list| words(list.iter().map(|spot| &spot.value))));
    add("features", needs.features.as_ref().map(|list| words(list.iter().map(|spot| &spot.value))));
    add("targets", needs.targets.as_ref().map(|list| words(list.iter().map(|spot| &spot.value))));
    add("settings", needs.settings.as_ref().map(|settings| self::settings(settings)));
    add("dialect", needs.dialect.as_ref().map(dialect));
    all
}

fn settings(settings: &Settings) -> String {
    let as_json = serde_json::to_value(settings).unwrap_or(Json::Null);
    let members = as_json.as_object().into_iter().flatten();
    members.map(|(name, value)| format!("{name} = {}", plain(value))).collect::<Vec<_>>().join(", ")
}

/// The knobs of a dialect that are set.
pub(super) fn dialect(dialect: &Dialect) -> String {
    let as_json = serde_json::to_value(dialect).unwrap_or(Json::Null);
    let members = as_json.as_object().into_iter().flatten();
    members.map(|(name, value)| format!("{name} = {}", plain(value))).collect::<Vec<_>>().join(", ")
}

/// JSON without quotes around its texts and brackets around its lists.
fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => clip(text),
        Json::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" and "),
        Json::Object(members) => members
            .iter()
            .map(|(name, value)| format!("{name}: {}", plain(value)))
            .collect::<Vec<_>>()
            .join(" and "),
        other => other.to_string(),
    }
}
