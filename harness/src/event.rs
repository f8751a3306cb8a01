//! What happens during a run, as one stream of events: all that reports know.
//!
//! `--report ndjson=PATH` writes each event as one line of JSON with a member `event` that names its kind;
//! the other members are the fields documented here. The version of this form is
//! [`SCHEMA_VERSION`], told by the first event; members may be added within a version, and readers
//! ignore those they do not know.
//!
//! | event | when |
//! |---|---|
//! | `run_started` | first |
//! | `subject_started` | before the cases of a subject |
//! | `dialect_found` | behind it, once at most: readings that the manifest left to be found out |
//! | `case_finished` | once for each case and repetition, in the order in which they end |
//! | `notice` | something about the subject that no case is about |
//! | `timing` | how long a subject took, where that was measured |
//! | `subject_finished` | after the cases of a subject |
//! | `run_finished` | last; missing when the run was killed |

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clauses::{Clauses, Tier};
use crate::floor::FloorReport;
use crate::subject::Role;
use crate::subject::manifest::{Claims, Readings};
use crate::terms::Day;
use crate::timing::Timing;
use crate::verdict::{Outcome, Problem};
use crate::waiver::Waiver;

/// The version of the event stream's form.
pub const SCHEMA_VERSION: u32 = 1;

/// The JSON Schema of one event, as it stands in `reports/events.schema.json`.
pub fn event_schema() -> String {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(Event)).unwrap_or_default();
    text.push('\n');
    text
}

/// One event of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A run begins.
    RunStarted(RunStarted),
    /// The cases of a subject begin.
    SubjectStarted(SubjectStarted),
    /// Readings of the protocol that the manifest leaves open are known.
    DialectFound(DialectFound),
    /// A case has its outcome.
    CaseFinished(Box<CaseResult>),
    /// Something about the subject that no case is about.
    Notice(Notice),
    /// How long the subject took.
    Timing(Timing),
    /// The cases of a subject are done.
    SubjectFinished(SubjectFinished),
    /// The run is over.
    RunFinished(RunFinished),
}

/// How a run begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunStarted {
    /// [`SCHEMA_VERSION`].
    pub schema: u32,
    /// The version of iaspec.
    pub iaspec: String,
    /// Where the vectors come from.
    pub vectors: String,
    /// The checksum of the vectors.
    pub digest: String,
    /// Whether differences and warnings count as failures.
    pub strict: bool,
    /// How often each case runs.
    pub repeat: u32,
    /// Whether slow cases run.
    #[serde(default)]
    pub slow: bool,
    /// What the order was drawn from in which cases started; without it, it is that of the corpus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The clauses that the selected cases cite.
    pub clauses: Vec<ClauseText>,
}

/// A clause, for reports that show its text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClauseText {
    /// Its name.
    pub id: String,
    /// How it is known.
    pub tier: Tier,
    /// Two to six words.
    pub title: String,
    /// What it demands.
    pub text: String,
}

/// A subject whose cases begin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubjectStarted {
    /// Its name.
    pub subject: String,
    /// Its role.
    pub role: Role,
    /// The manifest's path.
    pub manifest: String,
    /// The command that starts it, its placeholders unfilled, or the address where it runs.
    #[serde(default)]
    pub launch: String,
    /// What the manifest says that it can do, and which settings can be chosen.
    #[serde(default)]
    pub supports: Claims,
    /// How it reads the knobs of the protocol, by its manifest; what `auto` comes to is told by `dialect_found`.
    #[serde(default)]
    pub dialect: Readings,
    /// How many results will follow, skips and repetitions included.
    pub cases: usize,
}

/// The readings that hold where a manifest says `auto`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DialectFound {
    /// The subject's name.
    pub subject: String,
    /// Each knob that the manifest leaves open.
    pub knobs: Vec<KnobReading>,
}

/// The reading that holds for one knob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KnobReading {
    /// `server_version`, `aes_padding` or `response_code`.
    pub knob: String,
    /// The value that holds for the run.
    pub reading: String,
    /// Whether the subject showed it; otherwise it is the default.
    pub detected: bool,
    /// Whether it was looked for in vain, which a notice tells too.
    pub failed: bool,
    /// How it was found out, or why not.
    pub how: String,
}

