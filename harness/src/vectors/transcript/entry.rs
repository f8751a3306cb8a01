//! The head of a transcript: what it is called, whom it tests, what it needs.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scalars::Hex;
use super::step::Step;
use crate::terms::{Encryption, Feature, Target, TimeSpan};
use crate::vectors::codec::Identifier;
use crate::vectors::former::FormerName;
use crate::yaml::Spot;

/// One entry of `transcripts:`: a conversation seen from outside, which tests every side of it.
///
/// Wherever a value stands, `{row: COLUMN}` may stand for the value of that column in `rows`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a transcript: a mapping with `id`, `title`, `clauses` and `steps`")]
#[schemars(title = "transcript")]
pub struct TranscriptEntry {
    /// The name within the file: lower-case words with `-` between.
    pub id: Spot<Identifier>,
    /// What the case shows, in one line.
    pub title: Spot<String>,
    /// The clauses that the case tests, the one that it is about first. A failed step breaks its own `clause`. Without
    /// one, of a field that differs the gravest clause that `formats/` cites for it and that stands here is broken, and of
    /// everything else the first.
    pub clauses: Vec<Spot<String>>,
    /// Whom the case tests; everyone that it can test unless given.
    pub roles: Option<Spot<Vec<Spot<Party>>>>,
    /// What a subject must have for the case to be run.
    #[serde(default)]
    pub needs: Needs,
    /// `fresh`: the case gets a subject of its own.
    pub isolation: Option<Isolation>,
    /// The case takes half a minute or more: it runs with `--slow` only.
    pub slow: Option<super::scalars::Yes>,
    /// The name that the case had before. With rows, it is that of each of them, but for the row behind it.
    pub was: Option<Spot<FormerName>>,
    /// The case once for each row: by the row's name, its columns and their values. The names of such cases end in
    /// `:ROW`. `was`, which is no column, says what a row was before: another row of the table by its name, or a case
    /// by `folder/file/id` with or without `:row`.
    #[serde(default)]
    pub rows: BTreeMap<String, BTreeMap<String, AnyValue>>,
    /// What happens, in order.
    pub steps: Vec<Spot<Step>>,
}

/// Anything that YAML can say; it is read where the row's column is used.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct AnyValue(pub serde_json::Value);

/// A party of a conversation: one of them is tested, the others are played by the harness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// The server.
    Agent,
    /// A product that connects to the agent.
    Client,
    /// A process that the agent starts for a product.
    Host,
}

impl Party {
    /// All parties.
    pub const ALL: [Party; 3] = [Party::Agent, Party::Client, Party::Host];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Party::Agent => "agent",
            Party::Client => "client",
            Party::Host => "host",
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a case shares its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// Not at all: it gets its own.
    Fresh,
}

/// What a subject must have for a case to be run; a subject that lacks any of it skips the case.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "needs: a mapping such as {versions: [2000]}")]
pub struct Needs {
    /// Protocol versions that the subject supports. It is started with all that it supports; `settings: {versions}`
    /// starts it with some only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versions: Option<Spot<Vec<Spot<i32>>>>,
    /// The modes of encryption in which the case is run; all that the subject supports unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Spot<Vec<Spot<Encryption>>>>,
    /// Abilities beyond the protocol's core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<Spot<Vec<Spot<Feature>>>>,
    /// Whom messages can be for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targets: Option<Spot<Vec<Spot<Target>>>>,
    /// Settings that the subject is started with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<Spot<Settings>>,
    /// Readings of the protocol that the subject follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialect: Option<super::op::Dialect>,
}

/// Settings that the harness chooses, and their values.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "settings and their values")]
pub struct Settings {
    /// The only protocol versions that it speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versions: Option<Spot<Vec<Spot<i32>>>>,
    /// The AES key: 16 or 32 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aes_key: Option<Spot<Hex>>,
    /// How long a handshake may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handshake_timeout: Option<Spot<TimeSpan>>,
    /// How long a session stays without a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_timeout: Option<Spot<TimeSpan>>,
    /// How many handshakes may be under way at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent_handshakes: Option<Spot<u32>>,
    /// The only addresses that may connect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_addresses: Option<Spot<Vec<Spot<String>>>>,
    /// Root paths by product, each a path below the case's own folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_paths: Option<Spot<RootPaths>>,
    /// Capacity of each ring in bytes: a power of two, 64 to 2^30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring_capacity: Option<Spot<u32>>,
    /// How the probe, the program that the agent starts for products, treats its agent; well unless given. This is no
    /// setting of the agent's: the program at `{probe_host}` is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<Spot<ProbeConduct>>,
}

/// How the probe treats its agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProbeConduct {
    /// Hosts of BuildMaster end with status 0 as soon as they are started.
    EndsAtOnce,
    /// Hosts of BuildMaster end with status 3, as if the segment were wrong.
    Refuses,
    /// Hosts of BuildMaster live and never attach.
    NeverAttaches,
    /// What lies at `{probe_host}` is no program.
    NotExecutable,
    /// Hosts attach as ones that wake nobody, and do not.
    NeverRings,
    /// Hosts look again after a minute only, unless they are woken.
    SleepsDeeply,
    /// Hosts attach only to a segment that is as one is created, with counts of zero; command 900 with token 7 and number 1000
    /// has one send 3000 messages of command 200 without data, each while its agent falls asleep, and answer with token and
    /// status 0, or an exception if the agent lost a wake-up.
    Watchful,
    /// Hosts serve until command 900 (int32 token, int32 number) asks one to harm its agent. By bytes: 1 and 2 negative
    /// lengths, 3 the largest length, 4 a part of a message, 12 the same with both rings closed. By counts: 5 written runs backwards, 6 more is written than
    /// the ring holds, 7 read runs backwards, 8 more is read than was written. And lives on: 9 with both rings closed,
    /// 10 with state 3, 11 stopped.
    Hostile,
}

/// Root paths by product.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "paths by product")]
#[allow(missing_docs, reason = "the names are the products'")]
pub struct RootPaths {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otter: Option<Spot<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buildmaster: Option<Spot<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hedgehog: Option<Spot<String>>,
}

/// Values of the knob `server_version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the knob's")]
pub enum ServerVersion {
    Int32,
    Int32x4,
}

impl ServerVersion {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Int32, Self::Int32x4];

    /// How many numbers a server version has.
    pub fn numbers(self) -> usize {
        match self {
            Self::Int32 => 1,
            Self::Int32x4 => 4,
        }
    }

    /// How many bytes it has.
    pub fn size(self) -> usize {
        4 * self.numbers()
    }
}

/// Values of the knob `aes_padding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the knob's")]
pub enum AesPadding {
    Pkcs7,
    Zeros,
}

/// Values of the knob `response_code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the knob's")]
pub enum ResponseCode {
    Echo,
    Any,
}
