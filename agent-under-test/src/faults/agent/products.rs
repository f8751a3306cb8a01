//! Faults of what is forwarded: sessions, hosts, and the order of messages.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::thread;
use std::time::Duration;

use iaspec_shm::end_with_this_thread;
use rustix::io::{FdFlags, fcntl_setfd};

use crate::faults::fault::{CORRECT, Fault};
use crate::faults::relay::{Cut, Wire};
use crate::faults::talk::{Facts, Message, number};
use crate::protocol::Command;

/// What most faults do with messages that they have nothing to do with.
pub(super) fn is_product(message: &Message, facts: &Facts) -> bool {
    match message.target {
        Some(target) => (1..=3).contains(&target),
        None => !facts.is_v1 && !facts.is_meta(message),
    }
}

pub(super) fn opens(message: &Message, facts: &Facts) -> bool {
    !facts.is_v1 && facts.is_meta(message) && message.command == Command::OPEN_SESSION.0
}

pub(super) fn is_opened(message: &Message, facts: &Facts) -> bool {
    !facts.is_v1 && message.command == Command::OPEN_SESSION.0
}

/// Whether a message comes from a host.
pub(super) fn comes_from_host(message: &Message, facts: &Facts) -> bool {
    let is_meta = [Command::GET_ROOT_PATH.0, Command::OPEN_SESSION.0].contains(&message.command);
    !is_meta && (facts.is_v1 || facts.bound.is_some())
}

/// Replaces the session that Open Session asks for.
fn asks_for(message: &mut Message, session: i32) {
    if message.data.len() >= 5 {
        message.data[1..5].copy_from_slice(&session.to_le_bytes());
    }
}

/// A name for the session of a conversation.
pub(super) fn session(facts: &Facts) -> String {
    match facts.bound {
        Some((product, session)) => format!("session {product} {session}"),
        None => format!("v1 session {}", facts.second()),
    }
}

/// Adds what was kept behind a message that goes to the agent.
fn ask_with_kept(message: &Message, facts: &mut Facts, wire: &mut Wire) {
    wire.ask(message);
    for kept in std::mem::take(&mut facts.kept) {
        wire.ask(&kept);
    }
}

