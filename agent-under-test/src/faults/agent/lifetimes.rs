//! Faults of what lasts: files, processes and sessions that are kept for too long or ended too early.

use std::io;
use std::thread;
use std::time::Duration;

use super::products::{is_opened, session};
use crate::faults::fault::{CORRECT, Fault, die};
use crate::faults::relay::Wire;
use crate::faults::talk::{Facts, Message, is_protocol};
use crate::protocol::Command;

/// The command by which the probe product ends at once: the way by which a fault ends the host of a session.
const EXIT: Command = Command(106);

/// Its token and the exit code.
const TOKEN_AND_CODE: [u8; 8] = [0; 8];

/// How long after the end of an idle host a timer fires that should be gone.
const LATE_TIMER: Duration = Duration::from_secs(2);

/// Has the host of a conversation end.
fn end_host(wire: &mut Wire) {
    wire.ask(&Message::new(EXIT, TOKEN_AND_CODE));
}

/// The client ends its side, as with a correct agent.
fn pass_end(rest: &[u8], wire: &mut Wire) {
    wire.to_agent.extend_from_slice(rest);
    wire.finish_agent = true;
}

/// The agent dies some time after a session was left, unless somebody is back.
fn crash_after_idle(facts: &Facts) {
    let around = std::sync::Arc::clone(&facts.around);
    let name = format!("turn of {}", session(facts));
    let turn = *around.counts().entry(name.clone()).or_default();
    let pause = around.settings.session_timeout + LATE_TIMER;
    thread::spawn(move || {
        thread::sleep(pause);
        if around.counts().get(&name) == Some(&turn) {
            die();
        }
    });
}

pub(super) const FAULTS: &[Fault] = &[
    Fault { name: "accepting-ends-without-files", gives_up_accepting: true, ..CORRECT },
    Fault {
        name: "a-file-left-open-for-each-refused-handshake",
        reads_any_id: true,
        hello: Some(|hello, _, wire| wire.stays_open = !is_protocol(hello)),
        ..CORRECT
    },
    Fault {
        name: "a-file-left-open-for-each-vanished-client",
        client_ended: Some(|rest, facts, wire| {
            wire.stays_open = !facts.acknowledged;
            pass_end(rest, wire);
        }),
        ..CORRECT
    },
    Fault {
        name: "dead-hosts-are-not-waited-for",
        seams: Some(|seams| seams.wait = |_| Err(io::ErrorKind::Unsupported.into())),
        ..CORRECT
    },
    Fault {
        name: "hosts-end-with-the-client-that-opened-them",
        response: Some(|message, facts, wire| {
            if is_opened(&message, facts) {
                let name = format!("opener of {}", session(facts));
                let opener = *facts.around.counts().entry(name).or_insert(facts.number);
                facts.count = usize::from(opener == facts.number);
            }
            wire.tell(&message);
        }),
        client_ended: Some(|rest, facts, wire| {
            if facts.count == 1 && facts.bound.is_some() {
                end_host(wire);
                wire.finish_agent = true;
            } else {
                pass_end(rest, wire);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "the-second-disconnect-ends-a-session",
        response: Some(|message, _, wire| wire.tell(&message)),
        client_ended: Some(|rest, facts, wire| {
            if facts.bound.is_some() && facts.around.count(&format!("left {}", session(facts))) == 1 {
                end_host(wire);
                wire.finish_agent = true;
            } else {
                pass_end(rest, wire);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "session-timeout-in-minutes",
        settings: Some(|settings| settings.session_timeout *= 60),
        ..CORRECT
    },
    Fault {
        name: "session-timeout-in-sixtieths",
        settings: Some(|settings| settings.session_timeout /= 60),
        ..CORRECT
    },
    Fault {
        name: "session-timeout-runs-with-a-client",
        begin: Some(|facts, _| facts.count = 0),
        response: Some(|message, facts, wire| {
            wire.tell(&message);
            if is_opened(&message, facts) {
                facts.count = usize::try_from(wire.now.as_millis()).unwrap_or(0).max(1);
            }
        }),
        deadline: Some(|facts, _| {
            let bound_at = u64::try_from(facts.count).ok().filter(|millis| *millis > 0)?;
            Some(Duration::from_millis(bound_at) + facts.around.settings.session_timeout)
        }),
        ..CORRECT
    },
    Fault {
        name: "a-timer-crashes-after-an-idle-host-was-ended",
        response: Some(|message, facts, wire| {
            if is_opened(&message, facts) && facts.bound.is_some() {
                facts.around.count(&format!("turn of {}", session(facts)));
            }
            wire.tell(&message);
        }),
        client_ended: Some(|rest, facts, wire| {
            if facts.bound.is_some() {
                crash_after_idle(facts);
            }
            pass_end(rest, wire);
        }),
        ..CORRECT
    },
];
