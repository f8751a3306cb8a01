//! Faults of handshakes, framing and encryption.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls_pki_types::PrivatePkcs8KeyDer;

use crate::agent::core::{NoVector, RequiredEncryption, VectorSource, Versions};
use crate::faults::fault::{CORRECT, Fault};
use crate::faults::relay::Cut;
use crate::faults::talk::{HELLO, is_protocol, number, skip};
use crate::protocol::{Cipher, Command, InitializationVector, Key, PROTOCOL_ID, Padding};

/// A time that no run waits for.
const FOR_EVER: Duration = Duration::from_secs(24 * 3600);

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
    // ------------------------------------------------------------------ framing
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
    // ------------------------------------------------------------------ AES
    Fault {
        name: "announced-vectors-repeat",
        settings: Some(|settings| {
            if let RequiredEncryption::Aes { vectors, .. } = &mut settings.policy.encryption {
                *vectors = Arc::new(Constant);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "only-half-of-a-long-key",
        settings: Some(|settings| {
            with_cipher(settings, |key, padding| {
                let half = |key: [u8; 32]| {
                    let mut half = [0; 16];
                    half.copy_from_slice(&key[..16]);
                    half
                };
                (if let Key::Aes256(key) = key { Key::Aes128(half(key)) } else { key }, padding)
            })
        }),
        ..CORRECT
    },
    Fault {
        name: "padded-with-zeros",
        settings: Some(|settings| {
            with_cipher(settings, |key, padding| {
                (key, if padding == Padding::Pkcs7 { Padding::Zeros } else { Padding::Pkcs7 })
            })
        }),
        ..CORRECT
    },
    Fault {
        name: "acknowledgement-encrypted",
        acknowledgement: Some(|acknowledgement, _, _| {
            if acknowledgement[0] == 2 {
                acknowledgement[17..].iter_mut().for_each(|byte| *byte ^= 0xa5);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "aes-announced-messages-in-clear",
        settings: Some(|settings| settings.policy.encryption = RequiredEncryption::None),
        acknowledgement: Some(|acknowledgement, facts, _| {
            announce(acknowledgement, &facts.around.settings.policy.encryption);
        }),
        ..CORRECT
    },
    Fault {
        name: "ssl-announced-messages-in-clear",
        settings: Some(|settings| {
            if matches!(settings.policy.encryption, RequiredEncryption::Ssl(_)) {
                settings.policy.encryption = RequiredEncryption::None;
            }
        }),
        acknowledgement: Some(|acknowledgement, facts, _| {
            announce(acknowledgement, &facts.around.settings.policy.encryption);
        }),
        ..CORRECT
    },
    Fault {
        name: "undecryptable-messages-answered",
        agent_ended: Some(|facts, wire| {
            if facts.acknowledged
                && matches!(facts.around.settings.policy.encryption, RequiredEncryption::Aes { .. })
            {
                wire.to_client.extend_from_slice(b"\x08\0\0\0\xff\xff\xff\xffbad data");
            }
            wire.finish_client = true;
        }),
        ..CORRECT
    },
    Fault {
        name: "plaintext-answered-beside-aes",
        read: Some(|bytes, facts, wire| {
            let aes = matches!(facts.around.settings.policy.encryption, RequiredEncryption::Aes { .. });
            if aes && facts.acknowledged {
                answer_in_clear(bytes, wire);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "plaintext-answered-beside-ssl",
        read: Some(|bytes, facts, wire| {
            let ssl = matches!(facts.around.settings.policy.encryption, RequiredEncryption::Ssl(_));
            if ssl && facts.acknowledged {
                answer_in_clear(bytes, wire);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "presents-a-certificate-of-its-own",
        settings: Some(|settings| {
            if let RequiredEncryption::Ssl(config) = &mut settings.policy.encryption
                && let Some(other) = with_own_certificate()
            {
                *config = other;
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "tls-may-take-for-ever",
        settings: Some(|settings| settings.policy.handshake_timeout = FOR_EVER),
        deadline: Some(|facts, _| {
            (!facts.acknowledged).then_some(facts.around.settings.policy.handshake_timeout)
        }),
        ..CORRECT
    },
];

/// TLS with a certificate that nobody has configured, signed by itself.
fn with_own_certificate() -> Option<Arc<ServerConfig>> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).ok()?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().ok()?.with_no_client_auth();
    builder.with_single_cert(vec![made.cert.der().clone()], key.into()).ok().map(Arc::new)
}

/// The same vector again and again.
#[derive(Debug)]
struct Constant;

impl VectorSource for Constant {
    fn vector(&self) -> Result<InitializationVector, NoVector> {
        Ok(InitializationVector([0x5a; 16]))
    }
}

fn with_cipher(settings: &mut crate::agent::settings::Settings, change: fn(Key, Padding) -> (Key, Padding)) {
    if let RequiredEncryption::Aes { cipher, .. } = &mut settings.policy.encryption {
        let (key, padding) = change(cipher.key(), cipher.padding());
        if let Ok(other) = Cipher::new(key, padding) {
            *cipher = other;
        }
    }
}

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

/// Makes an acknowledgement without encryption announce a mode.
fn announce(acknowledgement: &mut Vec<u8>, encryption: &RequiredEncryption) {
    match encryption {
        RequiredEncryption::None => {}
        RequiredEncryption::Ssl(_) => acknowledgement[0] = 1,
        RequiredEncryption::Aes { .. } => {
            acknowledgement[0] = 2;
            acknowledgement.splice(1..1, [0x5a; 16]);
        }
    }
}

/// Answers a request for a root path that comes in clear, and keeps it from the agent.
fn answer_in_clear(bytes: &mut Vec<u8>, wire: &mut crate::faults::relay::Wire) {
    let command = Command::GET_ROOT_PATH.0;
    let v2 = number(bytes, 0) == 1 && number(bytes, 4) == command;
    let v1 = number(bytes, 0) == 1 && number(bytes, 5) == command;
    if v1 || v2 {
        bytes.clear();
        wire.to_client.extend_from_slice(b"\x05\0\0\0\x03\0\0\0\x04/tmp");
    }
}
