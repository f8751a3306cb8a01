//! What an agent must have for a case to be run against it.

use serde_json::Value as Json;

use super::dialect::{Dialect, reading};
use super::settings::{Asked, takes_whole_seconds};
use crate::subject::manifest::{Launch, Setting, Supports};
use crate::subject::{Manifest, Role};
use crate::terms::{Encryption, Feature, word};
use crate::vectors::TranscriptCase;
use crate::vectors::transcript::op::Op;
use crate::vectors::transcript::step::{Kind, Step, walk};
use crate::vectors::transcript::value::{SettingName, Symbol};
use crate::vectors::transcript::world::StartSetting;
use crate::vectors::transcript::{Needs, Party};

/// Why a subject need not pass a case; `None` when it must.
pub(in crate::engine) fn unsupported(
    case: &TranscriptCase,
    mode: Encryption,
    manifest: &Manifest,
) -> Option<String> {
    let needs = &case.entry.needs;
    if manifest.role == Role::Client {
        return declared_by_client(needs, &manifest.supports)
            .or_else(|| encryption(mode, &manifest.supports))
            .or_else(|| no_dialect(needs, mode, manifest));
    }
    if manifest.role == Role::Host {
        return features_and_targets(needs, &manifest.supports);
    }
    declared(needs, &manifest.supports)
        .or_else(|| encryption(mode, &manifest.supports))
        .or_else(|| dialect(needs, manifest))
        .or_else(|| beyond_this_release(case))
        .or_else(|| settings(needs, manifest))
        .or_else(|| match &manifest.launch {
            Launch::Command(_) => start_settings(case, manifest),
            Launch::Address { address, assume } => running_already(case, mode, address, assume),
        })
        .or_else(|| mentioned(case, manifest))
}

/// Whether a case can only be judged on a subject that no other case uses.
pub(super) fn needs_own_subject(case: &TranscriptCase) -> bool {
    let settings = case.entry.needs.settings.as_ref();
    // Who asks for a number of handshakes fills it on purpose.
    let fills_slots = settings.is_some_and(|settings| settings.max_concurrent_handshakes.is_some());
    fills_slots || needs_fresh_subject(case)
}

/// Whether a case looks at, or does, what only a client of its own allows: an answer without an id cannot be told from
/// that of another case.
pub(super) fn needs_own_client(case: &TranscriptCase) -> bool {
    case.entry.isolation.is_some()
        || has_lines_without_id(case)
        || has_step(case, |kind| matches!(kind, Kind::Memory(_)))
}

/// Whether a client is given lines from which it can read no id.
pub(super) fn has_lines_without_id(case: &TranscriptCase) -> bool {
    let mut found = false;
    walk(case.steps(), &mut |step| {
        if let Some(Op::Line(text)) = step.does.as_ref().map(|op| &op.value) {
            found |= !text.value.contains("{id}");
        }
    });
    found
}

/// Whether a case looks at, or does, what only a subject of its own allows.
fn needs_fresh_subject(case: &TranscriptCase) -> bool {
    case.entry.isolation.is_some()
        || has_step(case, |kind| {
            matches!(
                kind,
                Kind::Subject(_) | Kind::Files(_) | Kind::Segments(_) | Kind::Memory(_) | Kind::Process(_)
            )
        })
}

