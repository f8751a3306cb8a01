//! Faults of agents that trust their hosts: those that never come to serve, and those that harm their agent.
//!
//! What a hostile host does follows a request for it by command 900, which passes here; so each of these does what an agent
//! does that is not ready for it.

use std::thread;
use std::time::Duration;

use iaspec_shm::{Error, Receiver, Wait};

use crate::faults::fault::{CORRECT, Fault, die};
use crate::faults::relay::{Cut, Wire};
use crate::faults::talk::{Facts, Message, number};
use crate::protocol::Command;

/// The request for harm: token, then the number of what.
const HARM: i32 = 900;

/// The name under which a session that came to harm is counted.
const HARMED: &str = "harmed";

/// The product whose hosts fail at their start.
const FAILING: u8 = 2;

/// The harm that a message asks for.
fn harm(message: &Message) -> Option<i32> {
    (message.command == HARM).then(|| number(&message.data, 4))
}

/// Passes a request on, and takes note of the harm that it asks for.
fn noted(message: Message, facts: &mut Facts, wire: &mut Wire) {
    facts.numbers.extend(harm(&message));
    wire.ask(&message);
}

/// The harm that this conversation has asked for last.
fn asked(facts: &Facts) -> Option<i32> {
    facts.numbers.last().copied()
}

/// The end of the agent's side, with what is sent before it where there is any.
fn end_with(words: &[u8], wire: &mut Wire) {
    wire.to_client.extend_from_slice(words);
    wire.finish_client = true;
}

/// Whether an answer says that Open Session could not be served.
fn is_unserved(message: &Message, facts: &Facts) -> bool {
    let is_answer = !facts.is_v1 && message.command == Command::OPEN_SESSION.0;
    is_answer && number(&message.data, 0) == 0 && facts.count > 0
}

/// Counts the requests for a product whose hosts fail.
fn counted(message: Message, facts: &mut Facts, wire: &mut Wire) {
    let opens = !facts.is_v1 && facts.is_meta(&message) && message.command == Command::OPEN_SESSION.0;
    let product = if facts.is_v1 { message.target } else { message.data.first().copied().filter(|_| opens) };
    facts.count += usize::from(product == Some(FAILING));
    wire.ask(&message);
}

/// Whether the hosts of this agent are of some conduct.
fn is_probe(conduct: &str, facts: &Facts) -> bool {
    let program = facts.around.settings.product_host.as_ref();
    let file = program.map(|program| program.with_file_name("iaspec-probe-conduct"));
    file.and_then(|file| std::fs::read_to_string(file).ok()).is_some_and(|found| found == conduct)
}

/// Looks at a ring every 50 ms, and leaves its bell alone.
fn now_and_then(receiver: &mut Receiver, buffer: &mut [u8], _: &Wait) -> Result<usize, Error> {
    loop {
        match receiver.read(buffer, &Wait::at_most(Duration::ZERO).spin(Duration::ZERO)) {
            Err(Error::Deadline) => thread::sleep(Duration::from_millis(50)),
            read => return read,
        }
    }
}

/// As much memory as a length of 2 GiB would have an agent take, cut short so that the machine survives it.
fn take_memory() {
    std::mem::forget(vec![0xa5_u8; 512 << 20]);
}

