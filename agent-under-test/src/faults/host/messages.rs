//! Faults in what a host does with messages, with the start and with the end of its session.

use iaspec_shm::raw::HeaderField;

use super::probe::is_exception;
use super::{CORRECT, Closing, HostFault, Lengths, Memory, Orphaned};
use crate::faults::talk::Message;

/// Whether a message asks for an echo, or is one.
fn is_echo(message: &Message) -> bool {
    message.command == 101
}

pub(super) const FAULTS: &[HostFault] = &[
    HostFault {
        name: "host-started-by-anybody",
        expected: Some(|expected, raw| expected.agent_pid = raw.header().agent_pid),
        ..CORRECT
    },
    HostFault {
        name: "host-nonce-unchecked",
        expected: Some(|expected, raw| expected.nonce = raw.header().nonce),
        ..CORRECT
    },
    HostFault {
        name: "host-session-unchecked",
        expected: Some(|expected, raw| expected.session = raw.header().session),
        ..CORRECT
    },
    HostFault {
        name: "host-agent-type-unchecked",
        expected: Some(|expected, raw| expected.agent_type = raw.header().agent_type),
        ..CORRECT
    },
    HostFault {
        name: "host-signs-in-before-it-checks",
        before: Some(|raw| raw.set_header(HeaderField::HostPid, std::process::id())),
        ..CORRECT
    },
    HostFault {
        name: "host-unknown-commands-unanswered",
        request: Some(|message, _, out| {
            if (101..=113).contains(&message.command) {
                out.push(message.frame());
            }
        }),
        ..CORRECT
    },
    HostFault {
        name: "host-answers-without-their-token",
        answer: Some(|mut message, _, out| {
            if message.data.len() >= 4 {
                message.data[..4].fill(0);
            }
            out.push(message.frame());
        }),
        ..CORRECT
    },
    HostFault {
        name: "host-exceptions-end-it",
        answer: Some(|message, _, out| {
            if message.data.get(4) == Some(&1) {
                std::process::exit(1);
            }
            out.push(message.frame());
        }),
        ..CORRECT
    },
    HostFault {
        name: "host-one-answer-at-most",
        request: Some(|message, memory, out| {
            memory.count = 0;
            out.push(message.frame());
        }),
        answer: Some(|message, memory, out| {
            // A burst ends with its first answer.
            memory.count += usize::from(message.command == 103);
            if memory.count <= 1 {
                out.push(message.frame());
            }
        }),
        ..CORRECT
    },
    HostFault {
        name: "host-unsolicited-messages-dropped",
        answer: Some(|message, _, out| {
            if message.command != 200 || is_exception(&message) {
                out.push(message.frame());
            }
        }),
        ..CORRECT
    },
    HostFault {
        name: "host-data-taken-for-text",
        request: Some(|mut message, _, out| {
            if is_echo(&message) && message.data.len() > 4 {
                let text = String::from_utf8_lossy(&message.data[4..]).into_owned();
                message.data.truncate(4);
                message.data.extend(text.into_bytes());
            }
            out.push(message.frame());
        }),
        ..CORRECT
    },
    HostFault {
        name: "host-messages-cut-at-the-size-of-the-ring",
        request: Some(|mut message, memory, out| {
            message.data.truncate(memory.ring);
            out.push(message.frame());
        }),
        ..CORRECT
    },
    HostFault { name: "host-requests-swapped", request: Some(swapped), ..CORRECT },
    HostFault { name: "host-answers-swapped", answer: Some(swapped), ..CORRECT },
    HostFault {
        name: "host-every-hundredth-message-lost",
        request: Some(|message, memory, out| {
            memory.count += 1;
            if memory.count % 100 != 0 {
                out.push(message.frame());
            }
        }),
        ..CORRECT
    },
    HostFault {
        name: "host-torn-where-the-ring-begins-anew",
        answer: Some(|message, memory, out| {
            let mut frame = message.frame();
            let before = memory.count % memory.ring.max(1);
            memory.count += frame.len();
            // Behind the head of the message, so that what follows can still be read.
            if let Some(at) = memory.ring.checked_sub(before).filter(|at| (13..frame.len()).contains(at)) {
                frame[at] ^= 0xff;
            }
            out.push(frame);
        }),
        ..CORRECT
    },
    HostFault {
        name: "host-negative-lengths-passed-over",
        request: Some(|message, _, out| out.push(message.frame())),
        lengths: Lengths::PassedOver,
        ..CORRECT
    },
    HostFault { name: "host-never-finishes", closing: Closing::Ignore, ..CORRECT },
    HostFault { name: "host-drops-all-when-asked-to-finish", closing: Closing::Vanish, ..CORRECT },
    HostFault { name: "host-finishes-with-code-1", closing: Closing::Complain, ..CORRECT },
    HostFault { name: "host-outlives-its-agent", orphaned: Orphaned::LiveOn, ..CORRECT },
];

fn swapped(message: Message, memory: &mut Memory, out: &mut Vec<Vec<u8>>) {
    if memory.more && memory.kept.is_none() {
        memory.kept = Some(message);
    } else {
        out.push(message.frame());
        out.extend(memory.kept.take().map(|kept| kept.frame()));
    }
}