/// Whether a case has a step of a kind.
pub(super) fn has_step(case: &TranscriptCase, wanted: impl Fn(Kind<'_>) -> bool) -> bool {
    let mut found = false;
    walk(case.steps(), &mut |step| found |= step.kind().is_some_and(&wanted));
    found
}

fn lacks(what: impl std::fmt::Display, place: &str) -> Option<String> {
    Some(format!("needs {what}; the manifest does not list it under supports.{place}"))
}

fn declared(needs: &Needs, supports: &Supports) -> Option<String> {
    let started_with = needs.settings.as_ref().and_then(|settings| settings.versions.as_ref());
    let versions = needs.versions.iter().chain(started_with).flat_map(|list| &list.value);
    if let Some(version) = versions.into_iter().find(|version| !supports.versions.contains(&version.value)) {
        return lacks(format_args!("protocol version {}", version.value), "versions");
    }
    features_and_targets(needs, supports)
}

fn features_and_targets(needs: &Needs, supports: &Supports) -> Option<String> {
    let features = needs.features.iter().flat_map(|list| &list.value);
    if let Some(feature) = features.into_iter().find(|feature| !supports.features.contains(&feature.value)) {
        return lacks(format_args!("the feature {}", word(&feature.value)), "features");
    }
    let targets = needs.targets.iter().flat_map(|list| &list.value);
    let target = targets.into_iter().find(|target| !supports.targets.contains(&target.value))?;
    lacks(format_args!("the target {}", word(&target.value)), "targets")
}

/// What a client lacks for a case. The settings are those of the agent that the harness plays.
fn declared_by_client(needs: &Needs, supports: &Supports) -> Option<String> {
    let versions = needs.versions.iter().flat_map(|list| &list.value);
    if let Some(version) = versions.into_iter().find(|version| !supports.versions.contains(&version.value)) {
        return lacks(format_args!("protocol version {}", version.value), "versions");
    }
    features_and_targets(needs, supports)
}

/// Whether a client speaks none of the readings that a case needs.
fn no_dialect(needs: &Needs, mode: Encryption, manifest: &Manifest) -> Option<String> {
    let all = Dialect::of_client(manifest);
    let none = Dialect::worthwhile(&all, needs.dialect.as_ref(), mode).is_empty();
    none.then(|| "needs a reading of the protocol that the manifest does not list under dialect".to_owned())
}

fn encryption(mode: Encryption, supports: &Supports) -> Option<String> {
    if supports.encryption.contains(&mode) {
        return None;
    }
    lacks(format_args!("encryption {}", word(&mode)), "encryption")
}

/// A knob that is left to be found out is judged when that is done.
fn dialect(needs: &Needs, manifest: &Manifest) -> Option<String> {
    let [open_form, open_padding, _] = open_knobs(manifest);
    let dialect = &manifest.dialect;
    let known = |open: bool, knob, default| (!open).then(|| reading(knob, default));
    differing(
        needs,
        [
            known(open_padding, &dialect.aes_padding, "pkcs7"),
            known(open_form, &dialect.server_version, "int32"),
            known(false, &dialect.response_code, "echo"),
        ],
    )
}

/// Why a case need not be passed under some readings: of `aes_padding`, `server_version` and `response_code`, where
/// they are known.
pub(super) fn differing(needs: &Needs, readings: [Option<&str>; 3]) -> Option<String> {
    let wanted = needs.dialect.as_ref()?;
    let wanted = [
        ("aes_padding", wanted.aes_padding.as_ref().map(|value| word(&value.value))),
        ("server_version", wanted.server_version.as_ref().map(|value| word(&value.value))),
        ("response_code", wanted.response_code.as_ref().map(|value| word(&value.value))),
    ];
    wanted.into_iter().zip(readings).find_map(|((name, wanted), spoken)| {
        let (wanted, spoken) = (wanted?, spoken?);
        (spoken != wanted).then(|| format!("needs the reading {name}: {wanted}; the subject's is {spoken}"))
    })
}

/// Which of `server_version`, `aes_padding` and `response_code` the manifest leaves to be found out.
pub(super) fn open_knobs(manifest: &Manifest) -> [bool; 3] {
    let dialect = &manifest.dialect;
    [&dialect.server_version, &dialect.aes_padding, &dialect.response_code]
        .map(|knob| knob.0.iter().any(|value| value == "auto"))
}

fn beyond_this_release(case: &TranscriptCase) -> Option<String> {
    let host = has_step(case, |kind| matches!(kind, Kind::Actor(Party::Host, _)));
    host.then(|| "is about a product host alone".to_owned())
}

fn settings(needs: &Needs, manifest: &Manifest) -> Option<String> {
    if let Launch::Address { .. } = manifest.launch {
        return None;
    }
    let settings = needs.settings.as_ref()?;
    let choosable = [
        (settings.handshake_timeout.is_some(), Setting::HandshakeTimeout),
        (settings.session_timeout.is_some(), Setting::SessionTimeout),
        (settings.max_concurrent_handshakes.is_some(), Setting::MaxConcurrentHandshakes),
        (settings.allowed_addresses.is_some(), Setting::AllowedAddresses),
        (settings.root_paths.is_some(), Setting::RootPaths),
        (settings.ring_capacity.is_some(), Setting::RingCapacity),
    ];
    let lacking = choosable
        .into_iter()
        .find(|(asked, setting)| *asked && !manifest.supports.settings.contains(setting));
    if let Some((_, setting)) = lacking {
        return lacks(format_args!("the setting {}", word(&setting)), "settings");
    }
    if let Some(versions) = &settings.versions
        && !manifest.mentions("versions")
        && !manifest.supports.versions.iter().all(|version| versions.iter().any(|one| one.value == *version))
    {
        return Some("needs some versions only; nothing in the manifest says {versions}".to_owned());
    }
    let timeout = settings.handshake_timeout.as_ref()?;
    (takes_whole_seconds(manifest) && !timeout.0.as_millis().is_multiple_of(1000))
        .then(|| format!("needs a handshake timeout of {}; the subject takes whole seconds", timeout.value))
}

/// Settings that a step starts the subject with: it must read them.
fn start_settings(case: &TranscriptCase, manifest: &Manifest) -> Option<String> {
    let mut reason = None;
    walk(case.steps(), &mut |step| {
        let Some(start) = step.subject.as_ref().and_then(|subject| subject.start.as_ref()) else { return };
        if start.config.is_some() && !manifest.supports.features.contains(&Feature::ConfigFile) {
            reason = lacks("the feature config_file", "features");
        }
        let unread = start.settings.keys().find(|name| !manifest.mentions(placeholder(**name)));
        if let Some(name) = unread {
            reason = Some(format!(
                "needs a start with another {0}; nothing in the manifest says {{{0}}}",
                placeholder(*name)
            ));
        }
    });
    reason
}

/// The placeholder of a setting that a start can give.
pub(super) fn placeholder(setting: StartSetting) -> &'static str {
    use StartSetting as S;
    match setting {
        S::Versions => "versions",
        S::Encryption => "encryption",
        S::AesKey => "aes_key",
        S::CertPem => "cert_pem",
        S::KeyPem => "key_pem",
        S::HandshakeTimeoutMs => "handshake_timeout_ms",
        S::SessionTimeoutMs => "session_timeout_ms",
        S::MaxConcurrentHandshakes => "max_concurrent_handshakes",
        S::AllowedAddresses => "allowed_addresses",
        S::OtterRoot => "otter_root",
        S::BuildmasterRoot => "buildmaster_root",
        S::HedgehogRoot => "hedgehog_root",
        S::UpdateDir => "update_dir",
        S::ProbeHost => "probe_host",
        S::RingCapacity => "ring_capacity",
        S::ShmDir => "shm_dir",
    }
}