pub(super) const FAULTS: &[Fault] = &[
    // ------------------------------------------------------------------ hosts that never come to serve
    Fault {
        name: "failed-hosts-leave-open-session-unanswered",
        request: Some(counted),
        response: Some(|message, facts, wire| {
            if !is_unserved(&message, facts) {
                wire.tell(&message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "failed-hosts-get-a-session-all-the-same",
        request: Some(counted),
        response: Some(|mut message, facts, wire| {
            if is_unserved(&message, facts) {
                message.data[..4].copy_from_slice(&77_i32.to_le_bytes());
            }
            wire.tell(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "failed-hosts-end-the-connection",
        request: Some(counted),
        response: Some(|message, facts, wire| {
            if is_unserved(&message, facts) {
                wire.cut = Some(Cut::Close);
            } else {
                wire.tell(&message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "failed-hosts-are-not-told-to-v1-clients",
        request: Some(counted),
        agent_ended: Some(|facts, wire| wire.finish_client = facts.count == 0),
        ..CORRECT
    },
    Fault {
        name: "failed-hosts-take-the-agent-along",
        request: Some(counted),
        response: Some(|message, facts, wire| {
            if is_unserved(&message, facts) {
                die();
            }
            wire.tell(&message);
        }),
        ..CORRECT
    },
    // ------------------------------------------------------------------ hosts that harm their agent
    Fault {
        name: "hostile-hosts-take-the-agent-along",
        request: Some(noted),
        agent_ended: Some(|facts, wire| {
            if asked(facts).is_some() {
                die();
            }
            wire.finish_client = true;
        }),
        ..CORRECT
    },
    Fault {
        name: "hostile-hosts-end-all-sessions",
        request: Some(noted),
        agent_ended: Some(|facts, wire| {
            if asked(facts).is_some() {
                facts.around.count(HARMED);
            }
            wire.finish_client = true;
        }),
        response: Some(|message, facts, wire| {
            let harmed = facts.around.counts().contains_key(HARMED);
            if harmed && facts.bound.is_some() && message.command != Command::OPEN_SESSION.0 {
                wire.cut = Some(Cut::Close);
            } else {
                wire.tell(&message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "broken-counts-are-logged-and-clients-wait",
        request: Some(noted),
        agent_ended: Some(|facts, wire| {
            wire.finish_client = !matches!(asked(facts), Some(5..=8));
        }),
        ..CORRECT
    },
    Fault {
        name: "closed-rings-of-living-hosts-are-passed-over",
        request: Some(noted),
        agent_ended: Some(|facts, wire| {
            wire.finish_client = !matches!(asked(facts), Some(9..=10));
        }),
        ..CORRECT
    },
    Fault {
        name: "lengths-of-hosts-are-believed",
        request: Some(|message, facts, wire| {
            if harm(&message) == Some(3) {
                take_memory();
            }
            noted(message, facts, wire);
        }),
        ..CORRECT
    },
    Fault {
        name: "lengths-of-hosts-are-passed-on",
        request: Some(noted),
        agent_ended: Some(|facts, wire| {
            let length = match asked(facts) {
                Some(1) => -1,
                Some(2) => i32::MIN,
                Some(3) => i32::MAX,
                _ => return end_with(&[], wire),
            };
            end_with(&[length.to_le_bytes(), 101_i32.to_le_bytes()].concat(), wire);
        }),
        ..CORRECT
    },
    Fault {
        name: "parts-of-messages-are-passed-on",
        request: Some(noted),
        agent_ended: Some(|facts, wire| {
            let part = [&100_i32.to_le_bytes()[..], &101_i32.to_le_bytes(), &[0x5a; 10]].concat();
            end_with(if asked(facts) == Some(12) { &part } else { &[] }, wire);
        }),
        ..CORRECT
    },
    Fault {
        name: "counts-that-run-backwards-repeat-messages",
        request: Some(noted),
        response: Some(|message, facts, wire| {
            facts.kept = vec![message.clone()];
            wire.tell(&message);
        }),
        agent_ended: Some(|facts, wire| {
            let again = facts.kept.pop().filter(|_| asked(facts) == Some(5));
            end_with(&again.map(|message| message.frame()).unwrap_or_default(), wire);
        }),
        ..CORRECT
    },
    Fault {
        name: "counts-beyond-the-ring-are-believed",
        request: Some(noted),
        agent_ended: Some(|facts, wire| {
            // What lies in the ring from before, taken for a message without data.
            let stale = if asked(facts) == Some(6) { &[0; 8][..] } else { &[] };
            end_with(stale, wire);
        }),
        ..CORRECT
    },
    Fault {
        name: "stopped-hosts-hold-up-all",
        request: Some(|message, facts, wire| {
            if harm(&message) == Some(11) {
                facts.around.counts().insert(HARMED.to_owned(), facts.number);
            }
            noted(message, facts, wire);
        }),
        response: Some(|message, facts, wire| {
            // The one thread that reads from hosts waits for the one that stands still.
            let harmed = facts.around.counts().get(HARMED).copied();
            if harmed.is_none_or(|number| number == facts.number) || facts.bound.is_none() {
                wire.tell(&message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "silent-hosts-are-never-looked-at",
        response: Some(|message, facts, wire| {
            // Without a bell the thread that reads from the host sleeps on.
            let is_silent = is_probe("never_rings", facts);
            if !is_silent || facts.bound.is_none() || message.command == Command::OPEN_SESSION.0 {
                wire.tell(&message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "sleeping-hosts-are-not-woken",
        request: Some(|message, facts, wire| {
            // What is published for a host that sleeps is found when that looks by itself.
            if facts.bound.is_none() || !is_probe("sleeps_deeply", facts) {
                wire.ask(&message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "hosts-are-looked-at-now-and-then",
        seams: Some(|seams| seams.listen = now_and_then),
        ..CORRECT
    },
];
