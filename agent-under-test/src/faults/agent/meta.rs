//! Faults of meta messages: what an agent makes of Get Agent Root Path, Update Agent and what is neither.

use crate::faults::fault::{CORRECT, Fault};
use crate::faults::relay::{Cut, Wire};
use crate::faults::talk::{Facts, Message, number};
use crate::protocol::{
    AgentType, Command, Decode, Encode, GetRootPath, OpenSession, Reader, Ticks, UpdateAgent, UpdateFile,
    Writer,
};

/// What most faults do with messages that they have nothing to do with.
fn pass(message: &Message, _: &Facts, wire: &mut Wire) {
    wire.ask(message);
}

pub(super) fn is_update(message: &Message, facts: &Facts) -> bool {
    facts.is_meta(message) && message.command == Command::UPDATE_AGENT.0
}

pub(super) fn is_root_path(message: &Message, facts: &Facts) -> bool {
    facts.is_meta(message) && message.command == Command::GET_ROOT_PATH.0
}

/// Whether a meta message that is known does not decode.
fn is_malformed(message: &Message, facts: &Facts) -> bool {
    let data = message.data.as_slice();
    facts.is_meta(message)
        && match Command(message.command) {
            Command::UPDATE_AGENT => UpdateAgent::decode(data).is_err(),
            Command::GET_ROOT_PATH => GetRootPath::decode(data).is_err(),
            Command::OPEN_SESSION if !facts.is_v1 => OpenSession::decode(data).is_err(),
            _ => false,
        }
}

/// Whether there are bytes behind the last field.
fn has_rest(message: &Message, facts: &Facts) -> bool {
    let data = message.data.as_slice();
    let rest = match Command(message.command) {
        Command::UPDATE_AGENT => UpdateAgent::decode(data).map(|(_, rest)| rest),
        Command::GET_ROOT_PATH => GetRootPath::decode(data).map(|(_, rest)| rest),
        Command::OPEN_SESSION if !facts.is_v1 => OpenSession::decode(data).map(|(_, rest)| rest),
        _ => return false,
    };
    facts.is_meta(message) && rest.is_ok_and(|rest| rest > 0)
}

