//! Faults in what the probe product answers, reports and does.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::{CORRECT, HostFault, Launching, Memory, Opening};
use crate::faults::talk::{Message, number};

const fn report(name: &'static str, change: fn(&mut Map<String, Value>)) -> HostFault {
    HostFault { name, report: Some(change), ..CORRECT }
}

const fn opening(name: &'static str, opening: Opening) -> HostFault {
    HostFault { name, opening, ..CORRECT }
}

const fn launching(name: &'static str, launching: Launching) -> HostFault {
    HostFault { name, launching, ..CORRECT }
}

fn set(fields: &mut Map<String, Value>, name: &str, value: Value) {
    fields.insert(name.to_owned(), value);
}

/// A field as a list, changed.
fn listed(fields: &mut Map<String, Value>, name: &str, change: impl FnOnce(&mut Vec<Value>)) {
    if let Some(Value::Array(list)) = fields.get_mut(name) {
        change(list);
    }
}

/// Nanoseconds since 1970.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// The type of an exception, changed.
fn exception(mut message: Message, from: &str, to: &str) -> Message {
    let size = from.len();
    let found = message.data.get(6..6 + size).is_some_and(|kind| kind == from.as_bytes());
    if message.data.get(4) == Some(&1) && found {
        let length = u8::try_from(to.len()).unwrap_or_default();
        message.data.splice(5..6 + size, [length].into_iter().chain(to.bytes()));
    }
    message
}

/// An int32 in the data of requests with one command, changed.
fn changed(mut message: Message, command: i32, at: usize, change: impl FnOnce(i32) -> i32) -> Vec<u8> {
    if message.command == command && message.data.len() >= at + 4 {
        let new = change(number(&message.data, at)).to_le_bytes();
        message.data[at..at + 4].copy_from_slice(&new);
    }
    message.frame()
}

/// The same of answers that are no exceptions.
fn answered(message: Message, command: i32, at: usize, change: impl FnOnce(i32) -> i32) -> Vec<u8> {
    if is_exception(&message) { message.frame() } else { changed(message, command, at, change) }
}

/// Whether an answer reports an exception.
pub(super) fn is_exception(message: &Message) -> bool {
    let kinds = [&b"UnknownCommand"[..], b"Malformed", b"ProbeException", b"IOException"];
    let kind = message.data.get(6..).unwrap_or_default();
    message.data.get(4) == Some(&1) && kinds.iter().any(|known| kind.starts_with(known))
}

/// Answers in another order: a delayed one holds up those after it.
fn in_turn(mut message: Message, memory: &mut Memory, out: &mut Vec<Vec<u8>>) {
    // A delayed echo becomes a stall of the same length, and then an echo.
    if message.command == 102 && message.data.len() >= 8 {
        memory.count += 1;
        let token = message.data[..4].to_vec();
        let time = message.data[4..8].to_vec();
        let stall = Message { target: None, command: 108, data: [token, time].concat() };
        out.push(stall.frame());
        message.data.splice(4..8, 0_i32.to_le_bytes());
    }
    out.push(message.frame());
}

