//! Clauses and needs: that they exist, agree with each other and suffice for the steps.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;

use super::super::data::WireItem;
use super::super::entry::{Needs, Settings};
use super::super::op::Op;
use super::super::step::{Kind, Step, walk};
use super::super::{Mistake, TranscriptCase};
use crate::clauses::Clauses;
use crate::finding::Finding;
use crate::terms::{Encryption, Feature};
use crate::yaml::Spot;

/// Findings for clauses of steps that do not exist. Those of the case are told when it is read.
pub(super) fn clauses(case: &TranscriptCase, clauses: &Clauses) -> Vec<Finding> {
    // A list of clauses that cannot be read is a finding itself, rather than every citation.
    if clauses.iter().next().is_none() {
        return Vec::new();
    }
    let mut cited = Vec::new();
    walk(case.steps(), &mut |step| cited.extend(&step.clause));
    super::unknown_clauses(&case.source, cited, clauses)
}

/// What is wrong with the needs.
pub(super) fn mistakes(case: &TranscriptCase) -> Vec<Mistake> {
    let needs = &case.entry.needs;
    let mut mistakes = Vec::new();
    let title = &case.entry.title;
    if title.trim().is_empty() || title.contains('\n') {
        mistakes.push((title.span, "the title is one line of text".to_owned()));
    }
    listed("versions", &needs.versions, &mut mistakes);
    listed("encryption", &needs.encryption, &mut mistakes);
    listed("features", &needs.features, &mut mistakes);
    listed("targets", &needs.targets, &mut mistakes);
    exclusive(needs, &mut mistakes);
    if let Some(found) = &needs.settings {
        settings(found, &mut mistakes);
    }
    walk(case.steps(), &mut |step| of_step(step, needs, &mut mistakes));
    mistakes
}

fn listed<T: Clone + Debug + Eq + Hash>(
    name: &str,
    list: &Option<Spot<Vec<Spot<T>>>>,
    mistakes: &mut Vec<Mistake>,
) {
    let Some(list) = list else { return };
    if list.is_empty() {
        mistakes.push((list.span, format!("`{name}` is empty; leave it out")));
    }
    let mut seen = HashSet::new();
    for item in &list.value {
        if !seen.insert(&item.value) {
            mistakes.push((item.span, format!("this stands in `{name}` twice")));
        }
    }
}

fn has<T: PartialEq>(list: &Option<Spot<Vec<Spot<T>>>>, wanted: &T) -> bool {
    list.as_ref().is_some_and(|list| list.iter().any(|item| item.value == *wanted))
}

/// Whether a case runs in one mode of encryption only.
pub(super) fn runs_only(needs: &Needs, mode: Encryption) -> bool {
    needs.encryption.as_ref().is_some_and(|modes| !modes.is_empty() && modes.iter().all(|m| m.value == mode))
}

/// Needs that no subject can meet together.
fn exclusive(needs: &Needs, mistakes: &mut Vec<Mistake>) {
    let set = needs.settings.as_ref().and_then(|settings| settings.versions.as_ref());
    for version in set.iter().flat_map(|versions| &versions.value) {
        if let Some(versions) = &needs.versions
            && !versions.iter().any(|needed| needed.value == version.value)
        {
            let message =
                format!("it is started with version {}, which is not among its `versions`", version.value);
            mistakes.push((version.span, message));
        }
    }
    let spoken = set.or(needs.versions.as_ref());
    if let (Some(features), Some(spoken)) = (&needs.features, spoken)
        && let Some(open) = features.iter().find(|feature| feature.value == Feature::OpenSession)
        && spoken.iter().all(|version| version.value < 2000)
    {
        mistakes.push((
            open.span,
            "open_session exists from version 2000 on, which the case does not need".to_owned(),
        ));
    }
    if let Some(key) = needs.settings.as_ref().and_then(|settings| settings.aes_key.as_ref())
        && needs.encryption.is_some()
        && !has(&needs.encryption, &Encryption::Aes)
    {
        mistakes.push((key.span, "there is a key, but the case is not run with encryption aes".to_owned()));
    }
}

fn settings(settings: &Settings, mistakes: &mut Vec<Mistake>) {
    listed("versions", &settings.versions, mistakes);
    if let Some(key) = settings.aes_key.as_ref().filter(|key| !matches!(key.len(), 16 | 32)) {
        mistakes.push((key.span, format!("a key has 16 or 32 bytes, not {}", key.len())));
    }
    if let Some(capacity) = &settings.ring_capacity
        && !(capacity.is_power_of_two() && (64..=1 << 30).contains(&capacity.value))
    {
        let message = format!("{} is not a power of two from 64 to 2^30", capacity.value);
        mistakes.push((capacity.span, message));
    }
    if let Some(most) = settings.max_concurrent_handshakes.as_ref().filter(|most| most.value == 0) {
        mistakes.push((most.span, "with no handshake at a time, nobody could connect".to_owned()));
    }
    for timeout in [&settings.handshake_timeout, &settings.session_timeout].into_iter().flatten() {
        if timeout.0.is_zero() {
            mistakes.push((timeout.span, "a timeout is longer than nothing".to_owned()));
        }
    }
    for address in settings.allowed_addresses.iter().flat_map(|addresses| &addresses.value) {
        if address.parse::<std::net::IpAddr>().is_err() {
            mistakes.push((address.span, format!("`{}` is not an address", address.value)));
        }
    }
    root_paths(settings, mistakes);
}

fn root_paths(settings: &Settings, mistakes: &mut Vec<Mistake>) {
    let Some(paths) = &settings.root_paths else { return };
    for path in [&paths.otter, &paths.buildmaster, &paths.hedgehog].into_iter().flatten() {
        let inside = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !inside {
            mistakes.push((path.span, format!("`{}` is not a path below the case's own folder", path.value)));
        }
    }
}

/// What a step needs beyond what the case says it needs.
fn of_step(step: &Step, needs: &Needs, mistakes: &mut Vec<Mistake>) {
    let mut lacks = |feature: Feature, name: &str, span| {
        if !has(&needs.features, &feature) {
            mistakes.push((span, format!("this needs `features: [{name}]`")));
        }
    };
    match step.kind() {
        Some(Kind::Files(_)) => lacks(
            Feature::UpdateFiles,
            "update_files",
            step.files.as_ref().map(|f| f.span).unwrap_or_default(),
        ),
        Some(Kind::Segments(_)) => {
            lacks(
                Feature::SharedMemory,
                "shared_memory",
                step.segments.as_ref().map(|s| s.span).unwrap_or_default(),
            );
        }
        Some(Kind::Subject(subject)) => {
            if let Some(config) = subject.start.as_ref().and_then(|start| start.config.as_ref()) {
                lacks(Feature::ConfigFile, "config_file", config.span);
            }
        }
        _ => {}
    }
    if let Some(op) = &step.does {
        match &op.value {
            Op::OpenSession(_) => lacks(Feature::OpenSession, "open_session", op.span),
            Op::Start(_) => lacks(Feature::SharedMemory, "shared_memory", op.span),
            _ => {}
        }
    }
    for item in step.wire.iter().flat_map(|wire| &wire.0) {
        let (mode, word) = match &item.value {
            WireItem::Hex(_) => continue,
            WireItem::Tamper(_) => (Encryption::Aes, "aes"),
            WireItem::Tls(_) => (Encryption::Ssl, "ssl"),
        };
        if !runs_only(needs, mode) {
            mistakes.push((item.span, format!("this needs `encryption: [{word}]`, and no other mode")));
        }
    }
}
