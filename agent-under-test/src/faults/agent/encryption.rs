//! Faults of AES and TLS.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls_pki_types::PrivatePkcs8KeyDer;

use super::handshake::FOR_EVER;
use crate::agent::core::{NoVector, RequiredEncryption, VectorSource};
use crate::agent::settings::Settings;
use crate::faults::fault::{CORRECT, Fault};
use crate::faults::relay::Wire;
use crate::faults::talk::number;
use crate::protocol::{Cipher, Command, InitializationVector, Key, Padding};

pub(super) const FAULTS: &[Fault] = &[
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

fn with_cipher(settings: &mut Settings, change: fn(Key, Padding) -> (Key, Padding)) {
    if let RequiredEncryption::Aes { cipher, .. } = &mut settings.policy.encryption {
        let (key, padding) = change(cipher.key(), cipher.padding());
        if let Ok(other) = Cipher::new(key, padding) {
            *cipher = other;
        }
    }
}

/// Makes an acknowledgement without encryption announce a mode.
pub(super) fn announce(acknowledgement: &mut Vec<u8>, encryption: &RequiredEncryption) {
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
fn answer_in_clear(bytes: &mut Vec<u8>, wire: &mut Wire) {
    let command = Command::GET_ROOT_PATH.0;
    let v2 = number(bytes, 0) == 1 && number(bytes, 4) == command;
    let v1 = number(bytes, 0) == 1 && number(bytes, 5) == command;
    if v1 || v2 {
        bytes.clear();
        wire.to_client.extend_from_slice(b"\x05\0\0\0\x03\0\0\0\x04/tmp");
    }
}
