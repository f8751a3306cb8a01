//! The parts of steps that have a form of their own.

use super::super::Mistake;
use super::super::data::{Data, Frame, Item, Tamper, TlsFault, WireItem};
use super::super::op::{Connect, UpdateAgent};
use super::super::start::{Schedule, Start, WrongStart};
use super::super::step::Step;
use super::super::value::Symbol;
use super::super::world::{Files, Process, Subject};
use crate::yaml::{Span, Spot};

/// Bytes and messages that are none.
pub(super) fn bytes(step: &Step, mistakes: &mut Vec<Mistake>) {
    if let Some(data) = &step.bytes {
        if data.0.is_empty() {
            mistakes.push((data.span, "`bytes` are at least one item".to_owned()));
        }
        places(data, mistakes);
    }
    if let Some(list) = &step.frames {
        if list.is_empty() {
            mistakes.push((list.span, "`frames` are at least one message".to_owned()));
        }
        frames(list, mistakes);
    }
    for item in step.wire.iter().flat_map(|wire| &wire.0) {
        match &item.value {
            WireItem::Hex(_) => {}
            WireItem::Tamper(found) => tamper(found, item.span, mistakes),
            WireItem::Tls(TlsFault::Plaintext(list)) => frames(list, mistakes),
            WireItem::Tls(TlsFault::Certificate(_)) if step.agent.is_none() => {
                mistakes.push((item.span, "certificates are presented by the agent".to_owned()));
            }
            WireItem::Tls(fault) => {
                let is_alone = step.wire.as_ref().is_none_or(|wire| wire.0.len() == 1);
                tls_handshake(fault, item.span, is_alone, mistakes);
            }
        }
    }
}

fn tls_handshake(fault: &TlsFault, span: Span, is_alone: bool, mistakes: &mut Vec<Mistake>) {
    let TlsFault::Handshake(handshake) = fault else { return };
    if let Some(bytes) = handshake.bytes.as_ref().filter(|bytes| bytes.value == 0) {
        mistakes.push((bytes.span, "a write has at least one byte".to_owned()));
    }
    if handshake.pause.is_some() && handshake.bytes.is_none() {
        mistakes.push((span, "a `pause` is between two writes: say how many `bytes` one has".to_owned()));
    }
    if !is_alone {
        mistakes.push((span, "a TLS handshake is a step of its own".to_owned()));
    }
}

fn frames(list: &[Spot<Frame>], mistakes: &mut Vec<Mistake>) {
    for frame in list {
        if let Frame::Fields(fields) = &frame.value
            && let Some(data) = &fields.data
        {
            places(data, mistakes);
        }
    }
}

/// Symbols that take all bytes that are left, with more behind them.
pub(super) fn places(data: &Data, mistakes: &mut Vec<Mistake>) {
    for (at, item) in data.0.iter().enumerate() {
        let Item::Symbol(symbol) = &item.value else { continue };
        let last = at + 1 == data.0.len();
        let message = match symbol {
            Symbol::Any { .. } | Symbol::Bind { .. } if !last => {
                "without a type this takes all bytes that are left, so it must stand last; or give it a type, such as \
                 {int32: {any: {play: 7}}}"
            }
            _ => continue,
        };
        mistakes.push((item.span, message.to_owned()));
    }
}

fn tamper(tamper: &Tamper, span: Span, mistakes: &mut Vec<Mistake>) {
    let faults = [
        tamper.flip.is_some(),
        tamper.truncate.is_some(),
        tamper.set_length.is_some(),
        tamper.key.is_some(),
        tamper.pad.is_some(),
    ];
    if faults.into_iter().filter(|given| *given).count() != 1 {
        let message = "`tamper` takes exactly one of flip, truncate, set_length, key and pad";
        mistakes.push((span, message.to_owned()));
    }
    if let Some(flip) = tamper.flip.as_ref().filter(|flip| flip.bit > 7) {
        mistakes.push((flip.span, format!("a byte has bits 0 to 7; there is no bit {}", flip.bit)));
    }
    if let Some(key) = tamper.key.as_ref().filter(|key| !matches!(key.len(), 16 | 32)) {
        mistakes.push((key.span, format!("a key has 16 or 32 bytes, not {}", key.len())));
    }
    frames(std::slice::from_ref(&tamper.frame), mistakes);
}

/// What `connect` needs.
pub(super) fn connect(connect: &Connect, span: Span, mistakes: &mut Vec<Mistake>) {
    match (&connect.min, &connect.max, &connect.session) {
        (Some(_), Some(_), None) | (None, None, Some(_)) => {}
        (None, None, None) => {
            mistakes.push((span, "`connect` takes `min` and `max` (v2), or `session` (v1)".to_owned()));
        }
        (_, _, Some(session)) => {
            mistakes.push((
                session.span,
                "`session` is v1, `min` and `max` are v2: give one or the other".to_owned(),
            ));
        }
        (Some(given), None, None) | (None, Some(given), None) => {
            mistakes.push((given.span, "`min` and `max` go together".to_owned()));
        }
    }
    if let Some(key) = &connect.aes_key
        && key.value != "none"
        && crate::hex_text::decode(&key.value).is_err()
    {
        mistakes.push((key.span, "`aes_key` is hexadecimal, or `none`".to_owned()));
    }
}

