//! Faults of an agent with several clients: who hears a host, and who may be in a session (RTE-4, SES-4).

use super::products::{comes_from_host, is_opened, is_product, session};
use crate::faults::fault::{CORRECT, Fault};
use crate::faults::relay::{Cut, Wire};
use crate::faults::talk::{Facts, Message, number};
use crate::protocol::Command;

/// The unsolicited message of the probe product, which answers no token.
const LATER: i32 = 200;

/// The most messages that are kept for somebody.
const MOST_KEPT: usize = 3;

/// A command that no agent knows.
const UNKNOWN: i32 = 77;

/// How many clients a session has, among those that were bound to it.
fn clients(facts: &Facts) -> String {
    format!("clients of {}", session(facts))
}

/// Whether a message is the answer by which a conversation was bound to a session.
fn binds(message: &Message, facts: &Facts) -> bool {
    is_opened(message, facts) && facts.bound.is_some()
}

/// Ends a conversation that somebody else has taken the place of.
fn leave_to_others(facts: &Facts, wire: &mut Wire) -> bool {
    let latest = facts.around.counts().get(&clients(facts)).copied();
    let is_out = facts.bound.is_some() && latest.is_some_and(|latest| latest != facts.number);
    if is_out {
        wire.cut = Some(Cut::Close);
    }
    is_out
}

/// The client ends its side, as with a correct agent.
fn pass_end(rest: &[u8], wire: &mut Wire) {
    wire.to_agent.extend_from_slice(rest);
    wire.finish_agent = true;
}

pub(super) const FAULTS: &[Fault] = &[
    // ------------------------------------------------------------------ who hears a host
    Fault {
        name: "answers-go-to-who-asked",
        request: Some(|message, facts, wire| {
            if is_product(&message, facts) {
                facts.numbers.push(number(&message.data, 0));
            }
            wire.ask(&message);
        }),
        response: Some(|message, facts, wire| {
            let is_own = facts.numbers.contains(&number(&message.data, 0)) || message.command == LATER;
            if is_own || !comes_from_host(&message, facts) {
                wire.tell(&message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "only-the-latest-client-hears",
        response: Some(|message, facts, wire| {
            if binds(&message, facts) {
                facts.around.counts().insert(clients(facts), facts.number);
            }
            let latest = facts.around.counts().get(&clients(facts)).copied();
            if facts.is_v1 || is_opened(&message, facts) || latest == Some(facts.number) {
                wire.tell(&message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "version-1-clients-hear-from-their-handshake",
        acknowledgement: Some(|_, facts, wire| {
            if facts.is_v1_hello() {
                // What makes a client of a connection is its first message.
                wire.ask(&Message { target: Some(0), command: UNKNOWN, data: Vec::new() });
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "clients-of-other-sessions-hear",
        response: Some(|message, facts, wire| {
            let own = format!("for {}", session(facts));
            let mut missed = facts.around.missed();
            if binds(&message, facts) {
                missed.entry(own).or_default();
            } else if facts.bound.is_some() {
                let others = missed.iter_mut().filter(|(name, _)| name.starts_with("for ") && **name != own);
                others
                    .filter(|(_, kept)| kept.len() < MOST_KEPT)
                    .for_each(|(_, kept)| kept.push(message.clone()));
                for foreign in missed.get_mut(&own).map(std::mem::take).unwrap_or_default() {
                    wire.tell(&foreign);
                }
            }
            drop(missed);
            wire.tell(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "later-clients-hear-what-was-said-before",
        response: Some(|message, facts, wire| {
            let name = format!("said in {}", session(facts));
            if binds(&message, facts) {
                wire.tell(&message);
                let said = facts.around.missed().get(&name).cloned().unwrap_or_default();
                return said.iter().for_each(|said| wire.tell(said));
            }
            if facts.bound.is_some() {
                facts.around.missed().insert(name, vec![message.clone()]);
            }
            wire.tell(&message);
        }),
        ..CORRECT
    },
    // ------------------------------------------------------------------ who may be in a session
    Fault {
        name: "a-second-client-takes-the-place-of-the-first",
        request: Some(|message, facts, wire| {
            if !leave_to_others(facts, wire) {
                wire.ask(&message);
            }
        }),
        response: Some(|message, facts, wire| {
            if binds(&message, facts) {
                facts.around.counts().insert(clients(facts), facts.number);
            }
            if !leave_to_others(facts, wire) {
                wire.tell(&message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "a-session-has-sixteen-clients",
        response: Some(|message, facts, wire| {
            if binds(&message, facts) && facts.around.count(&clients(facts)) >= 16 {
                wire.cut = Some(Cut::Close);
            }
            wire.tell(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "later-clients-only-listen",
        request: Some(|message, facts, wire| {
            if facts.count == 0 || !is_product(&message, facts) {
                wire.ask(&message);
            }
        }),
        response: Some(|message, facts, wire| {
            if binds(&message, facts) {
                let is_later = facts.around.count(&clients(facts)) > 0;
                facts.count = usize::from(is_later);
            }
            wire.tell(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "a-session-ends-with-the-first-client-to-leave",
        response: Some(|message, facts, wire| {
            if binds(&message, facts) {
                facts.around.count(&clients(facts));
            }
            wire.tell(&message);
        }),
        client_ended: Some(|rest, facts, wire| {
            let others = facts.bound.is_some() && {
                let mut counts = facts.around.counts();
                let count = counts.entry(clients(facts)).or_default();
                *count = count.saturating_sub(1);
                *count > 0
            };
            if others {
                // The probe product ends at once: a token and an exit code.
                wire.ask(&Message::new(Command(106), [0; 8]));
                wire.finish_agent = true;
            } else {
                pass_end(rest, wire);
            }
        }),
        ..CORRECT
    },
];
