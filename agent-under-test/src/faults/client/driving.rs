//! What drivers of clients do wrong: the line protocol, and what it reports.

use serde_json::Value;

use super::mistakes::{fails, is_ok};
use crate::faults::fault::{CORRECT, Fault};
use crate::protocol::Command;

/// The kind of an error, if an answer is one.
fn kind(answer: &Value) -> Option<&str> {
    answer["error"]["kind"].as_str()
}

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "client-usage-errors-answered-twice",
        prints: Some(|line| {
            let answer: Value = serde_json::from_str(line).unwrap_or_default();
            let times = if kind(&answer) == Some("usage") { 2 } else { 1 };
            vec![line.to_owned(); times]
        }),
        ..CORRECT
    },
    Fault {
        name: "client-members-in-one-order",
        told: Some(|request| {
            let first = request.as_object().and_then(|members| members.keys().next());
            if first.is_some_and(|first| first != "id") {
                request["op"] = "".into();
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-capital-digits-refused",
        told: Some(|request| {
            let has_capitals = |text: &str| text.contains(|c: char| c.is_ascii_uppercase());
            if request["data"].as_str().is_some_and(has_capitals) {
                request["data"] = "zz".into();
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-missing-data-is-empty",
        told: Some(|request| {
            if request["op"] == "send" && request.get("data").is_none() {
                request["data"] = "".into();
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-unknown-connections-are-closed",
        answered: Some(|answer, request| {
            if kind(answer) == Some("usage") && request["op"] != "connect" {
                fails(answer, "closed");
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-unknown-ops-are-usage",
        answered: Some(|answer, _| {
            if kind(answer) == Some("unsupported") {
                fails(answer, "usage");
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-every-failure-is-closed",
        answered: Some(|answer, _| {
            if kind(answer).is_some_and(|kind| ["protocol", "tls", "crypto", "refused"].contains(&kind)) {
                fails(answer, "closed");
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-timeouts-of-ops-ignored",
        told: Some(|request| {
            if let Some(members) = request.as_object_mut().filter(|members| members["op"] != "connect") {
                members.shift_remove("timeout_ms");
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-times-out-too-early",
        told: Some(|request| {
            if let (Some(timeout), true) = (request["timeout_ms"].as_u64(), request["op"] != "connect") {
                request["timeout_ms"] = (timeout / 3).into();
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-last-message-lost-with-the-end",
        response: Some(|message, facts, wire| {
            // An answer is waited for; what nobody waits for stays until the next one comes.
            for kept in std::mem::take(&mut facts.kept) {
                wire.tell(&kept);
            }
            if message.command == Command::GET_ROOT_PATH.0 {
                wire.tell(&message);
            } else {
                facts.kept.push(message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-close-overtakes-the-last-message",
        request: Some(|message, facts, wire| {
            for kept in std::mem::take(&mut facts.kept) {
                wire.ask(&kept);
            }
            if message.command == Command::GET_ROOT_PATH.0 {
                wire.ask(&message);
            } else {
                facts.kept.push(message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-server-version-big-endian",
        acknowledgement: Some(|acknowledgement, _, _| {
            let start = if acknowledgement[0] == 2 { 21 } else { 5 };
            for number in acknowledgement.get_mut(start..).unwrap_or_default().chunks_mut(4) {
                number.reverse();
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-reports-no-encryption",
        answered: Some(|answer, request| {
            if is_ok(answer, request, "connect") {
                answer["ok"]["encryption"] = 0.into();
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-key-makes-encryption-required",
        told: Some(|request| {
            if request["op"] == "connect" && request["aes_key"].is_string() && request["tls"].is_null() {
                request["require"] = "aes".into();
            }
        }),
        ..CORRECT
    },
];