/// The files of `update_agent`.
pub(super) fn update(update: &UpdateAgent, mistakes: &mut Vec<Mistake>) {
    for file in update.assemblies.iter().chain(&update.extensions) {
        ticks(&file.modified_ticks, mistakes);
    }
}

fn ticks(text: &Spot<String>, mistakes: &mut Vec<Mistake>) {
    if text.parse::<i64>().is_err() {
        mistakes.push((text.span, format!("`{}` is not a decimal number of ticks", text.value)));
    }
}

/// What a step about the subject needs.
pub(super) fn subject(subject: &Subject, span: Span, mistakes: &mut Vec<Mistake>) {
    let given = [
        subject.start.is_some(),
        subject.signal.is_some(),
        subject.restart.is_some(),
        subject.open_files.is_some(),
    ];
    if given.into_iter().filter(|given| *given).count() != 1 {
        mistakes
            .push((span, "`subject` takes exactly one of start, signal, restart and open_files".to_owned()));
    }
    if let (Some(refuses), None) = (&subject.refuses, &subject.start) {
        mistakes.push((refuses.span, "`refuses` is about a `start`".to_owned()));
    }
    if let (Some(mentions), None) = (&subject.mentions, &subject.refuses) {
        mistakes.push((
            mentions.span,
            "`mentions` is about the message of a subject that `refuses` to start".to_owned(),
        ));
    }
}

/// The files that must be there.
pub(super) fn files(files: &Files, mistakes: &mut Vec<Mistake>) {
    for (at, file) in files.are.iter().enumerate() {
        let path = &file.path;
        let parts: Vec<&str> = path.split('/').collect();
        let known = matches!(
            parts.as_slice(),
            ["meta" | "otter" | "buildmaster" | "hedgehog", "assemblies" | "extensions", name] if !name.is_empty()
        );
        if !known {
            let message =
                format!("`{}` is not PRODUCT/KIND/NAME, such as otter/assemblies/a.dll", path.value);
            mistakes.push((path.span, message));
        }
        if files.are[..at].iter().any(|earlier| earlier.path.value == path.value) {
            mistakes.push((path.span, format!("`{}` stands here twice", path.value)));
        }
        if let Some(time) = &file.modified_ticks {
            ticks(time, mistakes);
        }
    }
}

/// What is asked of a process: a thing that only one that is there can do.
pub(super) fn process(process: &Process, mistakes: &mut Vec<Mistake>) {
    if let (Some(reaped), false) = (&process.reaped, process.gone) {
        mistakes.push((reaped.span, "`reaped` is about a process that is `gone`".to_owned()));
    }
    let opens = process.opens.as_ref().map(|path| (path.span, "opens"));
    let group = process.group_of.as_ref().map(|value| (value.span, "group_of"));
    for (span, name) in [opens, group].into_iter().flatten().filter(|_| process.gone) {
        mistakes.push((span, format!("`{name}` is about a process that is there")));
    }
}

/// What a `start` can be.
pub(super) fn start(start: &Start, mistakes: &mut Vec<Mistake>) {
    if let Some(capacity) = &start.ring_capacity
        && !(capacity.is_power_of_two() && (64..=1 << 30).contains(&capacity.value))
    {
        let message = format!("{} is not a power of two from 64 to 2^30", capacity.value);
        mistakes.push((capacity.span, message));
    }
    let wrong = start.wrong.as_ref().map(|wrong| wrong.value);
    if let Some(value) = &start.value {
        let size = match wrong {
            Some(WrongStart::SegmentSize) => 4..=4,
            Some(wrong) => wrong.size().map_or(0..=0, |size| size..=size),
            None => 0..=0,
        };
        if !size.contains(&value.len()) {
            let message = match size.end() {
                0 => "`value` is that of a field that is `wrong`".to_owned(),
                size => format!("this field has {size} bytes, not {}", value.len()),
            };
            mistakes.push((value.span, message));
        }
    }
    if let Some(byte) = &start.byte
        && (start.value.is_some()
            || wrong.and_then(WrongStart::size).is_none_or(|size| byte.value as usize >= size))
    {
        mistakes.push((byte.span, "`byte` is one of a field that is `wrong`, without a `value`".to_owned()));
    }
    if let (Some(schedule), Some(_)) = (&start.schedule, wrong) {
        mistakes.push((schedule.span, "a host that must not attach has no `schedule`".to_owned()));
    }
    if let Some(schedule) = start.schedule.as_ref().filter(|schedule| schedule.value == Schedule::SeldomRung)
        && start.rings != Some(false)
    {
        mistakes.push((schedule.span, "an agent that never rings says `rings: false`".to_owned()));
    }
    let capacity =
        start.ring_capacity.as_ref().map_or(iaspec_shm::layout::DEFAULT_CAPACITY, |given| given.value);
    if let Some(waiting) = start.waiting.as_ref().filter(|waiting| waiting.len() > capacity as usize) {
        mistakes.push((waiting.span, "`waiting` does not fit into the ring".to_owned()));
    }
    if let (Some(options), false) = (&start.options, wrong == Some(WrongStart::Options)) {
        mistakes.push((options.span, "`options` stand beside `wrong: options`".to_owned()));
    }
}
