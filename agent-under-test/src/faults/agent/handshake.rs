//! Faults of handshakes: protocol ID, acknowledgement, times and slots, negotiation.

use std::time::Duration;

use crate::agent::core::{RequiredEncryption, Versions};
use crate::faults::fault::{CORRECT, Fault};
use crate::faults::relay::Cut;
use crate::faults::talk::{HELLO, is_protocol};
use crate::protocol::PROTOCOL_ID;

/// A time that no run waits for.
pub(super) const FOR_EVER: Duration = Duration::from_secs(24 * 3600);

/// Where the first number of a handshake lies, and where the second.
const FIRST: usize = 16;
const SECOND: usize = 20;

pub(super) const FAULTS: &[Fault] = &[
    // ------------------------------------------------------------------ protocol ID
    Fault {
        name: "protocol-id-in-network-order",
        reads_any_id: true,
        hello: Some(|hello, _, _| {
            if hello.starts_with(PROTOCOL_ID.as_bytes()) {
                hello[..16].copy_from_slice(&PROTOCOL_ID.to_bytes_le());
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "protocol-id-unchecked",
        reads_any_id: true,
        hello: Some(|hello, _, _| hello[..16].copy_from_slice(&PROTOCOL_ID.to_bytes_le())),
        ..CORRECT
    },
    Fault {
        name: "protocol-id-half-checked",
        reads_any_id: true,
        hello: Some(|hello, _, _| {
            let id = PROTOCOL_ID.to_bytes_le();
            if hello.starts_with(&id[..8]) {
                hello[..16].copy_from_slice(&id);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "wrong-protocol-id-answered",
        reads_any_id: true,
        hello: Some(|hello, _, wire| {
            if !is_protocol(hello) {
                hello.clear();
                wire.to_client.extend_from_slice(b"\xff");
                wire.close();
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "wrong-protocol-id-sits-out-the-timeout",
        reads_any_id: true,
        hello: Some(|hello, _, _| {
            if !is_protocol(hello) {
                hello.clear();
            }
        }),
        ..CORRECT
    },
    // ------------------------------------------------------------------ acknowledgement
    Fault {
        name: "acknowledgement-mode-behind-value",
        acknowledgement: Some(|acknowledgement, _, _| acknowledgement[..5].rotate_left(1)),
        ..CORRECT
    },
    Fault {
        name: "acknowledgement-vector-in-every-mode",
        acknowledgement: Some(|acknowledgement, _, _| {
            if acknowledgement[0] != 2 {
                acknowledgement.splice(1..1, [0; 16]);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "acknowledgement-without-server-version",
        acknowledgement: Some(|acknowledgement, facts, _| {
            let left = acknowledgement.len() - facts.around.server_version_size;
            acknowledgement.truncate(left);
        }),
        ..CORRECT
    },
    Fault {
        name: "acknowledgement-big-endian",
        acknowledgement: Some(|acknowledgement, facts, _| {
            let end = acknowledgement.len() - facts.around.server_version_size;
            acknowledgement[end - 4..end].reverse();
        }),
        ..CORRECT
    },
    Fault {
        name: "acknowledges-before-the-handshake",
        begin: Some(|facts, wire| {
            // What an agent of both versions says most often, in clear.
            if matches!(facts.around.settings.policy.encryption, RequiredEncryption::None) {
                wire.to_client.extend_from_slice(&[0, 0xd0, 7, 0, 0]);
                wire.to_client.extend_from_slice(&vec![0; facts.around.server_version_size]);
            }
        }),
        acknowledgement: Some(|acknowledgement, facts, _| {
            if matches!(facts.around.settings.policy.encryption, RequiredEncryption::None) {
                acknowledgement.clear();
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "greets-behind-the-acknowledgement",
        acknowledgement: Some(|acknowledgement, _, _| {
            // A message of its own, which nobody has asked for.
            acknowledgement.extend([0, 0, 0, 0, 99, 0, 0, 0]);
        }),
        ..CORRECT
    },
    Fault {
        name: "version-1-clients-dropped",
        hello: Some(|hello, facts, wire| {
            if facts.is_v1_hello() {
                hello.clear();
                wire.cut = Some(Cut::Close);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "session-told-to-ranges",
        acknowledgement: Some(|acknowledgement, facts, _| {
            if facts.is_range() {
                replace_value(acknowledgement, facts.around.server_version_size, 7);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "server-version-wider-for-version-1",
        acknowledgement: Some(|acknowledgement, facts, _| {
            if facts.is_v1_hello() && facts.around.server_version_size == 4 {
                acknowledgement.extend([0; 12]);
            }
        }),
        ..CORRECT
    },
    // ------------------------------------------------------------------ times and slots
    Fault {
        name: "handshake-timeout-never-fires",
        settings: Some(|settings| settings.policy.handshake_timeout = FOR_EVER),
        ..CORRECT
    },
    Fault {
        name: "handshake-timeout-restarted-by-each-byte",
        settings: Some(|settings| settings.policy.handshake_timeout = FOR_EVER),
        deadline: Some(|facts, heard| {
            (!facts.acknowledged).then_some(heard + facts.around.settings.policy.handshake_timeout)
        }),
        ..CORRECT
    },
    Fault {
        name: "handshake-timeout-too-early",
        settings: Some(|settings| settings.policy.handshake_timeout /= 4),
        ..CORRECT
    },
    Fault { name: "handshakes-one-at-a-time", at_once: Some(1), ..CORRECT },
    Fault {
        name: "handshake-in-one-read",
        read: Some(|bytes, facts, wire| {
            facts.count += 1;
            if facts.count == 1 && bytes.len() < HELLO {
                wire.cut = Some(Cut::Close);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "bytes-behind-the-handshake-lost",
        read: Some(|bytes, facts, _| {
            if facts.count < HELLO {
                bytes.truncate(HELLO - facts.count);
                facts.count += bytes.len();
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "handshake-timeout-goes-on",
        deadline: Some(|facts, _| Some(facts.around.settings.policy.handshake_timeout)),
        ..CORRECT
    },
    Fault {
        name: "allowed-addresses-ignored",
        settings: Some(|settings| settings.allowed_addresses = Default::default()),
        ..CORRECT
    },
    Fault {
        name: "vanished-clients-keep-their-slots",
        begin: Some(|facts, wire| {
            let most = facts.around.settings.max_concurrent_handshakes as usize;
            if facts.around.counts().get("vanished").is_some_and(|vanished| *vanished >= most) {
                wire.cut = Some(Cut::Close);
            }
        }),
        client_ended: Some(|_, facts, wire| {
            if !facts.acknowledged {
                facts.around.count("vanished");
            }
            wire.finish_agent = true;
        }),
        ..CORRECT
    },
    Fault {
        name: "acknowledged-vector-always-the-same",
        acknowledgement: Some(|acknowledgement, _, _| {
            if acknowledgement[0] == 2 {
                acknowledgement[1..17].fill(0x5a);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "acknowledged-vector-repeats-later",
        acknowledgement: Some(|acknowledgement, facts, _| {
            if acknowledgement[0] == 2 {
                let [of_round, ..] = (facts.number % 16).to_le_bytes();
                acknowledgement[1..17].fill(of_round);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "too-many-handshakes-acknowledged",
        settings: Some(|settings| settings.max_concurrent_handshakes = u32::MAX),
        ..CORRECT
    },
    Fault {
        name: "a-full-house-stays-closed",
        begin: Some(|facts, wire| {
            let most = facts.around.settings.max_concurrent_handshakes as usize;
            let mut counts = facts.around.counts();
            let under_way = counts.entry("under way".to_owned()).or_default();
            *under_way += 1;
            let is_full = *under_way > most;
            let closed = counts.entry("closed".to_owned()).or_default();
            *closed += usize::from(is_full);
            if *closed > 0 {
                wire.cut = Some(Cut::Close);
            }
        }),
        acknowledgement: Some(|_, facts, _| leave_handshake(facts)),
        agent_ended: Some(|facts, wire| {
            if !facts.acknowledged {
                leave_handshake(facts);
            }
            wire.finish_client = true;
        }),
        ..CORRECT
    },
    // ------------------------------------------------------------------ negotiation
    Fault {
        name: "picks-the-lowest-version",
        hello: Some(|hello, facts, _| {
            if facts.is_range() && facts.first() <= 1000 && facts.second() >= 2000 {
                replace(hello, FIRST, 1000);
                replace(hello, SECOND, 1000);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "no-common-version-acknowledged",
        hello: Some(|hello, facts, _| {
            let versions = facts.around.settings.policy.versions;
            if facts.is_range() && facts.first() > 2000 && versions != Versions::V1 {
                replace(hello, FIRST, 2000);
                replace(hello, SECOND, 2000);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "sessions-read-as-ranges",
        hello: Some(|hello, facts, wire| {
            if facts.is_v1_hello() && facts.second() != 0 {
                hello.clear();
                wire.cut = Some(Cut::Close);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "minimum-and-maximum-swapped",
        hello: Some(|hello, facts, _| {
            if facts.is_range() && facts.first() > facts.second() {
                replace(hello, FIRST, facts.second());
                replace(hello, SECOND, facts.first());
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "version-1-agent-takes-any-version",
        hello: Some(|hello, facts, _| {
            if facts.around.settings.policy.versions == Versions::V1 {
                replace(hello, FIRST, 1000);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "version-1-agent-echoes-what-looks-like-a-version",
        acknowledgement: Some(|acknowledgement, facts, _| {
            if facts.around.settings.policy.versions == Versions::V1 && facts.second() >= 1000 {
                replace_value(acknowledgement, facts.around.server_version_size, facts.second());
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "later-versions-refused",
        hello: Some(|hello, facts, wire| {
            if facts.is_range() && facts.second() > 2000 {
                hello.clear();
                wire.cut = Some(Cut::Close);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "version-changes-between-connections",
        hello: Some(|hello, facts, _| {
            let both = facts.around.settings.policy.versions == Versions::BOTH;
            if both && facts.is_range() && facts.first() <= 1000 && facts.second() >= 2000 {
                let turn = facts.around.count(&format!("{} {}", facts.first(), facts.second()));
                if turn % 2 == 1 {
                    replace(hello, FIRST, 1000);
                    replace(hello, SECOND, 1000);
                }
            }
        }),
        ..CORRECT
    },
];

fn replace(hello: &mut [u8], at: usize, value: i32) {
    hello[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn replace_value(acknowledgement: &mut [u8], server_version_size: usize, value: i32) {
    let end = acknowledgement.len() - server_version_size;
    acknowledgement[end - 4..end].copy_from_slice(&value.to_le_bytes());
}

fn leave_handshake(facts: &crate::faults::talk::Facts) {
    if let Some(under_way) = facts.around.counts().get_mut("under way") {
        *under_way = under_way.saturating_sub(1);
    }
}
