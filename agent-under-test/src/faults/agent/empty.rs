//! Agents that are none: they do one thing, whatever a client says.

use crate::faults::fault::{CORRECT, Fault};
use crate::faults::relay::{Cut, Wire};
use crate::faults::talk::HELLO;

/// Keeps everything from the correct agent.
fn swallow(bytes: &mut Vec<u8>) -> Vec<u8> {
    std::mem::take(bytes)
}

fn acknowledge(wire: &mut Wire, server_version_size: usize) {
    wire.to_client.extend_from_slice(&[0, 0xd0, 7, 0, 0]);
    wire.to_client.extend_from_slice(&vec![0; server_version_size]);
}

pub(super) const AGENTS: &[Fault] = &[
    Fault { name: "empty-always-closes", begin: Some(|_, wire| wire.cut = Some(Cut::Close)), ..CORRECT },
    Fault { name: "empty-accepts-and-resets", begin: Some(|_, wire| wire.cut = Some(Cut::Reset)), ..CORRECT },
    Fault { name: "empty-never-answers", read: Some(|bytes, _, _| drop(swallow(bytes))), ..CORRECT },
    Fault {
        name: "empty-echoes",
        read: Some(|bytes, _, wire| wire.to_client.extend_from_slice(&swallow(bytes))),
        ..CORRECT
    },
    Fault {
        name: "empty-answers-at-random",
        read: Some(|bytes, facts, wire| {
            // Numbers that nobody can call chosen, and that are the same in every run.
            let mut state = u64::try_from(facts.number).unwrap_or(0) * 0x9e37_79b9_7f4a_7c15 + 1;
            for _ in 0..swallow(bytes).len().min(4096) {
                state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                let [.., high] = state.to_le_bytes();
                wire.to_client.extend_from_slice(&[high]);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "empty-always-acknowledges",
        read: Some(|bytes, facts, wire| {
            let before = facts.count;
            facts.count += swallow(bytes).len();
            if before < HELLO && facts.count >= HELLO {
                acknowledge(wire, facts.around.server_version_size);
            }
        }),
        ..CORRECT
    },
];
