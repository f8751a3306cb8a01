//! Matchers where nothing is checked, and those that do not say what they are when played.

use super::super::data::{FieldsPart, TlsFault, WireItem};
use super::super::entry::Party;
use super::super::step::{Kind, Part, Step, walk};
use super::super::value::{Symbol, Value};
use super::super::{Mistake, TranscriptCase};
use crate::yaml::{Span, Spot};

/// What is wrong with the symbols of a case.
pub(super) fn mistakes(case: &TranscriptCase) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    walk(case.steps(), &mut |step| of_step(step, &case.roles, &mut mistakes));
    mistakes
}

/// Calls a function for each symbol in what a party sends.
pub(super) fn of_bytes<'a>(step: &'a Step, found: &mut dyn FnMut(Span, &'a Symbol)) {
    step.bytes.iter().for_each(|data| data.symbols(found));
    step.frames.iter().flat_map(|frames| &frames.value).for_each(|frame| frame.symbols(found));
    for item in step.wire.iter().flat_map(|wire| &wire.0) {
        match &item.value {
            WireItem::Tamper(tamper) => tamper.frame.symbols(found),
            WireItem::Tls(TlsFault::Plaintext(frames)) => {
                frames.iter().for_each(|frame| frame.symbols(found))
            }
            WireItem::Hex(_) | WireItem::Tls(_) => {}
        }
    }
}

/// Calls a function for each symbol in what a result must be.
pub(super) fn of_result<'a>(step: &'a Step, found: &mut dyn FnMut(Span, &'a Symbol)) {
    if let Some(expected) = &step.is {
        expected.values().for_each(|(_, value)| value.symbols(found));
        expected.data.iter().for_each(|data| data.symbols(found));
    }
}

fn of_step(step: &Step, roles: &[Party], mistakes: &mut Vec<Mistake>) {
    let mut all = Vec::new();
    of_bytes(step, &mut |span, symbol| all.push((span, symbol)));
    if let Some(Kind::Actor(party, _)) = step.kind() {
        let any = |part| roles.iter().any(|role| step.part(*role) == part);
        let (checked, played) = (any(Part::Checks), any(Part::Plays));
        for (span, symbol) in &all {
            if symbol.is_matcher() && !checked && played {
                let message = format!(
                    "`{}` matches what comes, but what the {party} sends here is never checked: write the value itself",
                    symbol.name()
                );
                mistakes.push((*span, message));
            } else if played && lacks_played_value(symbol) {
                let message = format!(
                    "`{0}` does not say what it is when the {party} is played: add `play: VALUE`, or test the {party} alone \
                     with `roles: [{party}]`",
                    symbol.name()
                );
                mistakes.push((*span, message));
            }
        }
    }
    of_result(step, &mut |span, symbol| all.push((span, symbol)));
    all.iter().for_each(|(span, symbol)| of_itself(*span, symbol, mistakes));
    given_values(step, mistakes);
}

fn lacks_played_value(symbol: &Symbol) -> bool {
    matches!(symbol, Symbol::Any { play: None } | Symbol::Bind { play: None, is: None, .. })
}

/// A symbol that contradicts itself.
fn of_itself(span: Span, symbol: &Symbol, mistakes: &mut Vec<Mistake>) {
    match symbol {
        Symbol::Range { from, to } if from.text != to.text => {
            mistakes
                .push((to.span, "both ends of a range are written alike, as numbers or as text".to_owned()));
        }
        Symbol::Range { from, to } if from.number > to.number => {
            mistakes.push((span, format!("the range from {} to {} is empty", from.number, to.number)));
        }
        Symbol::Any { play: Some(play) } | Symbol::Bind { play: Some(play), .. } => {
            play.symbols(&mut |span, inner| {
                if inner.is_matcher() {
                    mistakes.push((
                        span,
                        format!("what is played is a value, not the matcher `{}`", inner.name()),
                    ));
                }
            });
        }
        Symbol::OneOf(values) => values.iter().for_each(|value| {
            value.symbols(&mut |span, inner| {
                if inner.is_matcher() {
                    mistakes
                        .push((span, format!("`one_of` lists values, not the matcher `{}`", inner.name())));
                }
            });
        }),
        _ => {}
    }
}

/// Places where a value is given, never checked.
fn given_values(step: &Step, mistakes: &mut Vec<Mistake>) {
    let mut given = |value: &Spot<Value>, what: &str| {
        value.symbols(&mut |span, symbol| {
            if symbol.is_matcher() {
                mistakes.push((span, format!("{what} is a value, not the matcher `{}`", symbol.name())));
            }
        });
    };
    if let Some(op) = &step.does {
        op.values().into_iter().for_each(|value| given(value, "what a subject is told"));
    }
    if let Some(process) = &step.process {
        given(&process.pid, "a `pid`");
        process.group_of.iter().for_each(|value| given(value, "a `group_of`"));
    }
    step.reported.iter().for_each(|reported| given(&reported.text, "a report"));
    for part in step.fields.iter().flat_map(|fields| &fields.0) {
        let mut no_symbol = |span: Span, symbol: &Symbol| {
            let message = format!(
                "`fields` says what the bytes beside it are; `{}` says it of no bytes",
                symbol.name()
            );
            mistakes.push((span, message));
        };
        match &part.value {
            FieldsPart::Item(item) => item.symbols(part.span, &mut no_symbol),
            FieldsPart::Frame(frame) => frame.symbols(&mut no_symbol),
        }
    }
}
