//! What clients do wrong.

use serde_json::{Value, json};

use crate::faults::fault::{CORRECT, Fault};
use crate::faults::relay::Cut;
use crate::faults::talk::{Message, number, skip};
use crate::protocol::{Command, PROTOCOL_ID, Reader};

/// Whether an answer says that an operation went well.
pub(super) fn is_ok(answer: &Value, request: &Value, op: &str) -> bool {
    request["op"] == op && answer.get("ok").is_some()
}

pub(super) fn fails(answer: &mut Value, kind: &str) {
    *answer = json!({"id": answer["id"], "error": {"kind": kind, "message": "what a fault makes of it"}});
}

/// Whether a message of the agent is an answer to Get Agent Root Path.
fn is_path(message: &Message) -> bool {
    message.command == Command::GET_ROOT_PATH.0
}

/// The bytes that the path of an answer takes, if it is one.
fn path_size(message: &Message) -> Option<usize> {
    let mut reader = Reader::new(&message.data);
    let found = is_path(message) && reader.string("path").is_ok();
    found.then(|| reader.position())
}

pub(super) const FAULTS: &[Fault] = &[
    // ------------------------------------------------------------------ handshake
    Fault { name: "client-hello-of-28-bytes", hello: Some(|hello, _, _| hello.extend([0; 4])), ..CORRECT },
    Fault { name: "client-hello-of-20-bytes", hello: Some(|hello, _, _| hello.truncate(20)), ..CORRECT },
    Fault {
        name: "client-hello-big-endian",
        hello: Some(|hello, _, _| {
            hello[16..20].reverse();
            hello[20..24].reverse();
        }),
        ..CORRECT
    },
    Fault {
        name: "client-protocol-id-in-network-order",
        hello: Some(|hello, _, _| hello[..16].copy_from_slice(PROTOCOL_ID.as_bytes())),
        ..CORRECT
    },
    Fault {
        name: "client-minimum-and-maximum-swapped",
        hello: Some(|hello, facts, _| {
            if facts.is_range() {
                hello[16..24].rotate_left(4);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-version-1-sends-1",
        hello: Some(|hello, facts, _| {
            if facts.is_v1_hello() {
                hello[16..20].copy_from_slice(&1_i32.to_le_bytes());
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-version-1-asks-for-no-session",
        hello: Some(|hello, facts, _| {
            if facts.is_v1_hello() {
                hello[20..24].fill(0);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-speaks-before-the-acknowledgement",
        hello: Some(|hello, facts, _| {
            if facts.is_range() {
                hello.extend(Message::new(Command::GET_ROOT_PATH, [1]).frame());
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-server-version-left-unread",
        acknowledgement: Some(|acknowledgement, _, _| acknowledgement.extend([0x33, 0, 0, 0])),
        ..CORRECT
    },
    Fault {
        name: "client-session-taken-for-a-version",
        acknowledgement: Some(|acknowledgement, facts, _| {
            if facts.is_range() && facts.is_v1 && acknowledgement[0] != 2 {
                acknowledgement[1..5].copy_from_slice(&3000_i32.to_le_bytes());
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-takes-any-version",
        acknowledgement: Some(|acknowledgement, facts, _| {
            let value = number(acknowledgement, 1);
            if facts.is_range() && acknowledgement[0] != 2 && value >= 1000 && value > facts.second() {
                acknowledgement[1..5].copy_from_slice(&facts.second().min(2000).to_le_bytes());
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-unknown-modes-are-none",
        acknowledgement: Some(|acknowledgement, _, _| {
            if acknowledgement[0] > 2 {
                acknowledgement[0] = 0;
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-handshake-in-one-read",
        begin: Some(|facts, _| facts.count = 0),
        acknowledgement: Some(|acknowledgement, facts, _| {
            // What came later than the mode is taken for zero.
            if facts.more_reads {
                acknowledgement[1..].fill(0);
            }
        }),
        ..CORRECT
    },
    // ------------------------------------------------------------------ framing
    Fault {
        name: "client-agent-type-behind-the-command",
        request: Some(|mut message, _, wire| {
            if let Some(target) = message.target {
                let [a, b, c, d] = message.command.to_le_bytes();
                (message.target, message.command) = (Some(a), i32::from_le_bytes([b, c, d, target]));
            }
            wire.ask(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "client-agent-type-in-version-2",
        request: Some(|mut message, facts, wire| {
            if !facts.is_v1 {
                message.target = Some(0);
            }
            wire.ask(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "client-answers-read-with-an-agent-type",
        response: Some(|mut message, _, wire| {
            if !message.data.is_empty() {
                message.data.remove(0);
            }
            wire.tell(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "client-length-counts-the-header",
        request: Some(|message, _, wire| {
            let mut frame = message.frame();
            let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
            frame[..4].copy_from_slice(&length.to_le_bytes());
            wire.to_agent.extend_from_slice(&frame);
        }),
        ..CORRECT
    },
    Fault {
        name: "client-empty-messages-passed-over",
        response: Some(|message, _, wire| {
            if !message.data.is_empty() {
                wire.tell(&message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-one-message-a-read",
        response: Some(|message, facts, wire| {
            wire.tell(&message);
            facts.drop_rest = facts.more;
        }),
        ..CORRECT
    },
    Fault {
        name: "client-negative-lengths-passed-over",
        strange_response: Some(|length, buffer, _, wire| {
            if length < 0 {
                skip(buffer, 8);
            } else {
                wire.cut = Some(Cut::Close);
            }
            length < 0
        }),
        ..CORRECT
    },
    Fault {
        name: "client-huge-lengths-waited-for",
        strange_response: Some(|length, _, _, wire| {
            if length < 0 {
                wire.cut = Some(Cut::Close);
            }
            false
        }),
        ..CORRECT
    },
    Fault {
        name: "client-part-of-a-message-taken",
        agent_ended: Some(|facts, wire| {
            let rest = std::mem::take(&mut facts.rest);
            if rest.len() >= 8 {
                let missing = usize::try_from(number(&rest, 0)).unwrap_or(0).saturating_sub(rest.len() - 8);
                wire.to_client.extend_from_slice(&vec![0; missing.min(1 << 20)]);
            }
            wire.finish_client = true;
        }),
        ..CORRECT
    },
    Fault {
        name: "client-closes-behind-each-answer",
        response: Some(|message, _, wire| {
            wire.tell(&message);
            wire.close();
        }),
        ..CORRECT
    },
    // ------------------------------------------------------------------ encryption
    Fault {
        name: "client-half-of-a-long-key",
        told: Some(|request| {
            let half =
                request["aes_key"].as_str().filter(|key| key.len() == 64).map(|key| key[..32].to_owned());
            if let Some(half) = half {
                request["aes_key"] = half.into();
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-padding-of-the-other-kind",
        told: Some(|request| {
            if request.get("aes_key").is_some() {
                let other = if request["dialect"]["aes_padding"] == "zeros" { "pkcs7" } else { "zeros" };
                request["dialect"]["aes_padding"] = other.into();
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-certificate-unchecked",
        told: Some(|request| {
            if request.get("tls").is_some() {
                request["tls"]["verify"] = false.into();
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-falls-back-to-clear",
        told: Some(|request| {
            if let Some(members) = request.as_object_mut() {
                members.remove("require");
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-ssl-taken-for-none",
        acknowledgement: Some(|acknowledgement, _, _| {
            if acknowledgement[0] == 1 {
                acknowledgement[0] = 0;
            }
        }),
        ..CORRECT
    },
    // ------------------------------------------------------------------ data
    Fault {
        name: "client-strings-with-a-byte-order-mark",
        told: Some(|request| {
            for kind in ["assemblies", "extensions"] {
                for file in request[kind].as_array_mut().into_iter().flatten() {
                    if let Some(name) = file["name"].as_str() {
                        file["name"] = format!("\u{feff}{name}").into();
                    }
                }
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-times-in-local-time",
        told: Some(|request| {
            for kind in ["assemblies", "extensions"] {
                for file in request[kind].as_array_mut().into_iter().flatten() {
                    if let Some(ticks) =
                        file["modified_ticks"].as_str().and_then(|text| text.parse::<i64>().ok())
                    {
                        file["modified_ticks"] =
                            (ticks.max(36_000_000_000) - 36_000_000_000).to_string().into();
                    }
                }
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-malformed-answers-taken",
        response: Some(|mut message, _, wire| {
            if is_path(&message) && path_size(&message).is_none() {
                message.data = vec![0];
            }
            wire.tell(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "client-malformed-answers-close",
        response: Some(|message, _, wire| {
            if is_path(&message) && path_size(&message).is_none() {
                wire.cut = Some(Cut::Close);
            }
            wire.tell(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "client-overlong-prefixes-refused",
        response: Some(|mut message, _, wire| {
            if path_size(&message).is_some() && message.data.starts_with(&[0x81, 0]) {
                message.data = vec![0x7f];
            }
            wire.tell(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "client-bytes-behind-the-last-field-refused",
        response: Some(|mut message, _, wire| {
            if path_size(&message).is_some_and(|size| size < message.data.len()) {
                message.data = vec![0x7f];
            }
            wire.tell(&message);
        }),
        ..CORRECT
    },
    // ------------------------------------------------------------------ messages
    Fault {
        name: "client-next-message-is-the-answer",
        response: Some(|mut message, facts, wire| {
            // Whatever comes first after a request is taken for its answer.
            if let Some(command) = facts.numbers.first().copied() {
                facts.numbers.remove(0);
                message.command = command;
            }
            wire.tell(&message);
        }),
        request: Some(|message, facts, wire| {
            if message.command == Command::GET_ROOT_PATH.0 {
                facts.numbers.push(message.command);
            }
            wire.ask(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "client-waits-for-an-answer-to-updates",
        answered: Some(|answer, request| {
            if is_ok(answer, request, "update_agent") {
                fails(answer, "timeout");
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-extensions-left-out",
        told: Some(|request| {
            if request["op"] == "update_agent" {
                request["extensions"] = json!([]);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-agent-types-from-0",
        told: Some(|request| {
            let before = match request["agent_type"].as_str() {
                Some("buildmaster") => "otter",
                Some("hedgehog") => "buildmaster",
                _ => return,
            };
            request["agent_type"] = before.into();
        }),
        ..CORRECT
    },
    Fault {
        name: "client-session-is-the-one-asked-for",
        answered: Some(|answer, request| {
            if is_ok(answer, request, "open_session") {
                answer["ok"]["session"] = request["session"].clone();
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-commands-of-one-byte",
        response: Some(|mut message, _, wire| {
            message.command &= 0xff;
            wire.tell(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "client-data-taken-for-text",
        response: Some(|mut message, _, wire| {
            if !is_path(&message) {
                message.data = String::from_utf8_lossy(&message.data).into_owned().into_bytes();
            }
            wire.tell(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "client-messages-swapped",
        response: Some(|message, facts, wire| {
            if facts.more && facts.kept.is_empty() {
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
        name: "client-requests-swapped",
        request: Some(|message, facts, wire| {
            if facts.more && facts.kept.is_empty() {
                facts.kept.push(message);
            } else {
                wire.ask(&message);
                for kept in std::mem::take(&mut facts.kept) {
                    wire.ask(&kept);
                }
            }
        }),
        ..CORRECT
    },
];
