//! The settings that agents are started with: what a case asks for, and what stands where it asks for nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;

use super::running::PROBE_HOST;
use crate::subject::placeholders::Values;
use crate::subject::{Ground, Manifest};
use crate::terms::{Encryption, word};
use crate::vectors::transcript::entry::Settings;
use crate::vectors::transcript::value::SettingName;

/// HandshakeTimeout and MaxConcurrentHandshakes of CFG-1, where a case asks for nothing else.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_CONCURRENT_HANDSHAKES: u32 = 100;

/// The session timeout where a case asks for nothing else: far longer than any of them leaves a session alone, and far
/// shorter than SES-2 has it, so that the hosts of cases that are over do not pile up.
const SESSION_TIMEOUT: Duration = Duration::from_secs(30);

/// The key of a subject in mode aes, where a case asks for no other one: 256 bits without any pattern.
const AES_KEY: &str = "9c1f5ae02b7748d6a3e4c0915d88f21b6e37d9a40f52cb8617ad03f9e85c6d24";

/// The name among the settings of how the probe treats its agent. No placeholder has it.
pub(super) const PROBE_CONDUCT: &str = "probe_conduct";

/// The loopback address that subjects listen on.
pub(super) const HOST: &str = "127.0.0.1";

/// Settings that cases ask for, by the placeholder that carries them. Cases that ask for the same share a subject.
///
/// Root paths are relative to the subject's own folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked(BTreeMap<&'static str, String>);

impl Asked {
    /// What a case asks for, in a mode of encryption.
    pub(super) fn by(settings: Option<&Settings>, mode: Encryption) -> Self {
        let mut asked = BTreeMap::new();
        if mode != Encryption::None {
            asked.insert("encryption", word(&mode));
        }
        let Some(settings) = settings else { return Self(asked) };
        if let Some(versions) = &settings.versions {
            let versions: Vec<i32> = versions.iter().map(|version| version.value).collect();
            asked.insert("versions", list(&versions));
        }
        if let (Some(key), Encryption::Aes) = (&settings.aes_key, mode) {
            asked.insert("aes_key", crate::hex_text::encode(&key.bytes()));
        }
        if let Some(time) = &settings.handshake_timeout {
            asked.insert("handshake_timeout_ms", time.0.as_millis().to_string());
        }
        if let Some(time) = &settings.session_timeout {
            asked.insert("session_timeout_ms", time.0.as_millis().to_string());
        }
        if let Some(most) = &settings.max_concurrent_handshakes {
            asked.insert("max_concurrent_handshakes", most.value.to_string());
        }
        if let Some(addresses) = &settings.allowed_addresses {
            let addresses: Vec<&str> = addresses.iter().map(|address| address.as_str()).collect();
            asked.insert("allowed_addresses", addresses.join(";"));
        }
        if let Some(roots) = &settings.root_paths {
            let named = [
                ("otter_root", &roots.otter),
                ("buildmaster_root", &roots.buildmaster),
                ("hedgehog_root", &roots.hedgehog),
            ];
            asked.extend(
                named.into_iter().filter_map(|(name, path)| Some((name, path.as_ref()?.value.clone()))),
            );
        }
        if let Some(capacity) = &settings.ring_capacity {
            asked.insert("ring_capacity", capacity.value.to_string());
        }
        if let Some(conduct) = &settings.probe {
            asked.insert(PROBE_CONDUCT, word(&conduct.value));
        }
        Self(asked)
    }

    /// A setting, where it is asked for.
    pub(super) fn get(&self, placeholder: &str) -> Option<&str> {
        self.0.get(placeholder).map(String::as_str)
    }

    /// All that is asked for.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Whether nothing is asked for but a mode of encryption.
    pub(super) fn is_usual(&self) -> bool {
        self.0.keys().all(|name| *name == "encryption")
    }

    /// How many handshakes may be under way at once.
    pub(super) fn max_concurrent_handshakes(&self) -> u32 {
        let asked = self.get("max_concurrent_handshakes").and_then(|text| text.parse().ok());
        asked.unwrap_or(MAX_CONCURRENT_HANDSHAKES)
    }

    /// The address from which the harness looks after the subject: one that may connect.
    pub(super) fn allowed_address(&self) -> Option<std::net::IpAddr> {
        let allowed = self.get("allowed_addresses")?;
        let addresses = || allowed.split(';').filter_map(|address| address.parse().ok());
        let usual = HOST.parse().ok();
        if addresses().any(|address| Some(address) == usual) { usual } else { addresses().next() }
    }

    /// The values of all placeholders but the port, for a subject on some ground.
    pub(super) fn values(&self, manifest: &Manifest, ground: &Ground) -> Values {
        let millis = |time: Duration| time.as_millis().to_string();
        let mut values = ground.values();
        values.insert("host", HOST.to_owned());
        values.insert("versions", list(&manifest.supports.versions));
        values.insert("encryption", "none".to_owned());
        values.insert("handshake_timeout_ms", millis(HANDSHAKE_TIMEOUT));
        values.insert("session_timeout_ms", millis(SESSION_TIMEOUT));
        values.insert("max_concurrent_handshakes", MAX_CONCURRENT_HANDSHAKES.to_string());
        values.insert("probe_host", ground.path(PROBE_HOST).display().to_string());
        if self.get("encryption") == Some("aes") {
            values.insert("aes_key", AES_KEY.to_owned());
        }
        for (name, value) in self.0.iter().filter(|(name, _)| **name != PROBE_CONDUCT) {
            let value = if name.ends_with("_root") {
                ground.path("roots").join(value).display().to_string()
            } else {
                value.clone()
            };
            values.insert(name, value);
        }
        set_seconds(&mut values);
        values
    }
}

/// Fills in whole seconds, rounded up.
pub(super) fn set_seconds(values: &mut Values) {
    if let Some(millis) = values.get("handshake_timeout_ms").and_then(|text| text.parse::<u64>().ok()) {
        values.insert("handshake_timeout_s", millis.div_ceil(1000).to_string());
    }
}

/// Whether a subject reads the handshake timeout in whole seconds only.
pub(super) fn takes_whole_seconds(manifest: &Manifest) -> bool {
    manifest.mentions("handshake_timeout_s") && !manifest.mentions("handshake_timeout_ms")
}

fn list(versions: &[i32]) -> String {
    versions.iter().map(i32::to_string).collect::<Vec<_>>().join(",")
}

/// A setting as a value of a conversation: that of the placeholder of its name.
pub(super) fn known(values: &Values, name: SettingName) -> Option<Json> {
    let text = values.get(word(&name).as_str())?;
    if name.is_number() { text.parse::<i64>().ok().map(Json::from) } else { Some(Json::from(text.as_str())) }
}