/// The outcome of one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseResult {
    /// The subject's name.
    pub subject: String,
    /// The case's place in the order of the corpus, from 0: what reports sort by.
    pub index: usize,
    /// Which repetition this is, from 1.
    pub repetition: u32,
    /// The case's name.
    pub case: String,
    /// What it shows, in a few words.
    pub title: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What its failure weighs: the tier of the gravest clause that is broken; where none is, of the first that is cited.
    pub tier: Tier,
    /// The clauses it cites, the one that it is about first, and those that turned out to be broken.
    pub clauses: Vec<String>,
    /// What the manifest expects of the case, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
    /// Why it was skipped or could not be run, how the subject broke down, or that it was tried again, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What went wrong in its steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// What happened on the connections of the case, in order: up to the failure when the case did not pass, all
    /// of it when the run was asked to tell it of every case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conversation: Vec<Exchange>,
    /// What the subject logged lately, when the case did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// The command that runs this case alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerun: Option<String>,
    /// From its first request to its last answer, in microseconds.
    pub micros: u64,
}

impl CaseResult {
    /// The result of a case in which these problems were met, each of which gets the clause that it breaks. The gravest
    /// of those clauses decides about outcome and tier; without problems the result stays as it is.
    #[must_use]
    pub fn with_problems(mut self, mut problems: Vec<Problem>, clauses: &Clauses) -> Self {
        if let Some(tier) = clauses.attribute(&self.clauses, &mut problems) {
            (self.tier, self.outcome) = (tier, Outcome::of_failure(tier));
        }
        for clause in problems.iter().filter_map(|problem| problem.clause.as_ref()) {
            if !self.clauses.contains(clause) {
                self.clauses.push(clause.clone());
            }
        }
        self.problems = problems;
        self
    }
}

/// One thing that happened on a connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exchange {
    /// When, in microseconds from the start of the case.
    pub micros: u64,
    /// The connection, as the case names it.
    pub connection: String,
    /// What.
    pub what: Happening,
    /// How many bytes went over the connection.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub count: usize,
    /// The first of them, hexadecimal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub bytes: String,
    /// The CRC-32 of all of them, where `bytes` are not all and the run was asked to tell the conversation of every
    /// case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc32: Option<u32>,
    /// What a client was told, or what it answered.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What can happen on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Happening {
    /// The harness connected.
    Connected,
    /// The subject, a client, was told to do something.
    Told,
    /// The subject, a client, told what came of that.
    Answered,
    /// The subject connected.
    ConnectedBySubject,
    /// Bytes of the agent reached a host, as that tells it.
    HostReceived,
    /// A host sent bytes to the agent, as it tells it.
    HostSent,
    /// The harness sent bytes.
    Sent,
    /// The subject sent bytes, which the case looked at.
    Received,
    /// The subject sent bytes that the case did not get to.
    Unread,
    /// The harness sent a FIN, and reads on.
    HalfClosed,
    /// The harness closed the connection.
    Closed,
    /// The harness broke the connection off.
    Reset,
    /// The subject closed the connection.
    ClosedBySubject,
    /// The subject broke the connection off.
    ResetBySubject,
    /// The subject sent what cannot be decrypted.
    Unopened,
}

/// What the manifest expects of a case, by an entry under `expect`. The result may be another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Expected {
    /// The outcome.
    pub outcome: Outcome,
    /// Why it is expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whom to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The last day on which the entry counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Day>,
    /// Whether that day was over when the case ran, so that its failure counts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expired: bool,
    /// A text that must occur in what goes wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The entry's glob over case names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Where the entry stands: file, line and column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
}

impl Expected {
    /// An outcome that is expected for a reason.
    pub fn new(outcome: Outcome, reason: &str) -> Self {
        Self {
            outcome,
            reason: Some(reason.to_owned()),
            owner: None,
            until: None,
            expired: false,
            failure: None,
            pattern: None,
            entry: None,
        }
    }
}

/// Something about the subject that no case is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    /// The subject's name.
    pub subject: String,
    /// Whether it counts as a warning.
    pub warning: bool,
    /// Whether it counts as an error: something could not be judged, and the subject is why.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub error: bool,
    /// One sentence.
    pub message: String,
}

/// What a notice counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gravity {
    /// Nothing: it is only reported.
    Note,
    /// A warning.
    Warning,
    /// An error.
    Error,
}

