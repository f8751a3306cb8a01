//! Faults of the order of messages on one connection (ORD-4, ORD-5).

use super::meta::{is_root_path, is_update};
use crate::faults::fault::{CORRECT, Fault};
use crate::faults::relay::Wire;
use crate::faults::talk::{Facts, Message};
use crate::protocol::Command;

/// Data from which on a message is written piece by piece.
const LARGE: usize = 32 << 10;

/// Writes one message into another, at this place of it.
fn interleave(outer: &Message, inner: &Message, place: usize, wire: &mut Wire) {
    let frame = outer.frame();
    let (head, tail) = frame.split_at(place.min(frame.len()));
    for part in [head, &inner.frame(), tail] {
        wire.to_client.extend_from_slice(part);
    }
}

/// Passes a request on, and behind it what was kept.
fn ask_with_kept(message: &Message, facts: &mut Facts, wire: &mut Wire) {
    wire.ask(message);
    for kept in std::mem::take(&mut facts.kept) {
        wire.ask(&kept);
    }
}

pub(super) const FAULTS: &[Fault] = &[
    // ------------------------------------------------------------------ frames that interleave
    Fault {
        name: "large-messages-interleave",
        response: Some(|message, facts, wire| match facts.kept.pop() {
            Some(large) => interleave(&large, &message, large.data.len() / 2, wire),
            // Written piece by piece, so that the next message comes in between.
            None if message.data.len() > LARGE => facts.kept.push(message),
            None => wire.tell(&message),
        }),
        ..CORRECT
    },
    Fault {
        name: "the-end-of-a-message-comes-after-the-next",
        response: Some(|message, facts, wire| match facts.kept.pop() {
            Some(large) => interleave(&large, &message, large.data.len() + 7, wire),
            None if message.data.len() > LARGE => facts.kept.push(message),
            None => wire.tell(&message),
        }),
        ..CORRECT
    },
    Fault {
        name: "answers-of-the-agent-interleave-with-those-of-hosts",
        response: Some(|message, facts, wire| {
            let is_meta = message.command == Command::GET_ROOT_PATH.0;
            match facts.kept.pop() {
                Some(kept) if is_meta => interleave(&kept, &message, kept.data.len() / 2, wire),
                Some(kept) => interleave(&message, &kept, message.data.len() / 2, wire),
                // Whichever of the two comes first waits for the other.
                None if facts.count == 0 && facts.is_v1 && (is_meta || message.data.len() > LARGE) => {
                    facts.count = 1;
                    facts.kept.push(message);
                }
                None => wire.tell(&message),
            }
        }),
        ..CORRECT
    },
    // ------------------------------------------------------------------ what follows an update
    Fault {
        name: "updates-confirmed-after-the-next-answer",
        request: Some(|message, facts, wire| {
            facts.count += usize::from(is_update(&message, facts));
            wire.ask(&message);
        }),
        response: Some(|message, facts, wire| {
            wire.tell(&message);
            for _ in 0..std::mem::take(&mut facts.count) {
                wire.tell(&Message::new(Command::UPDATE_AGENT, []));
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "the-answer-after-an-update-is-of-its-product",
        request: Some(|mut message, facts, wire| {
            if is_update(&message, facts) {
                facts.numbers = message.data.first().map(|product| i32::from(*product)).into_iter().collect();
            } else if is_root_path(&message, facts)
                && let Some(product) = facts.numbers.pop().and_then(|product| u8::try_from(product).ok())
                && let Some(asked) = message.data.first_mut()
            {
                *asked = product;
            }
            wire.ask(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "answers-after-an-update-swapped",
        request: Some(|message, facts, wire| {
            if is_update(&message, facts) {
                facts.count = 1;
            }
            if facts.count == 1 && facts.more && is_root_path(&message, facts) {
                facts.count = 0;
                facts.kept.push(message);
            } else {
                ask_with_kept(&message, facts, wire);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "the-request-after-an-update-is-lost",
        request: Some(|message, facts, wire| {
            let is_next = std::mem::take(&mut facts.count) == 1;
            facts.count = usize::from(is_update(&message, facts) && facts.more);
            if !is_next {
                wire.ask(&message);
            }
        }),
        ..CORRECT
    },
];
