//! Faults of long lives: very many messages, idle connections, clients that do not read, hosts that do not answer.

use std::time::Duration;

use super::products::{comes_from_host, is_opened, is_product, opens, session};
use crate::faults::fault::{CORRECT, Fault};
use crate::faults::relay::{Cut, Wire};
use crate::faults::talk::{Facts, Message};

/// After so long an idle connection is cut off.
const IDLE: Duration = Duration::from_secs(45);

/// The most messages that a counter of 16 bits counts.
const MOST_MESSAGES: usize = 65_535;

/// The command by which the probe product reads nothing for a while, and answers then.
const STALL: i32 = 108;

/// Bytes that are kept of each message.
const KEPT: usize = 2 << 10;

/// What is counted while a host stalls.
const STALLED: &str = "stalled";

/// Whether the host of another conversation stalls.
fn is_held_up(facts: &Facts) -> bool {
    facts.count == 0 && facts.around.counts().get(STALLED).is_some_and(|stalled| *stalled > 0)
}

/// Counts a host that begins to stall, on a conversation that knows of it then.
fn note_stall(message: &Message, facts: &mut Facts) {
    if message.command == STALL && is_product(message, facts) {
        facts.around.count(STALLED);
        facts.count = 1;
    }
}

/// A host that has stalled answers.
fn note_answer(message: &Message, facts: &mut Facts) {
    if message.command == STALL
        && let Some(stalled) = facts.around.counts().get_mut(STALLED)
    {
        *stalled = stalled.saturating_sub(1);
    }
}

/// Passes a message on with those that were held up before it, unless it is to be held up.
fn ask_unless(is_held: bool, message: Message, facts: &mut Facts, wire: &mut Wire) {
    if is_held {
        return facts.kept.push(message);
    }
    for kept in std::mem::take(&mut facts.kept) {
        wire.ask(&kept);
    }
    note_stall(&message, facts);
    wire.ask(&message);
}

/// A fault by which what a rule names waits while the host of another conversation stalls.
macro_rules! held_up {
    ($name:literal, $rule:expr) => {
        Fault {
            name: $name,
            request: Some(|message, facts, wire| {
                let rule: fn(&Message, &Facts) -> bool = $rule;
                let is_held = is_held_up(facts) && rule(&message, facts);
                ask_unless(is_held, message, facts, wire);
            }),
            response: Some(|message, facts, wire| {
                note_answer(&message, facts);
                wire.tell(&message);
            }),
            ..CORRECT
        }
    };
}

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "a-connection-carries-65535-messages",
        request: Some(|message, facts, wire| {
            facts.count += 1;
            if facts.count > MOST_MESSAGES {
                wire.cut = Some(Cut::Close);
            } else {
                wire.ask(&message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "messages-are-kept-for-ever",
        request: Some(|message, _, wire| {
            // The journal of a connection, say.
            std::mem::forget(vec![1_u8; KEPT]);
            wire.ask(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "idle-connections-are-cut-off",
        deadline: Some(|facts, heard| facts.acknowledged.then_some(heard + IDLE)),
        ..CORRECT
    },
    Fault { name: "short-writes-lose-the-rest", begin: Some(|_, wire| wire.loses_rest = true), ..CORRECT },
    Fault {
        name: "empty-messages-for-hosts-dropped",
        request: Some(|message, facts, wire| {
            if !(message.data.is_empty() && is_product(&message, facts)) {
                wire.ask(&message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "empty-messages-of-hosts-dropped",
        response: Some(|message, facts, wire| {
            if !(message.data.is_empty() && comes_from_host(&message, facts)) {
                wire.tell(&message);
            }
        }),
        ..CORRECT
    },
    // ------------------------------------------------------------------ who holds up whom
    held_up!("a-stalled-host-holds-up-other-hosts", |message, facts| is_product(message, facts)),
    held_up!("a-stalled-host-holds-up-new-sessions", |message, facts| opens(message, facts)),
    held_up!("a-stalled-host-holds-up-the-agent", |message, facts| {
        facts.is_meta(message) && !opens(message, facts)
    }),
    Fault {
        name: "nothing-is-read-while-something-is-written",
        begin: Some(|_, wire| wire.one_way = true),
        ..CORRECT
    },
    Fault {
        name: "a-client-that-breaks-off-takes-the-others-along",
        request: Some(|message, facts, wire| {
            if facts.around.counts().contains_key(&format!("broken {}", session(facts))) {
                wire.cut = Some(Cut::Close);
            } else {
                wire.ask(&message);
            }
        }),
        response: Some(|message, facts, wire| {
            let is_broken = facts.around.counts().contains_key(&format!("broken {}", session(facts)));
            if is_broken && facts.bound.is_some() && !is_opened(&message, facts) {
                wire.cut = Some(Cut::Close);
            } else {
                wire.tell(&message);
            }
        }),
        client_broke: Some(|facts| {
            if facts.bound.is_some() {
                facts.around.count(&format!("broken {}", session(facts)));
            }
        }),
        ..CORRECT
    },
];
