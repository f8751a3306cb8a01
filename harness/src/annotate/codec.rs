//! Codec cases: the value, the bytes, and what must come of each.

use super::bytes::Reader;
use super::names::word;
use super::{Annotated, Block, Entry};
use crate::format::Formats;
use crate::hex_text::amount;
use crate::vectors::CodecCase;
use crate::vectors::codec::{CodecCheck, DecodeExpectation, EncodeExpectation};
use crate::verdict::clip;

/// A codec case, laid out.
pub fn codec_case(case: &CodecCase, formats: &Formats) -> Annotated {
    let mut facts = vec![
        ("file", super::conversation::place(&case.source, case.entry.id.span)),
        ("roles", "codec".to_owned()),
        ("tier", case.tier.name().to_owned()),
        ("type", case.type_name.clone()),
    ];
    let settings = &case.settings;
    for (name, value) in [("key", &settings.key), ("iv", &settings.iv), ("padding", &settings.padding)] {
        facts.extend(value.as_ref().map(|value| (name, value.clone())));
    }
    let reader = Reader { formats, encryption: None };
    let entries = case.checks.iter().enumerate();
    let entries = entries.map(|(place, check)| entry(case, &reader, place + 1, check)).collect();
    Annotated { name: case.name.clone(), title: case.title(), facts, clauses: case.clauses.clone(), entries }
}

fn entry(case: &CodecCase, reader: &Reader<'_>, number: usize, check: &CodecCheck) -> Entry {
    let block = |bytes: &[u8]| {
        let rows = reader.by_type(&case.type_name, bytes, case.secrets.as_ref());
        Block::new(format!("{}, {}", case.type_name, amount(bytes.len())), rows)
    };
    let (head, notes, blocks) = match check {
        CodecCheck::Encode { value, expected } => {
            let mut notes = vec![format!("the value {}", clip(&value.to_string()))];
            match expected {
                EncodeExpectation::Bytes(bytes) => {
                    notes.push("becomes these bytes".to_owned());
                    ("encode", notes, vec![block(bytes)])
                }
                EncodeExpectation::Failure(kind) => {
                    notes.push(format!("fails as {}", word(kind)));
                    ("encode", notes, Vec::new())
                }
            }
        }
        CodecCheck::Decode { bytes, expected } => ("decode", vec![decoded(expected)], vec![block(bytes)]),
    };
    Entry { depth: 0, number: number.to_string(), head: head.to_owned(), notes, blocks }
}

/// What must come of bytes.
fn decoded(expected: &DecodeExpectation) -> String {
    match expected {
        DecodeExpectation::Value { value, rest: 0 } => {
            format!("these bytes give {}", clip(&value.to_string()))
        }
        DecodeExpectation::Value { value, rest } => {
            format!("these bytes give {}, and {} are left over", clip(&value.to_string()), amount(*rest))
        }
        DecodeExpectation::Malformed { at, or_later, or_crypto } => {
            let later = if *or_later { " or later" } else { "" };
            let crypto = if *or_crypto { ", or do not decrypt" } else { "" };
            format!("these bytes are malformed at offset {at}{later}{crypto}")
        }
        DecodeExpectation::Failure(kind) => format!("these bytes fail as {}", word(kind)),
    }
}
