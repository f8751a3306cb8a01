//! Faults of how a message stands in its encrypted part (AES-1). The agent after the relay speaks in plaintext, and the
//! relay encrypts for it.

use super::encryption::announce;
use crate::agent::core::RequiredEncryption;
use crate::agent::settings::Settings;
use crate::faults::fault::{CORRECT, Fault};
use crate::faults::relay::Wire;
use crate::faults::talk::{Facts, Message, number};
use crate::protocol::{Cipher, InitializationVector};

/// The vector of every message, in both directions: what it is touches only the first block (AES-H1).
const VECTOR: InitializationVector = InitializationVector([0x5a; 16]);

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "aes-next-vector-at-the-end",
        response: Some(|message, facts, wire| {
            let plain = [&message.command.to_le_bytes(), message.data.as_slice(), &VECTOR.0].concat();
            seal(plain, facts, wire, |sealed| sealed.len());
        }),
        ..IN_CLEAR
    },
    Fault {
        name: "aes-length-of-the-plaintext",
        response: Some(|message, facts, wire| {
            let plain = plaintext(&message);
            let length = plain.len();
            seal(plain, facts, wire, move |_| length);
        }),
        ..IN_CLEAR
    },
    Fault {
        name: "aes-command-before-the-vector",
        response: Some(|message, facts, wire| {
            let plain = [&message.command.to_le_bytes(), &VECTOR.0[..], &message.data].concat();
            seal(plain, facts, wire, |sealed| sealed.len());
        }),
        ..IN_CLEAR
    },
    Fault {
        name: "aes-version-1-without-agent-type",
        read: Some(|bytes, facts, _| opened(bytes, facts, true)),
        response: Some(|message, facts, wire| seal(plaintext(&message), facts, wire, |sealed| sealed.len())),
        ..IN_CLEAR
    },
];

/// An agent that speaks in plaintext to the relay, which decrypts and encrypts.
const IN_CLEAR: Fault = Fault {
    settings: Some(in_clear),
    acknowledgement: Some(|acknowledgement, facts, _| {
        announce(acknowledgement, &facts.around.settings.policy.encryption);
    }),
    read: Some(|bytes, facts, _| opened(bytes, facts, false)),
    ..CORRECT
};

fn in_clear(settings: &mut Settings) {
    settings.policy.encryption = RequiredEncryption::None;
}

fn cipher(facts: &Facts) -> Option<Cipher> {
    match &facts.around.settings.policy.encryption {
        RequiredEncryption::Aes { cipher, .. } => Some(cipher.clone()),
        _ => None,
    }
}

/// Next vector, command, data.
fn plaintext(message: &Message) -> Vec<u8> {
    [&VECTOR.0[..], &message.command.to_le_bytes(), &message.data].concat()
}

/// Encrypts a plaintext for the client, after a length that is worked out from the encrypted part.
fn seal(mut plain: Vec<u8>, facts: &Facts, wire: &mut Wire, length: impl FnOnce(&[u8]) -> usize) {
    let Some(cipher) = cipher(facts) else { return };
    if cipher.encrypt(&VECTOR, &mut plain, 0).is_ok() {
        wire.to_client.extend(i32::try_from(length(&plain)).unwrap_or(i32::MAX).to_le_bytes());
        wire.to_client.extend_from_slice(&plain);
    }
}

/// Replaces encrypted messages by the same in plain framing. What is not whole yet waits for the rest.
fn opened(bytes: &mut Vec<u8>, facts: &mut Facts, without_type: bool) {
    let Some(cipher) = cipher(facts).filter(|_| facts.acknowledged) else { return };
    facts.rest.append(bytes);
    while let Ok(length) = usize::try_from(number(&facts.rest, 0))
        && length > 0
        && facts.rest.len() >= 4 + length
    {
        let mut sealed: Vec<u8> = facts.rest.drain(..4 + length).skip(4).collect();
        let Some(message) = cipher.decrypt(&VECTOR, &mut sealed).ok().and_then(|plain| plain.get(16..))
        else {
            return;
        };
        let head = 4 + usize::from(facts.is_v1 && !without_type);
        let data = message.len().saturating_sub(head);
        bytes.extend(i32::try_from(data).unwrap_or(i32::MAX).to_le_bytes());
        if facts.is_v1 && without_type {
            bytes.push(0);
        }
        bytes.extend_from_slice(message);
    }
}
