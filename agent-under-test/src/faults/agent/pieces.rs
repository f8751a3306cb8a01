//! Faults of an agent that handles text and contents piece by piece, and of one that takes UTC for local time.

use super::meta::{is_update, otherwise_prefixed, with_files, with_update};
use super::products::is_product;
use crate::faults::chunks;
use crate::faults::fault::{CORRECT, Fault};
use crate::protocol::Ticks;

/// Where a text begins in some bytes.
fn place_of(text: &str, bytes: &[u8]) -> Option<usize> {
    bytes.windows(text.len().max(1)).position(|window| window == text.as_bytes())
}

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "root-paths-encoded-in-pieces",
        response: Some(|message, _, wire| otherwise_prefixed(message, wire, chunks::encoded_in_pieces)),
        ..CORRECT
    },
    Fault {
        name: "names-encoded-in-pieces",
        request: Some(|message, facts, wire| {
            with_files(message, facts, wire, |file| file.name = chunks::encoded_in_pieces(&file.name).into());
        }),
        ..CORRECT
    },
    Fault {
        name: "names-decoded-in-pieces",
        request: Some(|message, facts, wire| {
            let bytes = if is_update(&message, facts) { message.data.clone() } else { Vec::new() };
            with_update(message, facts, wire, |update| {
                for file in update.assemblies.iter_mut().chain(&mut update.extensions) {
                    if let Some(place) = place_of(&file.name, &bytes) {
                        file.name = chunks::decoded_in_pieces(&file.name, place).into();
                    }
                }
            });
        }),
        ..CORRECT
    },
    Fault {
        name: "contents-with-pieces-swapped",
        request: Some(|message, facts, wire| {
            with_files(message, facts, wire, |file| chunks::swap(file.contents.to_mut()));
        }),
        ..CORRECT
    },
    Fault {
        name: "contents-with-a-piece-doubled",
        request: Some(|message, facts, wire| {
            with_files(message, facts, wire, |file| chunks::double(file.contents.to_mut()));
        }),
        ..CORRECT
    },
    Fault {
        name: "contents-with-a-piece-lost",
        request: Some(|message, facts, wire| {
            with_files(message, facts, wire, |file| chunks::lose(file.contents.to_mut()));
        }),
        ..CORRECT
    },
    Fault {
        name: "times-of-files-through-local-time",
        request: Some(|message, facts, wire| {
            with_files(message, facts, wire, |file| {
                let local = file.modified.get().saturating_sub(chunks::local_ticks());
                if let Ok(local) = Ticks::new(local) {
                    file.modified = local;
                }
            });
        }),
        ..CORRECT
    },
    Fault {
        name: "product-data-with-pieces-swapped",
        request: Some(|mut message, facts, wire| {
            if is_product(&message, facts) {
                chunks::swap(&mut message.data);
            }
            wire.ask(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "answers-of-hosts-with-a-piece-doubled",
        response: Some(|mut message, facts, wire| {
            if facts.is_v1 || facts.bound.is_some() {
                chunks::double(&mut message.data);
            }
            wire.tell(&message);
        }),
        ..CORRECT
    },
];