pub(super) const FAULTS: &[Fault] = &[
    // ------------------------------------------------------------------ opaque messages
    Fault {
        name: "unknown-product-commands-dropped",
        request: Some(|message, facts, wire| {
            if !is_product(&message, facts) || (101..=113).contains(&message.command) {
                wire.ask(&message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "product-commands-of-one-byte",
        request: Some(|mut message, facts, wire| {
            if is_product(&message, facts) {
                message.command &= 0xff;
            }
            wire.ask(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "product-data-taken-for-text",
        request: Some(|mut message, facts, wire| {
            if is_product(&message, facts) {
                message.data = String::from_utf8_lossy(&message.data).into_owned().into_bytes();
            }
            wire.ask(&message);
        }),
        ..CORRECT
    },
    // ------------------------------------------------------------------ routing
    Fault {
        name: "meta-messages-forwarded",
        request: Some(|mut message, facts, wire| {
            if facts.is_v1 && message.target == Some(0) {
                message.target = Some(1);
            }
            wire.ask(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "open-session-unanswered",
        response: Some(|message, facts, wire| {
            if !is_opened(&message, facts) {
                wire.tell(&message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "open-session-tells-no-session",
        response: Some(|mut message, facts, wire| {
            if is_opened(&message, facts) {
                message.data.fill(0);
            }
            wire.tell(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "open-session-for-any-type",
        request: Some(|mut message, facts, wire| {
            if opens(&message, facts)
                && let Some(kind @ (0 | 4..)) = message.data.first_mut()
            {
                *kind = 1;
            }
            wire.ask(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "messages-behind-open-session-lost",
        request: Some(|message, facts, wire| {
            if facts.is_v1 || facts.opening.is_empty() {
                wire.ask(&message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "configured-ring-ignored",
        settings: Some(|settings| settings.ring_capacity = 16 << 10),
        ..CORRECT
    },
    Fault {
        name: "only-the-first-client-hears",
        response: Some(|message, facts, wire| {
            let name = session(facts);
            let first = *facts.around.counts().entry(name).or_insert(facts.number);
            if facts.is_v1 || is_opened(&message, facts) || first == facts.number {
                wire.tell(&message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "no-more-answers-than-requests",
        request: Some(|message, facts, wire| {
            facts.count += 1;
            wire.ask(&message);
        }),
        response: Some(|message, facts, wire| {
            if facts.count > 0 {
                facts.count -= 1;
                wire.tell(&message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "answers-in-the-order-of-requests",
        request: Some(|message, facts, wire| {
            // Those that the probe answers later.
            if is_product(&message, facts) && (101..=102).contains(&message.command) {
                facts.numbers.push(number(&message.data, 0));
            }
            wire.ask(&message);
        }),
        response: Some(|message, facts, wire| {
            let is_answer = facts.numbers.contains(&number(&message.data, 0));
            if !is_answer || !(101..=102).contains(&message.command) {
                return wire.tell(&message);
            }
            facts.kept.push(message);
            while let Some(at) = facts
                .numbers
                .first()
                .and_then(|token| facts.kept.iter().position(|kept| number(&kept.data, 0) == *token))
            {
                facts.numbers.remove(0);
                wire.tell(&facts.kept.remove(at));
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "hosts-inherit-a-socket",
        beside: Some(|_| {
            // It stays open as long as the process lives, and in all that it starts.
            if let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
                && fcntl_setfd(&socket, FdFlags::empty()).is_ok()
            {
                std::mem::forget(socket);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "hosts-inherit-the-environment",
        seams: Some(|seams| {
            seams.prepare = |command| {
                command.envs(std::env::vars_os()).env("AES_KEY", "00112233445566778899aabbccddeeff");
                end_with_this_thread(command);
            };
        }),
        ..CORRECT
    },
    Fault {
        name: "hosts-run-anywhere",
        seams: Some(|seams| {
            seams.prepare = |command| {
                command.current_dir("/");
                end_with_this_thread(command);
            };
        }),
        ..CORRECT
    },
    Fault {
        name: "death-of-hosts-untold",
        agent_ended: Some(|facts, wire| {
            wire.finish_client = facts.bound.is_none() && facts.numbers.is_empty();
        }),
        request: Some(|message, facts, wire| {
            if is_product(&message, facts) {
                facts.numbers.push(message.command);
            }
            wire.ask(&message);
        }),
        ..CORRECT
    },
    Fault { name: "segments-stay", beside: Some(|_| keep_segments()), ..CORRECT },
    Fault {
        name: "messages-cut-at-the-size-of-the-ring",
        request: Some(|mut message, facts, wire| {
            if is_product(&message, facts) {
                message.data.truncate(facts.around.settings.ring_capacity as usize);
            }
            wire.ask(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "messages-above-the-size-of-the-ring-refused",
        request: Some(|message, facts, wire| {
            if is_product(&message, facts)
                && message.data.len() > facts.around.settings.ring_capacity as usize
            {
                wire.cut = Some(Cut::Close);
            }
            wire.ask(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "unbounded-memory-for-slow-clients",
        begin: Some(|_, wire| wire.unlimited = true),
        ..CORRECT
    },
    Fault {
        name: "a-slow-client-holds-up-all",
        response: Some(|message, facts, wire| {
            let mut counts = facts.around.counts();
            let held = counts.get("stuck").is_some_and(|stuck| *stuck != facts.number);
            if !held {
                wire.tell(&message);
                // More than a client leaves that reads.
                if wire.to_client.len() > 200 << 10 && message.data.len() < 1 << 20 {
                    counts.insert("stuck".to_owned(), facts.number);
                }
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "one-host-for-a-session",
        request: Some(|mut message, facts, wire| {
            if is_product(&message, facts) && facts.is_v1 {
                let target = message.target.unwrap_or(1);
                let name = session(facts);
                let first = *facts.around.counts().entry(name).or_insert(usize::from(target));
                message.target = u8::try_from(first).ok();
            }
            wire.ask(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "one-session-for-all",
        hello: Some(|hello, facts, _| {
            if facts.is_v1_hello() {
                hello[20..24].copy_from_slice(&1_i32.to_le_bytes());
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "one-host-for-all-products",
        request: Some(|mut message, facts, wire| {
            if opens(&message, facts)
                && let Some(kind @ 1..=3) = message.data.first_mut()
            {
                *kind = 1;
            }
            wire.ask(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "a-session-has-one-client",
        response: Some(|message, facts, wire| {
            if is_opened(&message, facts) && facts.bound.is_some() && facts.count == 0 {
                facts.count = 1;
                let mut counts = facts.around.counts();
                let clients = counts.entry(session(facts)).or_default();
                *clients += 1;
                if *clients > 1 {
                    wire.cut = Some(Cut::Close);
                }
            }
            wire.tell(&message);
        }),
        client_ended: Some(|rest, facts, wire| {
            if facts.count == 1
                && let Some(clients) = facts.around.counts().get_mut(&session(facts))
            {
                *clients = clients.saturating_sub(1);
            }
            wire.to_agent.extend_from_slice(rest);
            wire.finish_agent = true;
        }),
        ..CORRECT
    },
    Fault {
        name: "missed-messages-told-later",
        client_ended: Some(|_, facts, wire| {
            if facts.bound.is_some() {
                wire.orphaned = true;
            } else {
                wire.finish_agent = true;
            }
        }),
        response: Some(|message, facts, wire| {
            let name = session(facts);
            let mut missed = facts.around.missed();
            if wire.orphaned {
                missed.entry(name).or_default().push(message);
                return;
            }
            let late = if is_opened(&message, facts) { missed.remove(&name) } else { None };
            drop(missed);
            wire.tell(&message);
            late.unwrap_or_default().iter().for_each(|late| wire.tell(late));
        }),
        ..CORRECT
    },
    // ------------------------------------------------------------------ order
    Fault {
        name: "requests-swapped",
        request: Some(|message, facts, wire| {
            if facts.more && facts.kept.is_empty() && is_product(&message, facts) {
                facts.kept.push(message);
            } else {
                ask_with_kept(&message, facts, wire);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "answers-swapped",
        response: Some(|message, facts, wire| {
            if facts.more && facts.kept.is_empty() && !is_opened(&message, facts) {
                facts.kept.push(message);
            } else {
                wire.tell(&message);
                for kept in std::mem::take(&mut facts.kept) {
                    wire.tell(&kept);
                }
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "every-hundredth-message-lost",
        request: Some(|message, facts, wire| {
            facts.count += usize::from(is_product(&message, facts));
            if facts.count % 100 != 99 {
                wire.ask(&message);
            } else {
                facts.count += 1;
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "every-hundredth-answer-repeated",
        response: Some(|message, facts, wire| {
            facts.count += 1;
            wire.tell(&message);
            if facts.count % 100 == 0 {
                wire.tell(&message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "answers-torn-at-the-size-of-the-ring",
        response: Some(|mut message, facts, wire| {
            let ring = facts.around.settings.ring_capacity as usize;
            // The byte where the ring begins anew is that of the time before.
            if message.data.len() > ring {
                message.data[ring] ^= 0xff;
            }
            wire.tell(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "answers-interleave",
        response: Some(|message, facts, wire| {
            if facts.more && facts.kept.is_empty() && !is_opened(&message, facts) {
                facts.kept.push(message);
            } else if let Some(kept) = facts.kept.pop() {
                let (first, second) = (kept.frame(), message.frame());
                let halves = (first.split_at(first.len() / 2), second.split_at(second.len() / 2));
                for part in [halves.0.0, halves.1.0, halves.0.1, halves.1.1] {
                    wire.to_client.extend_from_slice(part);
                }
            } else {
                wire.tell(&message);
            }
        }),
        ..CORRECT
    },
    // ------------------------------------------------------------------ sessions
    Fault {
        name: "session-numbers-above-99-refused",
        hello: Some(|hello, facts, wire| {
            if facts.is_v1_hello() && facts.second() > 99 {
                hello.clear();
                wire.cut = Some(Cut::Close);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "negative-session-numbers-refused",
        hello: Some(|hello, facts, wire| {
            if facts.is_v1_hello() && facts.second() < 0 {
                hello.clear();
                wire.cut = Some(Cut::Close);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "sessions-last-for-ever",
        settings: Some(|settings| settings.session_timeout = Duration::from_secs(24 * 3600)),
        ..CORRECT
    },
    Fault {
        name: "sessions-end-with-their-client",
        settings: Some(|settings| settings.session_timeout = Duration::from_millis(1)),
        ..CORRECT
    },
    Fault {
        name: "sessions-are-never-found-again",
        request: Some(|mut message, facts, wire| {
            if opens(&message, facts) {
                asks_for(&mut message, 0);
            }
            wire.ask(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "what-hosts-launched-stays",
        seams: Some(|seams| {
            seams.prepare = |command| {
                use std::os::unix::process::CommandExt;
                command.process_group(rustix::process::getpgrp().as_raw_nonzero().get());
                end_with_this_thread(command);
            };
        }),
        ..CORRECT
    },
    Fault { name: "hosts-outlive-their-agent", seams: Some(|seams| seams.prepare = |_| ()), ..CORRECT },
];

/// Keeps every segment that this process makes, for ever.
fn keep_segments() {
    let mut kept = std::collections::HashSet::new();
    loop {
        for entry in std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten() {
            keep(&entry.path(), &mut kept);
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn keep(path: &Path, kept: &mut std::collections::HashSet<u64>) {
    use std::os::unix::fs::MetadataExt;
    let is_memory =
        std::fs::read_link(path).is_ok_and(|target| target.to_string_lossy().starts_with("/memfd:"));
    if is_memory
        && let Ok(file) = std::fs::File::open(path)
        && file.metadata().is_ok_and(|metadata| kept.insert(metadata.ino()))
    {
        std::mem::forget(file);
    }
}
