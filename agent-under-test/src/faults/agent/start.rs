//! Faults of an agent that is to start: what it makes of its configuration (CFG, AES-8).

use std::io::Write as _;
use std::time::Duration;

use crate::agent::settings::{EncryptionMode, parse_config};
use crate::faults::fault::{CORRECT, Fault};

/// What stands between two marks of a text, if both are there.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<(usize, &'a str)> {
    let start = text.find(before)? + before.len();
    let length = text[start..].find(after)?;
    Some((start, &text[start..start + length]))
}

/// Has what stands between two marks replaced.
fn with(text: &str, before: &str, after: &str, change: impl FnOnce(&str) -> Option<String>) -> String {
    let Some((start, old)) = between(text, before, after) else { return text.to_owned() };
    let Some(new) = change(old) else { return text.to_owned() };
    format!("{}{new}{}", &text[..start], &text[start + old.len()..])
}

/// The elements of a configuration file (CFG-1).
const KNOWN: [&str; 22] = [
    "InedoAgentConfig",
    "LogFile",
    "ExtensionCachePath",
    "BuildMasterRootPath",
    "OtterRootPath",
    "HedgehogRootPath",
    "Listener",
    "Encryption",
    "CertificateName",
    "Key",
    "Address",
    "Port",
    "MaxConcurrentHandshakes",
    "HandshakeTimeout",
    "AllowedAddresses",
    "Connections",
    "Server",
    "SessionTimeout",
    "UpdatePath",
    "ProductHost",
    "Versions",
    "?xml",
];

/// A text without the elements that nobody knows.
fn without_unknown(text: &str) -> String {
    let mut rest = text.to_owned();
    let mut at = 0;
    while let Some(open) = rest[at..].find('<').map(|open| at + open) {
        let name: String =
            rest[open + 1..].chars().take_while(|c| c.is_alphanumeric() || "?!".contains(*c)).collect();
        let is_end = rest[open + 1..].starts_with('/');
        if is_end || name.is_empty() || name.starts_with('!') || KNOWN.contains(&name.as_str()) {
            at = open + 1;
            continue;
        }
        let Some(shut) = rest[open..].find('>').map(|shut| open + shut + 1) else { break };
        let closing = format!("</{name}>");
        let end = if rest[..shut].ends_with("/>") {
            shut
        } else {
            rest[shut..].find(&closing).map_or(shut, |end| shut + end + closing.len())
        };
        rest.replace_range(open..end, "");
        at = open;
    }
    rest
}

/// Whether this is a configuration that the correct agent refuses.
fn is_refused(text: &str) -> bool {
    parse_config("the configuration", text).is_err()
}

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "refuses-with-status-0",
        config: Some(|text| {
            if is_refused(text) {
                // Whether or not somebody reads it, the process is over.
                let _ = writeln!(std::io::stderr(), "the configuration is wrong");
                std::process::exit(0);
            }
            text.to_owned()
        }),
        ..CORRECT
    },
    Fault {
        name: "refuses-without-a-word",
        config: Some(|text| {
            if is_refused(text) {
                std::process::exit(1);
            }
            text.to_owned()
        }),
        ..CORRECT
    },
    Fault { name: "runs-on-after-the-stop-signal", runs_on: true, ..CORRECT },
    Fault {
        name: "unknown-mode-falls-back-to-none",
        config: Some(|text| {
            with(text, "Mode=\"", "\"", |mode| {
                (!["none", "ssl", "aes"].contains(&mode)).then(|| "none".to_owned())
            })
        }),
        ..CORRECT
    },
    Fault {
        name: "bad-key-is-filled-up",
        config: Some(|text| {
            with(text, "<Key>", "</Key>", |key| {
                let digits: String =
                    key.chars().filter(char::is_ascii_hexdigit).chain("0".repeat(64).chars()).collect();
                (key.len() != 32 && key.len() != 64).then(|| digits[..64].to_owned())
            })
        }),
        ..CORRECT
    },
    Fault {
        name: "no-key-falls-back-to-none",
        choices: Some(|choices| {
            let is_aes = choices.encryption.as_ref().is_some_and(|mode| mode.value == EncryptionMode::Aes);
            if is_aes && choices.aes_key.is_none() {
                choices.encryption = None;
            }
        }),
        ..CORRECT
    },
    Fault { name: "unknown-elements-passed-over", config: Some(without_unknown), ..CORRECT },
    Fault {
        name: "bad-numbers-left-out",
        config: Some(|text| {
            let mut text = text.to_owned();
            for name in ["HandshakeTimeout", "MaxConcurrentHandshakes", "SessionTimeout"] {
                let (open, close) = (format!("<{name}>"), format!("</{name}>"));
                if between(&text, &open, &close)
                    .is_some_and(|(_, value)| value.trim().parse::<u32>().is_err())
                {
                    let start = text.find(&open).unwrap_or(0);
                    let end = text.find(&close).map_or(text.len(), |end| end + close.len());
                    text.replace_range(start..end, "");
                }
            }
            text
        }),
        ..CORRECT
    },
    Fault {
        name: "handshake-timeout-in-milliseconds",
        choices: Some(|choices| {
            choices.handshake_timeout = choices.handshake_timeout.map(|timeout| timeout / 1000);
        }),
        ..CORRECT
    },
    Fault {
        name: "default-timeout-of-ten-minutes",
        choices: Some(|choices| {
            choices.handshake_timeout.get_or_insert(Duration::from_secs(600));
        }),
        ..CORRECT
    },
    Fault {
        name: "configured-root-paths-ignored",
        choices: Some(|choices| {
            choices.otter_root = None;
            choices.buildmaster_root = None;
        }),
        ..CORRECT
    },
    Fault {
        name: "configured-maximum-ignored",
        choices: Some(|choices| choices.max_concurrent_handshakes = None),
        ..CORRECT
    },
    Fault {
        name: "byte-order-mark-refused",
        config: Some(|text| match text.strip_prefix('\u{feff}') {
            Some(rest) => format!("?{rest}"),
            None => text.to_owned(),
        }),
        ..CORRECT
    },
    Fault {
        name: "only-the-first-allowed-address",
        config: Some(|text| {
            with(text, "<AllowedAddresses>", "</AllowedAddresses>", |list| {
                list.split(';').next().map(str::to_owned)
            })
        }),
        ..CORRECT
    },
];