impl Gravity {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Gravity::Note => "note",
            Gravity::Warning => "warning",
            Gravity::Error => "error",
        }
    }
}

impl Notice {
    /// What it counts as.
    pub fn gravity(&self) -> Gravity {
        match (self.error, self.warning) {
            (true, _) => Gravity::Error,
            (false, true) => Gravity::Warning,
            (false, false) => Gravity::Note,
        }
    }
}

/// A subject whose cases are done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubjectFinished {
    /// Its name.
    pub subject: String,
}

/// How a run ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunFinished {
    /// The counts.
    pub tally: Tally,
    /// The signal that cut the run short: `SIGINT` or `SIGTERM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<String>,
    /// Cases that were not run because of `--fail-fast` or a signal.
    pub not_run: usize,
    /// Set where fewer cases ran than were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub too_few: Option<TooFew>,
    /// What became of the recorded floor, where the run has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<FloorReport>,
    /// The exit code.
    pub exit_code: u8,
    /// How long the run took, in milliseconds.
    pub millis: u64,
}

/// A run in which fewer cases ran than it had to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TooFew {
    /// How many ran.
    pub ran: usize,
    /// How many had to.
    pub least: usize,
}

impl fmt::Display for TooFew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ran, at least {} were to run", self.ran, self.least)
    }
}

/// How many results there were of each kind. Each result counts in one member only, but for
/// `unexpected_passes`, which also count as passed, and `other_failures`, which also count as what they are: failures
/// that differ from what the manifest expects of the case; and `contract`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs, reason = "the outcomes, documented at Outcome")]
pub struct Tally {
    pub passed: usize,
    pub failed: usize,
    pub differences: usize,
    pub warnings: usize,
    pub skipped: usize,
    pub errors: usize,
    pub expected_failures: usize,
    pub unexpected_passes: usize,
    #[serde(default)]
    pub other_failures: usize,
    /// Of the failed: those that break no clause of the protocol, but the contract of an interface of iaspec.
    #[serde(default)]
    pub contract: usize,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.differences += other.differences;
        self.warnings += other.warnings;
        self.skipped += other.skipped;
        self.errors += other.errors;
        self.expected_failures += other.expected_failures;
        self.unexpected_passes += other.unexpected_passes;
        self.other_failures += other.other_failures;
        self.contract += other.contract;
    }
}

impl Tally {
    /// Counts a result.
    pub fn count(&mut self, result: &CaseResult) {
        match result.waiver() {
            Waiver::Holds => {
                self.expected_failures += 1;
                return;
            }
            Waiver::Passed => self.unexpected_passes += 1,
            Waiver::Differs => self.other_failures += 1,
            Waiver::None | Waiver::Expired => {}
        }
        match result.outcome {
            Outcome::Pass => self.passed += 1,
            Outcome::Fail => {
                self.failed += 1;
                self.contract += usize::from(result.tier == Tier::C);
            }
            Outcome::Difference => self.differences += 1,
            Outcome::Warning => self.warnings += 1,
            Outcome::Skip => self.skipped += 1,
            Outcome::Error => self.errors += 1,
        }
    }

    /// Failures, with `strict` differences and warnings too.
    pub fn failures(&self, strict: bool) -> usize {
        self.failed + if strict { self.differences + self.warnings } else { 0 }
    }

    /// The exit code of a run that was not cut short: errors before failures before expectations that do not hold.
    ///
    /// ```
    /// use iaspec_harness::event::Tally;
    /// assert_eq!(Tally { warnings: 1, ..Tally::default() }.exit_code(false), 0);
    /// assert_eq!(Tally { warnings: 1, ..Tally::default() }.exit_code(true), 1);
    /// assert_eq!(Tally { failed: 1, errors: 1, ..Tally::default() }.exit_code(false), 3);
    /// assert_eq!(Tally { unexpected_passes: 1, ..Tally::default() }.exit_code(false), 4);
    /// assert_eq!(Tally { differences: 1, other_failures: 1, ..Tally::default() }.exit_code(false), 4);
    /// ```
    pub fn exit_code(&self, strict: bool) -> u8 {
        if self.errors > 0 {
            3
        } else if self.failures(strict) > 0 {
            1
        } else if self.unexpected_passes + self.other_failures > 0 {
            4
        } else {
            0
        }
    }
}
