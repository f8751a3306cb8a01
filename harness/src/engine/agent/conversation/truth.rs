//! Whether what a host reports of itself is so: the harness looks at its process and compares.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use iaspec_shm::layout;
use serde_json::{Map, Value as Json};
use tokio::time::{Instant, sleep};

use super::super::host::{Host, Told};
use super::scope::Scope;
use super::{Conversation, Mismatch, Outcome};
use crate::vectors::transcript::Step;
use crate::vectors::transcript::start::{ReportField, Reported};
use crate::verdict::clip;
use crate::yaml::Spot;

/// How long what a report says may differ from what is so: threads come and go.
const SETTLES_WITHIN: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(20);

/// How coarse a host's clock may be, and the system's note of when a process began.
const CLOCK: Duration = Duration::from_secs(1);

/// By how much the number of threads may differ.
const FEW_THREADS: i64 = 2;

/// Larger files are left out of the comparison.
const LARGEST_FILE: u64 = 64 << 20;

/// What shells and languages put into the environment of their own process.
const OWN_NAMES: [&str; 5] = ["LC_CTYPE", "PWD", "OLDPWD", "SHLVL", "_"];

/// What is expected and what the report says.
type Wrong = (String, String);

impl Conversation<'_> {
    /// Compares fields of a report with what the harness knows of the host and sees of its process.
    pub(super) async fn look_at_report(
        &self,
        step: &Spot<Step>,
        host: &Host,
        reported: &Reported,
        scope: &Scope<'_>,
    ) -> Outcome {
        let text = self.with_matching(scope, |matching| reported.text.played(matching.player.known));
        let text = text.map_err(|error| self.unbuildable(&error.into()))?;
        let parsed: Option<Map<String, Json>> =
            text.as_str().and_then(|text| serde_json::from_str(text).ok());
        let Some(report) = parsed else {
            let mismatch =
                Mismatch::words("the report cannot be read", "a JSON object", clip(&text.to_string()));
            return Err(self.stumble(step, "reported", mismatch));
        };
        let deadline = Instant::now() + SETTLES_WITHIN;
        for field in reported.fields.iter().map(|field| field.value) {
            while let Some((expected, actual)) = differs(field, &report, host) {
                if Instant::now() >= deadline {
                    let summary = format!("the report is not true: {}", field.name());
                    let mismatch = Mismatch::words(summary, clip(&expected), clip(&actual));
                    return Err(self.stumble(step, "reported", mismatch));
                }
                sleep(LOOK).await;
            }
        }
        Ok(())
    }
}

/// How a field differs from what is so.
fn differs(field: ReportField, report: &Map<String, Json>, host: &Host) -> Option<Wrong> {
    use ReportField as F;
    let Some(said) = report.get(field.name()) else {
        return Some(("a member of that name".to_owned(), "none".to_owned()));
    };
    let (told, pid) = (host.told(), host.process().pid());
    match field {
        F::Pid => number(said, pid.into()),
        F::Ppid => number(said, i64::from(std::process::id())),
        F::Session => number(said, told.session.into()),
        F::AgentType => number(said, told.agent_type.into()),
        F::Layout => number(said, layout::LAYOUT.into()),
        F::RingCapacity => number(said, told.ring_capacity.into()),
        F::Threads => thread_count(said, threads(pid)?),
        F::StartedNs => started(said, told),
        F::Nonce => nonce(said, told),
        F::Argv => options(said, told),
        F::EnvNames => environment(said, pid),
        F::OpenFiles => open_files(said, pid),
        F::CwdFiles => files(said, pid, told),
    }
}

fn number(said: &Json, is: i64) -> Option<Wrong> {
    (said.as_i64() != Some(is)).then(|| (is.to_string(), said.to_string()))
}

/// Threads come and go with every request; a few more or less than there are now may be so.
fn thread_count(said: &Json, is: i64) -> Option<Wrong> {
    let right = said.as_i64().is_some_and(|said| said >= 1 && (said - is).abs() <= FEW_THREADS);
    (!right).then(|| (format!("{is}, or {FEW_THREADS} more or less, and at least 1"), said.to_string()))
}

fn threads(pid: i32) -> Option<i64> {
    let count = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?.count();
    i64::try_from(count).ok()
}

