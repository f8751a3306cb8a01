//! Faults of TLS: how it begins, and what came before it.

use crate::agent::core::RequiredEncryption;
use crate::faults::fault::{CORRECT, Fault};
use crate::faults::relay::Cut;
use crate::faults::talk::is_part_of_record;
use crate::faults::veil::Early;

pub(super) const FAULTS: &[Fault] = &[
    Fault { name: "plaintext-before-tls-served", ends_tls: Some(Early::Served), ..CORRECT },
    Fault { name: "plaintext-before-tls-dropped", ends_tls: Some(Early::Dropped), ..CORRECT },
    Fault {
        name: "tls-hello-in-one-read",
        read: Some(|bytes, facts, wire| {
            let is_ssl = matches!(facts.around.settings.policy.encryption, RequiredEncryption::Ssl(_));
            if is_ssl && facts.acknowledged && facts.count == 0 {
                facts.count = 1;
                if is_part_of_record(bytes) {
                    wire.cut = Some(Cut::Close);
                }
            }
        }),
        ..CORRECT
    },
];
