//! What clients do wrong about the order of messages (ORD-4, ORD-5).

use crate::faults::fault::{CORRECT, Fault};
use crate::protocol::Command;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "client-short-writes-lose-the-rest",
        begin: Some(|_, wire| wire.loses_rest = true),
        ..CORRECT
    },
    Fault {
        name: "client-answer-after-an-update-lost",
        request: Some(|message, facts, wire| {
            facts.count += usize::from(message.command == Command::UPDATE_AGENT.0);
            wire.ask(&message);
        }),
        response: Some(|message, facts, wire| {
            if facts.count > 0 {
                // It is taken for the answer to the update.
                facts.count -= 1;
            } else {
                wire.tell(&message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-requests-interleave",
        request: Some(|message, facts, wire| {
            if facts.more && facts.kept.is_empty() {
                facts.kept.push(message);
            } else if let Some(kept) = facts.kept.pop() {
                let (first, second) = (kept.frame(), message.frame());
                let (head, tail) = first.split_at(first.len() - 1);
                for part in [head, &second, tail] {
                    wire.to_agent.extend_from_slice(part);
                }
            } else {
                wire.ask(&message);
            }
        }),
        ..CORRECT
    },
];
