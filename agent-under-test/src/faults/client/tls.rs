//! What clients do wrong with TLS: how it begins, and what came before it.

use serde_json::{Value, json};

use crate::faults::fault::{CORRECT, Fault};
use crate::faults::relay::Cut;
use crate::faults::talk::is_part_of_record;
use crate::faults::veil::Early;

/// A client whose TLS ends at the relay.
const VEILED: Fault = Fault { told: Some(without_tls), answered: Some(as_if_by_tls), ..CORRECT };

/// The client behind the relay knows nothing of TLS.
fn without_tls(request: &mut Value) {
    if let Some(members) = request.as_object_mut()
        && members.remove("tls").is_some()
    {
        members.remove("require");
    }
}

/// What it answers is what it would have, had it spoken TLS itself.
fn as_if_by_tls(answer: &mut Value, request: &Value) {
    if request["op"] != "connect" || request.get("tls").is_none() {
        return;
    }
    if answer.get("ok").is_some() {
        answer["ok"]["encryption"] = json!(1);
    } else if answer["error"]["kind"] == "closed" {
        answer["error"]["kind"] = json!("tls");
    }
}

pub(super) const FAULTS: &[Fault] = &[
    Fault { name: "client-plaintext-before-tls-taken", ends_tls: Some(Early::Served), ..VEILED },
    Fault { name: "client-plaintext-before-tls-dropped", ends_tls: Some(Early::Dropped), ..VEILED },
    Fault {
        name: "client-tls-in-one-read",
        agent_read: Some(|bytes, facts, wire| {
            if facts.mode == 1 && facts.count == 0 {
                facts.count = 1;
                if is_part_of_record(bytes) {
                    wire.cut = Some(Cut::Close);
                }
            }
        }),
        ..CORRECT
    },
];
