//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use iaspec_harness::clauses::Tier;
use iaspec_harness::terms::TimeSpan;

use crate::commands::agent;

/// Conformance tests for implementations of the Inedo Agent protocol.
#[derive(Debug, Parser)]
#[command(name = "iaspec", version, max_term_width = 100, after_long_help = HELP)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the cases against a subject and judge it
    #[command(after_long_help = RUN_HELP)]
    Run(Run),
    /// List the cases
    #[command(after_long_help = LIST_HELP)]
    List(List),
    /// Print cases as annotated conversations: every step, and every byte with its field
    #[command(after_long_help = SHOW_HELP)]
    Show(Show),
    /// Print a clause of the protocol and the cases that cite it, or list all clauses
    #[command(after_long_help = EXPLAIN_HELP)]
    Explain(Explain),
    /// Check, describe or export the vector files
    #[command(after_long_help = VECTORS_HELP)]
    Vectors(Vectors),
    /// Print a script that completes command lines, for a shell
    #[command(after_long_help = COMPLETIONS_HELP)]
    Completions {
        /// For which shell
        shell: Shell,
    },
    /// The reference codec: answers the line protocol on standard input and output
    #[command(after_long_help = CODEC_HELP)]
    Codec,
    /// The reference agent: serves protocol versions 1000 and 2000 over TCP
    #[command(after_long_help = agent::HELP)]
    Agent(Box<agent::AgentArguments>),
}

const RUN_HELP: &str = "\
Examples:
  iaspec run                                  the reference implementation, every role
  iaspec run subject-codec.yaml               the subject of a manifest
  iaspec run subject.yaml --filter 'codec/strings/**' --clause DAT-2
  iaspec run subject.yaml --report ndjson=run.ndjson --strict

Exit codes:
  0    conformant
  1    a case failed (with --strict: or differs, or warns)
  2    the command line, the manifest or a vector is wrong, or a pattern matches no case
  3    the harness or the subject could not be run
  4    a failure that the manifest expects did not happen
  130  interrupted by SIGINT (143: by SIGTERM)";

const LIST_HELP: &str = "\
Examples:
  iaspec list                          every case: name, tier, clauses
  iaspec list --filter 'codec/aes_*/**' --tier H
  iaspec list --by clause              how many cases cite each clause";

const SHOW_HELP: &str = "\
Examples:
  iaspec show framing/segments/two-frames-in-one-write
  iaspec show 'codec/strings/**' --width 80 | less";

const COMPLETIONS_HELP: &str = "\
Examples:
  iaspec completions bash > ~/.local/share/bash-completion/completions/iaspec
  iaspec completions zsh > ~/.zfunc/_iaspec";

const VECTORS_HELP: &str = "\
Examples:
  iaspec vectors check --vectors ./vectors
  iaspec vectors export > vectors.json";

const CHECK_HELP: &str = "\
Example:
  iaspec vectors check --vectors ./vectors";

const SCHEMA_HELP: &str = "\
Examples:
  iaspec vectors schema > vectors/schema.json
  iaspec vectors schema --of events";

const EXPORT_HELP: &str = "\
Example:
  iaspec vectors export > vectors.json";

const HELP: &str = "\
Examples:
  iaspec run                           the reference implementation, every role
  iaspec run subject.yaml              a subject of yours
  iaspec show handshake/acknowledgement/answer:v2";

const EXPLAIN_HELP: &str = "\
Examples:
  iaspec explain            every clause with its number of cases
  iaspec explain DAT-2      its text, its sources and the cases that cite it";

const CODEC_HELP: &str = "\
Example:
  echo '{\"id\":1,\"op\":\"encode\",\"type\":\"string\",\"value\":\"é\"}' | iaspec codec";

/// Which vectors.
#[derive(Debug, Args)]
pub(crate) struct VectorsFrom {
    /// Use the vectors of this directory instead of the built-in ones
    #[arg(long, value_name = "DIR", env = "IASPEC_VECTORS")]
    pub(crate) vectors: Option<PathBuf>,
}