pub(super) const FAULTS: &[HostFault] = &[
    // ------------------------------------------------------------------ the report
    report("probe-reports-another-process", |fields| set(fields, "pid", json!(1))),
    report("probe-reports-its-agent-as-itself", |fields| {
        let parent = fields.get("ppid").cloned();
        set(fields, "pid", parent.unwrap_or_default());
    }),
    report("probe-reports-no-parent", |fields| set(fields, "ppid", json!(1))),
    report("probe-reports-session-0", |fields| set(fields, "session", json!(0))),
    report("probe-reports-another-product", |fields| set(fields, "agent_type", json!(1))),
    report("probe-reports-a-nonce-of-its-own", |fields| {
        set(fields, "nonce", json!("00112233445566778899aabbccddeeff"));
    }),
    report("probe-reports-the-nonce-as-a-guid", |fields| {
        // A .NET GUID has its first three fields the other way round.
        let nonce = fields.get("nonce").and_then(Value::as_str).unwrap_or_default().to_owned();
        let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
        let pairs: Vec<&str> = order.iter().filter_map(|at| nonce.get(at * 2..at * 2 + 2)).collect();
        set(fields, "nonce", json!(pairs.concat()));
    }),
    report("probe-reports-no-threads", |fields| set(fields, "threads", json!(0))),
    report("probe-reports-64-threads", |fields| set(fields, "threads", json!(64))),
    report("probe-reports-when-it-was-asked", |fields| set(fields, "started_ns", json!(now()))),
    report("probe-reports-its-start-in-milliseconds", |fields| {
        let start = fields.get("started_ns").and_then(Value::as_u64).unwrap_or_default();
        set(fields, "started_ns", json!(start / 1_000_000));
    }),
    report("probe-reports-layout-0", |fields| set(fields, "layout", json!(0))),
    report("probe-reports-both-rings", |fields| {
        let capacity = fields.get("ring_capacity").and_then(Value::as_u64).unwrap_or_default();
        set(fields, "ring_capacity", json!(2 * capacity));
    }),
    report("probe-reports-no-arguments", |fields| listed(fields, "argv", |list| list.truncate(1))),
    report("probe-reports-no-environment", |fields| listed(fields, "env_names", Vec::clear)),
    report("probe-reports-values-of-the-environment", |fields| {
        listed(fields, "env_names", |list| {
            list.iter_mut().for_each(|name| *name = json!(format!("{}=", name.as_str().unwrap_or_default())));
        });
    }),
    report("probe-reports-no-open-files", |fields| listed(fields, "open_files", Vec::clear)),
    report("probe-reports-standard-handles-only", |fields| {
        listed(fields, "open_files", |list| list.truncate(3));
    }),
    report("probe-reports-no-files", |fields| listed(fields, "cwd_files", Vec::clear)),
    report("probe-reports-sums-of-names", |fields| {
        listed(fields, "cwd_files", |list| {
            for file in list {
                let sum =
                    file.get("name").and_then(Value::as_str).map(|name| crc32fast::hash(name.as_bytes()));
                file["crc32"] = json!(sum);
            }
        });
    }),
    // ------------------------------------------------------------------ what it does
    opening("probe-closes-the-file-at-once", Opening::Closed),
    opening("probe-keeps-the-last-file-only", Opening::Last),
    opening("probe-opens-files-for-writing", Opening::Writable),
    opening("probe-looks-whether-the-file-is-there", Opening::Untouched),
    launching("probe-launches-into-another-group", Launching::Apart),
    launching("probe-ties-its-children-to-itself", Launching::Tied),
    launching("probe-launches-for-milliseconds", Launching::Hasty),
    launching("probe-launches-for-too-long", Launching::Slow),
    launching("probe-leaves-its-children", Launching::Left),
    launching("probe-names-itself-as-the-child", Launching::Misnamed),
    // ------------------------------------------------------------------ commands
    HostFault {
        name: "probe-answers-at-once",
        request: Some(|message, _, out| out.push(changed(message, 102, 4, |_| 0))),
        ..CORRECT
    },
    HostFault {
        name: "probe-answers-in-turn",
        request: Some(in_turn),
        answer: Some(|message, memory, out| {
            // The stall that was asked for by nobody has no answer.
            memory.count += usize::from(message.command == 102);
            if message.command != 108 {
                out.push(message.frame());
            }
        }),
        ..CORRECT
    },
    HostFault {
        name: "probe-bursts-count-from-1",
        answer: Some(|message, _, out| out.push(answered(message, 103, 5, |number| number + 1))),
        ..CORRECT
    },
    HostFault {
        name: "probe-throws-exceptions-of-its-own",
        answer: Some(|message, _, out| out.push(exception(message, "ProbeException", "Exception").frame())),
        ..CORRECT
    },
    HostFault {
        name: "probe-tells-nothing-apart",
        answer: Some(|message, _, out| out.push(exception(message, "Malformed", "UnknownCommand").frame())),
        ..CORRECT
    },
    HostFault {
        name: "probe-exits-with-another-code",
        request: Some(|message, _, out| out.push(changed(message, 106, 4, |code| i32::from(code != 0)))),
        ..CORRECT
    },
    HostFault {
        name: "probe-aborts-by-an-exit",
        request: Some(|mut message, _, out| {
            if message.command == 107 && message.data.len() >= 4 {
                message.command = 106;
                message.data.extend(134_i32.to_le_bytes());
            }
            out.push(message.frame());
        }),
        ..CORRECT
    },
    HostFault {
        name: "probe-does-not-stall",
        request: Some(|message, _, out| out.push(changed(message, 108, 4, |_| 0))),
        answer: Some(|message, _, out| out.push(answered(message, 108, 5, |_| 500))),
        ..CORRECT
    },
    HostFault {
        name: "probe-never-forgets-what-was-sunk",
        answer: Some(|mut message, memory, out| {
            if message.command == 110 && !is_exception(&message) {
                memory.count += usize::try_from(number(&message.data, 5)).unwrap_or_default();
                let total = (memory.count as u64).to_le_bytes();
                message.data[5..13].copy_from_slice(&total);
            }
            out.push(message.frame());
        }),
        ..CORRECT
    },
    HostFault {
        name: "probe-sends-tokens-with-later-messages",
        answer: Some(|mut message, _, out| {
            if message.command == 200 && !is_exception(&message) {
                message.data.splice(0..0, 7_i32.to_le_bytes());
            }
            out.push(message.frame());
        }),
        ..CORRECT
    },
    HostFault {
        name: "probe-sends-later-messages-at-once",
        request: Some(|message, _, out| out.push(changed(message, 113, 4, |_| 0))),
        ..CORRECT
    },
];
