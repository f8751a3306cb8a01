//! Faults of message framing.

use bytes::BytesMut;

use crate::faults::fault::{CORRECT, Fault};
use crate::faults::relay::Cut;
use crate::faults::talk::{number, skip};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "agent-type-behind-the-command",
        request: Some(|mut message, facts, wire| {
            if let (true, Some(target)) = (facts.is_v1, message.target) {
                let [a, b, c, d] = message.command.to_le_bytes();
                (message.command, message.target) = (i32::from_le_bytes([target, a, b, c]), Some(d));
            }
            wire.ask(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "agent-type-in-version-2",
        request: Some(|mut message, facts, wire| {
            if !facts.is_v1 && !message.data.is_empty() {
                let [_, b, c, d] = message.command.to_le_bytes();
                message.command = i32::from_le_bytes([b, c, d, message.data.remove(0)]);
            }
            wire.ask(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "answers-with-an-agent-type",
        response: Some(|mut message, facts, wire| {
            if facts.is_v1 {
                message.target = Some(0);
            }
            wire.tell(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "answers-with-a-command-of-one-byte",
        response: Some(|message, _, wire| {
            // The pages show the data at offset 5 (erratum E1).
            let mut frame = message.frame();
            frame.drain(5..8);
            wire.to_client.extend_from_slice(&frame);
        }),
        ..CORRECT
    },
    Fault {
        name: "answers-count-their-header",
        response: Some(|message, _, wire| {
            let mut frame = message.frame();
            let length = number(&frame, 0) + 8;
            frame[..4].copy_from_slice(&length.to_le_bytes());
            wire.to_client.extend_from_slice(&frame);
        }),
        ..CORRECT
    },
    Fault {
        name: "empty-messages-refused",
        request: Some(|message, _, wire| {
            if message.data.is_empty() {
                wire.cut = Some(Cut::Close);
            }
            wire.ask(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "one-message-a-read",
        read: Some(|_, facts, _| facts.count = 0),
        request: Some(|message, facts, wire| {
            facts.count += 1;
            if facts.count == 1 {
                wire.ask(&message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "message-in-one-read",
        read: Some(|bytes, facts, wire| {
            let head = if facts.is_v1 { 9 } else { 8 };
            let size = usize::try_from(number(bytes, 0)).unwrap_or(0);
            if facts.acknowledged && bytes.len() < head + size {
                wire.cut = Some(Cut::Close);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "negative-lengths-passed-over",
        request: Some(|message, _, wire| wire.ask(&message)),
        strange: Some(|length, buffer, facts, _| {
            if length < 0 {
                skip(buffer, if facts.is_v1 { 9 } else { 8 });
            }
            length < 0
        }),
        ..CORRECT
    },
    Fault {
        name: "huge-lengths-waited-for",
        request: Some(|message, _, wire| wire.ask(&message)),
        strange: Some(|length, _, _, wire| {
            if length < 0 {
                wire.cut = Some(Cut::Close);
            }
            false
        }),
        ..CORRECT
    },
    Fault {
        name: "huge-lengths-given-memory",
        request: Some(|message, _, wire| wire.ask(&message)),
        strange: Some(|length, buffer, _, wire| {
            // No more than shows, so that the machine does not suffer.
            let size = usize::try_from(length).unwrap_or(0).min(300 << 20);
            let memory = std::hint::black_box(vec![1_u8; size]);
            wire.cut = Some(Cut::Close);
            buffer.clear();
            drop(memory);
            false
        }),
        ..CORRECT
    },
    Fault {
        name: "part-of-a-message-acted-on",
        request: Some(|message, _, wire| wire.ask(&message)),
        client_ended: Some(|rest, facts, wire| {
            let head = if facts.is_v1 { 9 } else { 8 };
            wire.to_agent.extend_from_slice(rest);
            if facts.acknowledged && rest.len() >= head {
                let missing =
                    (head + usize::try_from(number(rest, 0)).unwrap_or(0)).saturating_sub(rest.len());
                wire.to_agent.extend_from_slice(&vec![0; missing.min(1 << 20)]);
            }
            wire.finish_agent = true;
        }),
        ..CORRECT
    },
    Fault {
        name: "half-closed-clients-cut-off",
        client_ended: Some(|_, _, wire| {
            wire.to_client = BytesMut::new();
            wire.cut = Some(Cut::Close);
        }),
        ..CORRECT
    },
    Fault {
        name: "closes-behind-each-answer",
        response: Some(|message, _, wire| {
            wire.tell(&message);
            wire.close();
        }),
        ..CORRECT
    },
];