/// An agent that runs already has the settings it has, and is not the harness's to stop.
fn running_already(
    case: &TranscriptCase,
    mode: Encryption,
    address: &str,
    assume: &indexmap::IndexMap<String, Json>,
) -> Option<String> {
    if needs_fresh_subject(case) {
        return Some("needs a subject that the harness starts; the manifest gives an address".to_owned());
    }
    let asked = Asked::by(case.entry.needs.settings.as_deref(), mode);
    for (name, value) in asked.iter() {
        if assume.get(name).is_none_or(|assumed| text(assumed) != value) {
            return Some(format!("needs {name} {value}; the manifest's `assume` does not say that"));
        }
    }
    if mode == Encryption::None && assume.get("encryption").is_some_and(|mode| text(mode) != "none") {
        return Some("needs encryption none; the manifest's `assume` says another".to_owned());
    }
    let mut from_elsewhere = false;
    walk(case.steps(), &mut |step| from_elsewhere |= step.from.is_some());
    let here =
        address.starts_with("127.") || address.starts_with("localhost:") || address.starts_with("[::1]");
    (from_elsewhere && !here)
        .then(|| "needs to connect from another address of this machine; the subject is elsewhere".to_owned())
}

/// A value under `assume` as the text of its placeholder.
pub(super) fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// Settings whose values occur in the conversation: the harness must know them.
fn mentioned(case: &TranscriptCase, manifest: &Manifest) -> Option<String> {
    let mut names = Vec::new();
    walk(case.steps(), &mut |step| {
        symbols(step, &mut |symbol| {
            if let Symbol::Setting(name) = symbol {
                names.push(name.value);
            }
        });
    });
    names.into_iter().find_map(|name| unknown_setting(name, manifest))
}

fn unknown_setting(name: SettingName, manifest: &Manifest) -> Option<String> {
    let shown = word(&name);
    if let Launch::Address { assume, .. } = &manifest.launch {
        let told = assume.contains_key(&shown) || matches!(name, SettingName::Host | SettingName::Port);
        return (!told).then(|| format!("needs to know {shown}; the manifest's `assume` does not say it"));
    }
    let is_root =
        matches!(name, SettingName::OtterRoot | SettingName::BuildmasterRoot | SettingName::HedgehogRoot);
    let unknown = is_root && !manifest.supports.settings.contains(&Setting::RootPaths);
    if unknown { lacks("the setting root_paths", "settings") } else { None }
}

/// Calls a function for each symbol in the bytes of a step.
fn symbols<'a>(step: &'a Step, found: &mut dyn FnMut(&'a Symbol)) {
    let mut each = |_, symbol: &'a Symbol| found(symbol);
    step.bytes.iter().for_each(|data| data.symbols(&mut each));
    for frame in step.frames.iter().flat_map(|frames| &frames.value) {
        frame.symbols(&mut each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{Corpus, CorpusFiles};

    #[test]
    fn a_client_is_given_lines_without_an_id_alone() {
        let (corpus, _) = Corpus::load(&CorpusFiles::embedded());
        let cases = || corpus.transcripts.iter().flat_map(|transcript| &transcript.cases);
        let alone = |name: &str| cases().find(|case| case.name == name).is_some_and(needs_own_client);
        assert!(alone("client/driver/not-json:text"));
        assert!(alone("client/driver/not-json:no-id"));
        assert!(!alone("client/driver/unknown:op"));
        assert!(!alone("client/root_path/texts:empty"));
    }
}
