//! The iaspec conformance test harness: everything but the command line and the reports.
//!
//! # Layout
//!
//! Data flows one way: vectors → plan → engine ⇄ subject → events → verdicts → reports.
//!
//! - [`yaml`], [`finding`], [`hex_text`]: reading what people write, and saying what is wrong with it.
//! - [`clauses`], [`format`](mod@format), [`vectors`]: the protocol's sentences, its message formats, and the cases.
//! - [`select`]: which cases a pattern means; [`terms`]: what manifests and vectors both speak of.
//! - [`subject`]: manifests, and the processes that they describe.
//! - [`engine`]: runs cases against subjects.
//! - [`probe`]: what a live agent speaks, for the engine and for operators.
//! - [`matching`], [`verdict`], [`citation`]: what an observation means, and which clause it breaks; [`waiver`]: whether a failure is an expected one.
//! - [`floor`]: which cases must run, because they did before.
//! - [`event`]: what happened, for reports.
//! - [`annotate`]: a case laid out for a reader, byte by byte.

pub mod annotate;
pub mod citation;
pub mod clauses;
pub mod engine;
pub mod event;
pub mod finding;
pub mod floor;
pub mod format;
pub mod hex_text;
pub mod matching;
pub mod probe;
pub mod select;
pub mod subject;
pub mod terms;
pub mod timing;
pub mod vectors;
pub mod verdict;
pub mod waiver;
pub mod yaml;