/// Has an update changed before the agent gets it.
pub(super) fn with_update(
    mut message: Message,
    facts: &Facts,
    wire: &mut Wire,
    change: impl FnOnce(&mut UpdateAgent<'_>),
) {
    if is_update(&message, facts) {
        let data = message.data.clone();
        if let Ok((mut update, _)) = UpdateAgent::decode(&data) {
            change(&mut update);
            if let Ok(changed) = update.encode() {
                message.data = changed;
            }
        }
    }
    wire.ask(&message);
}

/// Has each file of an update changed.
pub(super) fn with_files(message: Message, facts: &Facts, wire: &mut Wire, change: fn(&mut UpdateFile<'_>)) {
    with_update(message, facts, wire, |update| {
        update.assemblies.iter_mut().chain(&mut update.extensions).for_each(change);
    });
}

/// The path in the answer to Get Agent Root Path.
fn path(message: &Message) -> Option<String> {
    let answers = message.command == Command::GET_ROOT_PATH.0;
    let path = Reader::new(&message.data).string("path").ok().map(str::to_owned);
    path.filter(|_| answers)
}

fn answer_otherwise(mut message: Message, wire: &mut Wire, bytes: fn(&str) -> Vec<u8>) {
    if let Some(path) = path(&message) {
        message.data = bytes(&path);
    }
    wire.tell(&message);
}

/// Has the path of an answer changed.
pub(super) fn otherwise_prefixed(mut message: Message, wire: &mut Wire, change: fn(&str) -> String) {
    if let Some(path) = path(&message) {
        message.data = prefixed(&change(&path));
    }
    wire.tell(&message);
}

fn prefixed(path: &str) -> Vec<u8> {
    let mut writer = Writer::new();
    // It was the path of an answer before.
    let _ = writer.string("path", path);
    writer.into_bytes()
}

/// Meddles with strings whose prefix is longer than it needs to be (DAT-6).
fn has_overlong_prefix(message: &Message, facts: &Facts) -> bool {
    let Ok((update, rest)) = UpdateAgent::decode(&message.data) else { return false };
    is_update(message, facts) && update.encode().is_ok_and(|bytes| bytes.len() + rest != message.data.len())
}

pub(super) const FAULTS: &[Fault] = &[
    // ------------------------------------------------------------------ strings and numbers
    Fault {
        name: "strings-in-utf-16",
        response: Some(|message, _, wire| {
            answer_otherwise(message, wire, |path| {
                let bytes: Vec<u8> = path.encode_utf16().flat_map(u16::to_le_bytes).collect();
                let mut answer = vec![u8::try_from(bytes.len() & 0x7f).unwrap_or(0) | 0x80];
                answer.push(u8::try_from(bytes.len() >> 7).unwrap_or(0));
                answer.extend(bytes);
                answer
            });
        }),
        ..CORRECT
    },
    Fault {
        name: "string-lengths-in-four-bytes",
        response: Some(|message, _, wire| {
            answer_otherwise(message, wire, |path| {
                let length = u32::try_from(path.len()).unwrap_or(u32::MAX);
                [&length.to_le_bytes()[..], path.as_bytes()].concat()
            });
        }),
        ..CORRECT
    },
    Fault {
        name: "strings-with-a-byte-order-mark",
        response: Some(|message, _, wire| {
            answer_otherwise(message, wire, |path| prefixed(&format!("\u{feff}{path}")));
        }),
        ..CORRECT
    },
    Fault {
        name: "strings-end-with-zero",
        response: Some(|message, _, wire| {
            answer_otherwise(message, wire, |path| prefixed(&format!("{path}\0")))
        }),
        ..CORRECT
    },
    Fault {
        name: "numbers-big-endian",
        request: Some(|mut message, facts, wire| {
            if facts.is_meta(&message) {
                message.command = message.command.swap_bytes();
            }
            wire.ask(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "negative-counts-are-none",
        request: Some(|mut message, facts, wire| {
            if is_update(&message, facts) && message.data.len() >= 9 {
                for at in [1, 5] {
                    if number(&message.data, at) < 0 {
                        message.data[at..at + 4].fill(0);
                    }
                }
            }
            wire.ask(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "missing-bytes-are-zero",
        request: Some(|mut message, facts, wire| {
            if is_malformed(&message, facts) {
                message.data.extend([0; 16]);
            }
            wire.ask(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "overlong-prefixes-refused",
        request: Some(|message, facts, wire| {
            if !has_overlong_prefix(&message, facts) {
                wire.ask(&message);
            }
        }),
        ..CORRECT
    },
    // ------------------------------------------------------------------ Get Agent Root Path
    Fault {
        name: "root-path-of-hedgehog-unanswered",
        request: Some(|message, facts, wire| {
            if !(is_root_path(&message, facts) && message.data.first() == Some(&3)) {
                wire.ask(&message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "root-path-with-an-agent-type",
        response: Some(|mut message, _, wire| {
            if path(&message).is_some() {
                message.data.insert(0, 1);
            }
            wire.tell(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "one-root-path-for-all",
        settings: Some(|settings| {
            let roots = &mut settings.policy.roots;
            roots.buildmaster.clone_from(&roots.otter);
            roots.hedgehog.clone_from(&roots.otter);
        }),
        ..CORRECT
    },
    Fault {
        name: "root-paths-swapped",
        settings: Some(|settings| {
            let roots = &mut settings.policy.roots;
            std::mem::swap(&mut roots.buildmaster, &mut roots.hedgehog);
        }),
        ..CORRECT
    },
    Fault {
        name: "answers-with-command-0",
        response: Some(|mut message, _, wire| {
            if path(&message).is_some() {
                message.command = 0;
            }
            wire.tell(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "unknown-types-answered",
        request: Some(|mut message, facts, wire| {
            if is_root_path(&message, facts)
                && let Some(kind @ (0 | 4..)) = message.data.first_mut()
            {
                *kind = 1;
            }
            wire.ask(&message);
        }),
        ..CORRECT
    },
    // ------------------------------------------------------------------ Update Agent
    Fault {
        name: "updates-of-the-next-product",
        request: Some(|message, facts, wire| {
            with_update(message, facts, wire, |update| {
                update.agent_type = AgentType(match update.agent_type.0 {
                    kind @ 1..=2 => kind + 1,
                    3 => 1,
                    kind => kind,
                });
            });
        }),
        ..CORRECT
    },
    Fault {
        name: "name-lengths-of-one-byte",
        request: Some(|message, facts, wire| {
            // A name of 128 bytes and more has a length that makes no sense to it.
            with_update(message, facts, wire, |update| {
                let fits = |file: &UpdateFile<'_>| file.name.len() < 0x80;
                if !update.assemblies.iter().chain(&update.extensions).all(fits) {
                    (update.assemblies, update.extensions) = (Vec::new(), Vec::new());
                }
            });
        }),
        ..CORRECT
    },
    Fault {
        name: "extensions-lost",
        request: Some(|message, facts, wire| {
            with_update(message, facts, wire, |update| update.extensions.clear())
        }),
        ..CORRECT
    },
    Fault {
        name: "extensions-among-assemblies",
        request: Some(|message, facts, wire| {
            with_update(message, facts, wire, |update| update.assemblies.append(&mut update.extensions));
        }),
        ..CORRECT
    },
    Fault {
        name: "updates-answered",
        request: Some(|message, facts, wire| {
            if is_update(&message, facts) {
                wire.tell(&Message::new(Command::UPDATE_AGENT, []));
            }
            pass(&message, facts, wire);
        }),
        ..CORRECT
    },
    Fault {
        name: "extensions-of-type-0-left-out",
        request: Some(|message, facts, wire| {
            with_update(message, facts, wire, |update| {
                if update.agent_type == AgentType::META {
                    update.extensions.clear();
                }
            });
        }),
        ..CORRECT
    },
    Fault {
        name: "paths-in-names-cut-off",
        request: Some(|message, facts, wire| {
            with_files(message, facts, wire, |file| {
                if let Some(at) = file.name.rfind(['/', '\\']) {
                    file.name = file.name[at + 1..].to_owned().into();
                }
            });
        }),
        ..CORRECT
    },
    Fault {
        name: "bad-names-passed-over",
        request: Some(|message, facts, wire| {
            with_update(message, facts, wire, |update| {
                let good = |file: &UpdateFile<'_>| crate::agent::core::FileName::new(&file.name).is_ok();
                update.assemblies.retain(good);
                update.extensions.retain(good);
            });
        }),
        ..CORRECT
    },
    Fault {
        name: "device-names-taken",
        request: Some(|message, facts, wire| {
            with_files(message, facts, wire, |file| {
                let stem = file.name.split('.').next().unwrap_or_default().to_ascii_uppercase();
                if ["CON", "PRN", "AUX", "NUL"].contains(&stem.as_str()) {
                    file.name = format!("{}_", file.name).into();
                }
            });
        }),
        ..CORRECT
    },
    Fault {
        name: "two-dots-refused",
        request: Some(|message, facts, wire| {
            let dotted = |data: &[u8]| {
                UpdateAgent::decode(data).is_ok_and(|(update, _)| {
                    update.assemblies.iter().chain(&update.extensions).any(|file| file.name.contains(".."))
                })
            };
            if !(is_update(&message, facts) && dotted(&message.data)) {
                wire.ask(&message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "times-of-files-forgotten",
        request: Some(|message, facts, wire| {
            with_files(message, facts, wire, |file| {
                if let Ok(other) = Ticks::new(636_636_672_000_000_000) {
                    file.modified = other;
                }
            });
        }),
        ..CORRECT
    },
    Fault {
        name: "times-of-files-an-hour-off",
        request: Some(|message, facts, wire| {
            with_files(message, facts, wire, |file| {
                if let Ok(other) = Ticks::new(file.modified.get().saturating_add(36_000_000_000)) {
                    file.modified = other;
                }
            });
        }),
        ..CORRECT
    },
    Fault {
        name: "contents-end-at-a-zero",
        request: Some(|message, facts, wire| {
            with_files(message, facts, wire, |file| {
                if let Some(at) = file.contents.iter().position(|byte| *byte == 0) {
                    file.contents = file.contents[..at].to_vec().into();
                }
            });
        }),
        ..CORRECT
    },
    Fault {
        name: "only-the-first-file-is-written",
        request: Some(|message, facts, wire| {
            with_update(message, facts, wire, |update| update.assemblies.truncate(1));
        }),
        ..CORRECT
    },
    // ------------------------------------------------------------------ what is malformed or unknown
    Fault {
        name: "malformed-messages-answered",
        request: Some(|message, facts, wire| {
            if is_malformed(&message, facts) {
                wire.tell(&Message::new(Command(message.command), b"\x05error".to_vec()));
            }
            pass(&message, facts, wire);
        }),
        ..CORRECT
    },
    Fault {
        name: "malformed-messages-close",
        request: Some(|message, facts, wire| {
            if is_malformed(&message, facts) {
                wire.cut = Some(Cut::Close);
            }
            pass(&message, facts, wire);
        }),
        ..CORRECT
    },
    Fault {
        name: "malformed-messages-crash",
        request: Some(|message, facts, wire| {
            if is_malformed(&message, facts) {
                crate::faults::fault::die();
            }
            pass(&message, facts, wire);
        }),
        ..CORRECT
    },
    Fault {
        name: "bytes-behind-the-last-field-refused",
        request: Some(|message, facts, wire| {
            if !has_rest(&message, facts) {
                pass(&message, facts, wire);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "unknown-commands-close",
        request: Some(|message, facts, wire| {
            if facts.is_meta(&message) && !(1..=3).contains(&message.command) {
                wire.cut = Some(Cut::Close);
            }
            pass(&message, facts, wire);
        }),
        ..CORRECT
    },
    Fault {
        name: "unknown-commands-answered",
        request: Some(|message, facts, wire| {
            if facts.is_meta(&message) && !(1..=3).contains(&message.command) {
                wire.tell(&Message::new(Command(message.command), []));
            }
            pass(&message, facts, wire);
        }),
        ..CORRECT
    },
    Fault {
        name: "unknown-targets-close",
        request: Some(|message, facts, wire| {
            if message.target.is_some_and(|target| target > 3) {
                wire.cut = Some(Cut::Close);
            }
            pass(&message, facts, wire);
        }),
        ..CORRECT
    },
    Fault {
        name: "version-1-ranges-framed-as-version-2",
        request: Some(|mut message, facts, wire| {
            // A client of ranges that is told 1000 is taken for one whose messages have no agent type.
            if facts.is_v1 && !facts.is_v1_hello() && !message.data.is_empty() {
                message.target = Some(message.data.remove(0));
            }
            pass(&message, facts, wire);
        }),
        ..CORRECT
    },
];