fn nanoseconds(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}

/// Not before its start, but for the coarseness of clocks, and not after it had attached.
fn started(said: &Json, told: &Told) -> Option<Wrong> {
    let (from, to) = (nanoseconds(told.started - CLOCK), nanoseconds(told.attached.get()?));
    let said_number = said.as_u64().map(u128::from);
    (!said_number.is_some_and(|said| (from..=to).contains(&said)))
        .then(|| (format!("{from} to {to}, between its start and state 1"), said.to_string()))
}

fn nonce(said: &Json, told: &Told) -> Option<Wrong> {
    let is = crate::hex_text::encode(&told.nonce).replace(' ', "");
    let same = said.as_str().is_some_and(|said| said.eq_ignore_ascii_case(&is));
    (!same).then(|| (is, said.to_string()))
}

/// The options are the last words; what stands before them is the command, of which interpreters keep some to themselves.
fn options(said: &Json, told: &Told) -> Option<Wrong> {
    let words = texts(said);
    let are_last = words.len() > told.options.len() && words.ends_with(&told.options);
    (!are_last).then(|| (format!("a program, and then {:?}", told.options), said.to_string()))
}

fn environment(said: &Json, pid: i32) -> Option<Wrong> {
    let text = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let names = text.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()).map(|entry| {
        let name = entry.split(|byte| *byte == b'=').next().unwrap_or_default();
        String::from_utf8_lossy(name).into_owned()
    });
    let is: BTreeSet<String> = names.collect();
    let said: BTreeSet<String> = texts(said).into_iter().collect();
    if let Some(lacks) = is.iter().find(|name| !said.contains(*name)) {
        return Some((format!("{lacks} among {}", is.len()), format!("{} names without it", said.len())));
    }
    let more = said.iter().find(|name| !is.contains(*name) && !OWN_NAMES.contains(&name.as_str()))?;
    Some((format!("the {} names of its environment", is.len()), format!("{more} beside them")))
}

/// What descriptors lead to; the look of the host at its own descriptors may be among them.
fn open_files(said: &Json, pid: i32) -> Option<Wrong> {
    let own = |target: &String| target.starts_with("/proc/");
    let mut is: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .ok()?
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .map(|target| target.to_string_lossy().into_owned())
        .filter(|target| !own(target))
        .collect();
    let mut said: Vec<String> = texts(said).into_iter().filter(|target| !own(target)).collect();
    is.sort();
    said.sort();
    (is != said).then(|| (format!("{is:?}"), format!("{said:?}")))
}

/// The files that have not changed since the host was started: others may be new, or gone again.
fn files(said: &Json, pid: i32, told: &Told) -> Option<Wrong> {
    let mut is = BTreeMap::new();
    let mut passed_over = BTreeSet::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/cwd")).ok()?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().ok()?;
        let metadata = entry.metadata().ok()?;
        let is_new = metadata.modified().is_ok_and(|changed| changed + CLOCK >= told.started);
        if kind.is_symlink() || metadata.len() > LARGEST_FILE || is_new {
            passed_over.insert(name);
        } else if kind.is_file() {
            is.insert(name, i64::from(sum(&entry.path())?));
        }
    }
    let said: BTreeMap<String, i64> = said
        .as_array()
        .into_iter()
        .flatten()
        .map(|file| {
            let name = file.get("name").and_then(Json::as_str).unwrap_or_default().to_owned();
            (name, file.get("crc32").and_then(Json::as_i64).unwrap_or(-1))
        })
        .filter(|(name, _)| !passed_over.contains(name))
        .collect();
    let shown = |sum: Option<&i64>| sum.map_or("no such file".to_owned(), |sum| format!("CRC-32 {sum:08x}"));
    let differs = is.keys().chain(said.keys()).find(|name| is.get(*name) != said.get(*name))?;
    Some((
        format!("{differs:?}: {}", shown(is.get(differs))),
        format!("{differs:?}: {}", shown(said.get(differs))),
    ))
}

fn sum(path: &Path) -> Option<u32> {
    std::fs::read(path).ok().map(|bytes| crc32fast::hash(&bytes))
}

fn texts(list: &Json) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
}