/// Which cases.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Only cases whose name fits a glob (*, ** and ?); may be given several times
    #[arg(long, value_name = "GLOB", env = "IASPEC_FILTER", value_delimiter = ',')]
    pub(crate) filter: Vec<String>,
    /// Only cases that cite a clause (DAT-2) or one of a group (DAT); may be given several times
    #[arg(long, value_name = "ID", env = "IASPEC_CLAUSE", value_delimiter = ',')]
    pub(crate) clause: Vec<String>,
    /// Only cases of a tier: D, R, I or H; may be given several times
    #[arg(long, value_name = "TIER", env = "IASPEC_TIER", value_delimiter = ',')]
    pub(crate) tier: Vec<Tier>,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The subject's manifest; without it, the reference implementation in every role
    pub(crate) subject: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) vectors: VectorsFrom,
    /// Print the names of the cases that would run, and why others would be skipped
    #[arg(long, env = "IASPEC_LIST")]
    pub(crate) list: bool,
    /// The most cases under way at once
    #[arg(long, value_name = "N", env = "IASPEC_JOBS", default_value = "64", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: u16,
    /// Count differences and warnings as failures
    #[arg(long, env = "IASPEC_STRICT")]
    pub(crate) strict: bool,
    /// End the run with the first failure
    #[arg(long, env = "IASPEC_FAIL_FAST")]
    pub(crate) fail_fast: bool,
    /// Run each case so many times
    #[arg(long, value_name = "N", env = "IASPEC_REPEAT", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) repeat: u32,
    /// How long a subject that owes an answer may be silent, such as 500ms or 10s
    #[arg(long, value_name = "TIME", env = "IASPEC_ANSWER_WITHIN", default_value = "10s", value_parser = positive_span)]
    pub(crate) answer_within: Duration,
    /// Write a report beside the text: ndjson=PATH; may be given several times
    #[arg(long, value_name = "FORMAT=PATH", env = "IASPEC_REPORT", value_delimiter = ',', value_parser = report)]
    pub(crate) report: Vec<ReportTo>,
}

/// A report to be written: its form is NDJSON, so far the only one.
#[derive(Clone, Debug)]
pub(crate) struct ReportTo {
    pub(crate) path: PathBuf,
}

fn report(text: &str) -> Result<ReportTo, String> {
    match text.split_once('=') {
        Some(("ndjson", path)) if !path.is_empty() => Ok(ReportTo { path: path.into() }),
        Some(("ndjson", _)) | None => Err("write FORMAT=PATH, such as ndjson=run.ndjson".to_owned()),
        Some((format, _)) => Err(format!("there is no report format `{format}`; there is ndjson")),
    }
}

fn positive_span(text: &str) -> Result<Duration, String> {
    let span: TimeSpan = text.parse()?;
    if span.0.is_zero() { Err("must be longer than nothing".to_owned()) } else { Ok(span.0) }
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) vectors: VectorsFrom,
    /// Count the cases instead of listing them
    #[arg(long, value_enum, value_name = "WHAT", env = "IASPEC_LIST_BY")]
    pub(crate) by: Option<CountBy>,
}

/// What cases are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CountBy {
    /// By each clause that they cite
    Clause,
    /// By the group of those clauses, such as DAT
    Group,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The cases, by name or glob (*, ** and ?)
    #[arg(required = true, value_name = "CASE")]
    pub(crate) cases: Vec<String>,
    #[command(flatten)]
    pub(crate) vectors: VectorsFrom,
    /// Columns of a line [default: those of the terminal, at most 140; 100 without one]
    #[arg(long, value_name = "COLUMNS", env = "IASPEC_WIDTH", value_parser = clap::value_parser!(u16).range(40..=400))]
    pub(crate) width: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The clause, such as HS-3; without it, all are listed
    pub(crate) clause: Option<String>,
    #[command(flatten)]
    pub(crate) vectors: VectorsFrom,
}

#[derive(Debug, Args)]
pub(crate) struct Vectors {
    #[command(subcommand)]
    pub(crate) command: VectorsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum VectorsCommand {
    /// Find everything wrong with the vector files, each with file, line and column
    #[command(after_long_help = CHECK_HELP)]
    Check(VectorsFrom),
    /// Print the JSON Schema of vector files, for editors, or of what iaspec writes
    #[command(after_long_help = SCHEMA_HELP)]
    Schema {
        /// Of what
        #[arg(long, value_enum, value_name = "WHAT", env = "IASPEC_SCHEMA_OF", default_value = "vectors")]
        of: SchemaOf,
    },
    /// Print all cases as one JSON document, for ports
    #[command(after_long_help = EXPORT_HELP)]
    Export(VectorsFrom),
}

/// What a schema describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaOf {
    /// Vector files
    Vectors,
    /// The document that `vectors export` prints
    Export,
    /// The events that `run --report ndjson=PATH` writes, each line one
    Events,
}
