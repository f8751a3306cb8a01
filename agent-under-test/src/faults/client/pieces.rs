//! Faults of a client that handles text and contents piece by piece, and of one that takes UTC for local time.

use serde_json::{Value, json};

use crate::faults::chunks;
use crate::faults::fault::{CORRECT, Fault};

/// Has each file of an update changed before the client gets to know of it.
fn each_file(request: &mut Value, change: impl Fn(&mut Value)) {
    for kind in ["assemblies", "extensions"] {
        request[kind].as_array_mut().into_iter().flatten().for_each(&change);
    }
}

/// Has hexadecimal bytes changed.
fn with_bytes(value: &mut Value, change: impl FnOnce(&mut Vec<u8>)) {
    if let Some(mut bytes) = value.as_str().and_then(|text| hex::decode(text).ok()) {
        change(&mut bytes);
        *value = hex::encode(bytes).into();
    }
}

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "client-names-encoded-in-pieces",
        told: Some(|request| {
            if request["op"] == "update_agent" {
                each_file(request, |file| {
                    if let Some(name) = file["name"].as_str() {
                        file["name"] = chunks::encoded_in_pieces(name).into();
                    }
                });
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-paths-decoded-in-pieces",
        answered: Some(|answer, _| {
            if let Some(path) = answer["ok"]["path"].as_str() {
                answer["ok"]["path"] = json!(chunks::decoded_in_pieces(path, 0));
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-contents-with-pieces-swapped",
        told: Some(|request| {
            if request["op"] == "update_agent" {
                each_file(request, |file| with_bytes(&mut file["contents"], |bytes| chunks::swap(bytes)));
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-contents-with-a-piece-lost",
        told: Some(|request| {
            if request["op"] == "update_agent" {
                each_file(request, |file| with_bytes(&mut file["contents"], chunks::lose));
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-times-through-local-time",
        told: Some(|request| {
            if request["op"] == "update_agent" {
                each_file(request, |file| {
                    let ticks = file["modified_ticks"].as_str().and_then(|text| text.parse::<i64>().ok());
                    if let Some(ticks) = ticks {
                        file["modified_ticks"] = (ticks + chunks::local_ticks()).to_string().into();
                    }
                });
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "client-data-with-a-piece-doubled",
        response: Some(|mut message, _, wire| {
            chunks::double(&mut message.data);
            wire.tell(&message);
        }),
        ..CORRECT
    },
    Fault {
        name: "client-data-with-pieces-swapped",
        told: Some(|request| {
            if request["op"] == "send" {
                with_bytes(&mut request["data"], |bytes| chunks::swap(bytes));
            }
        }),
        ..CORRECT
    },
];
