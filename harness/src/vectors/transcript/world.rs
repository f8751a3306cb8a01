//! Steps about the world around a conversation: the subject, processes, files, segments, memory.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scalars::{Hex, Size, Yes};
use super::value::Value;
use crate::terms::TimeSpan;
use crate::yaml::Spot;

/// Starts, stops or limits the subject: exactly one of `start`, `signal`, `restart` and `open_files`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "{start: …}, {signal: …}, {restart: …} or {open_files: …}")]
pub struct Subject {
    /// Starts a subject of the case's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Start>,
    /// It refuses to start: it ends with a status other than 0, its port never accepting, with a message on stderr.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refuses: Option<Spot<Yes>>,
    /// What the message on stderr must mention; checked where the harness wrote the configuration file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mentions: Option<Spot<Vec<String>>>,
    /// Sends it a signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<Spot<Signal>>,
    /// Starts it again after it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<Spot<Restart>>,
    /// From here on each of its processes may have this many files more open than it has now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_files: Option<Spot<u32>>,
}

/// With what a subject is started, beside what the case needs.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "{settings, config}")]
pub struct Start {
    /// Settings by name, with values as they stand, valid or not.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<StartSetting, Spot<String>>,
    /// The text of the configuration file, with the placeholders of manifests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Spot<String>>,
}

/// The settings that a start can give: the placeholders of manifests that subjects read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the contract's")]
pub enum StartSetting {
    Versions,
    Encryption,
    AesKey,
    CertPem,
    KeyPem,
    HandshakeTimeoutMs,
    SessionTimeoutMs,
    MaxConcurrentHandshakes,
    AllowedAddresses,
    OtterRoot,
    BuildmasterRoot,
    HedgehogRoot,
    UpdateDir,
    ProbeHost,
    RingCapacity,
    ShmDir,
}

/// A signal to the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// The one by which its manifest stops it.
    Stop,
    /// SIGKILL.
    Kill,
}

/// What is left of a subject that is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// Its state folder, port and settings.
    SameState,
}

/// Whether a process is there.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "{pid: {ref: NAME}, gone: true, within: TIME}")]
pub struct Process {
    /// Its number, from a value bound before.
    pub pid: Spot<Value>,
    /// Whether it is gone, or still there.
    pub gone: bool,
    /// Once it is gone, nothing of it is left either: its parent has waited for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reaped: Option<Spot<Yes>>,
    /// A file that it has open, for reading alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opens: Option<Spot<String>>,
    /// A process whose process group it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_of: Option<Spot<Value>>,
    /// By when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Spot<TimeSpan>>,
}

/// Which regular files of the form PRODUCT/KIND/NAME are there, and no others.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "{under: update_dir, are: […]}")]
pub struct Files {
    /// Where they are.
    pub under: Folder,
    /// The files, in any order.
    pub are: Vec<Spot<File>>,
}

/// A folder that the harness gave the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Folder {
    /// Where Update Agent puts files.
    UpdateDir,
}

/// A file that is there.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "{path, contents, modified_ticks}")]
pub struct File {
    /// PRODUCT/KIND/NAME, such as otter/assemblies/a.dll.
    pub path: Spot<String>,
    /// Its contents; anything unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contents: Option<Spot<Hex>>,
    /// Its modification time, a decimal number as text; any unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified_ticks: Option<Spot<String>>,
}

/// Which shared-memory segments of the subject are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Segments {
    /// Not one.
    None,
}

/// How much memory a started subject takes.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "{grows_below: 100 MiB}")]
pub struct Memory {
    /// Its peak resident memory stays less than this above that at the start of the case.
    pub grows_below: Spot<Size>,
}
