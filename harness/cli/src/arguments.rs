//! The command line.

use std::fmt;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use iaspec_harness::clauses::Tier;
use iaspec_harness::hex_text;
use iaspec_harness::subject::Role;
use iaspec_harness::terms::{Encryption, TimeSpan};

use crate::commands::{agent, client, codec, faults, host};

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
    #[command(after_long_help = RUN_HELP, allow_negative_numbers = true)]
    Run(Run),
    /// Turn the recorded events of a run into reports
    #[command(after_long_help = REPORT_HELP)]
    Report(Report),
    /// List the cases
    #[command(after_long_help = LIST_HELP)]
    List(List),
    /// Print cases as annotated conversations: every step, and every byte with its field
    #[command(after_long_help = SHOW_HELP, allow_negative_numbers = true)]
    Show(Show),
    /// Print a clause of the protocol and the cases that cite it, or list all clauses
    #[command(after_long_help = EXPLAIN_HELP)]
    Explain(Explain),
    /// Check, describe or export the vector files
    #[command(after_long_help = VECTORS_HELP)]
    Vectors(Vectors),
    /// Tell what a live agent speaks: versions, encryption, dialect, certificate, times
    #[command(after_long_help = PROBE_HELP)]
    Probe(Probe),
    /// Run the suite against implementations with one fault each: what it catches, and by which cases
    #[command(after_long_help = faults::HELP, allow_negative_numbers = true)]
    Faults(faults::Faults),
    /// Print a script that completes command lines, for a shell
    #[command(after_long_help = COMPLETIONS_HELP)]
    Completions {
        /// For which shell
        shell: Shell,
    },
    /// The reference codec: answers the line protocol on standard input and output
    #[command(after_long_help = CODEC_HELP)]
    Codec(codec::CodecArguments),
    /// The reference client: talks to agents as lines on standard input say
    #[command(after_long_help = CLIENT_HELP)]
    Client(client::ClientArguments),
    /// The reference agent: serves protocol versions 1000 and 2000 over TCP
    #[command(after_long_help = agent::HELP, allow_negative_numbers = true)]
    Agent(Box<agent::AgentArguments>),
    /// The reference product host, the probe: what an agent starts for every product
    #[command(after_long_help = host::HELP, allow_negative_numbers = true)]
    Host(host::HostArguments),
}

const RUN_HELP: &str = "\
Examples:
  iaspec run                                  the reference implementation, every role
  iaspec run subject-codec.yaml               the subject of a manifest
  iaspec run subject.yaml --filter 'codec/strings/**' --clause DAT-2
  iaspec run --role agent --encryption aes
  iaspec run subject.yaml --report ndjson=run.ndjson --report junit=run.xml --strict
  IASPEC_REPORT=junit=run.xml iaspec run subject.yaml --slow --seed 7
  iaspec run subject.yaml --filter 'handshake/**' --conversations all
  iaspec run subject.yaml --write-expect expect.yaml
  iaspec run subject.yaml --floor floor.yaml

Formats of reports:
  text      what is printed
  ndjson    every event as a line of JSON, at once
  json      one document: all results in the order of the corpus, and counts
  junit     XML for CI systems: a testsuite for each subject, a testcase for each result
  markdown  a summary for the page of a CI job

Exit codes:
  0    conformant
  1    a case failed (with --strict: or differs, or warns)
  2    the command line, the manifest or a vector is wrong, or a pattern matches no case
  3    the harness or the subject could not be run
  4    a case that the manifest expects to fail passed, or differs or warns otherwise than expected;
       or a case of the floor did not run
  130  interrupted by SIGINT (143: by SIGTERM)";

const REPORT_HELP: &str = "\
Examples:
  iaspec report run.ndjson                                   the text report
  iaspec report run.ndjson --to junit=run.xml --to json=run.json
  iaspec report run.ndjson --to markdown=- >>$GITHUB_STEP_SUMMARY

The formats are those of `iaspec run --report`. The recording of a run that was killed may end
in the middle of a line; every report of it says that it is incomplete.

Exit codes:
  0    the reports are written, whatever the verdict in them
  2    the command line or the recording is wrong
  3    a report could not be written";

const LIST_HELP: &str = "\
Examples:
  iaspec list                          every case: name, tier, clauses
  iaspec list --filter 'codec/aes_*/**' --tier H
  iaspec list --by clause              how many cases cite each clause";

const SHOW_HELP: &str = "\
Examples:
  iaspec show framing/segments/two-frames-in-one-write
  iaspec show 'codec/strings/**' --width 80 | less";

const PROBE_HELP: &str = "\
A dozen connections are made at most, one after the other, each ended properly. Nothing is sent but
handshakes, TLS and Get Agent Root Path. Readings are concluded from where a response begins and
how it ends, never from a pause.

Examples:
  iaspec probe 127.0.0.1:46336
  iaspec probe agent.example:46336 --ca ca.pem
  IASPEC_PROBE_AES_KEY=0011… iaspec probe agent.example:46336 --json

Exit codes:
  0    it is an agent and was probed, as far as that goes without its key
  1    what answers is no agent, or one that answers no Get Agent Root Path
  2    the command line is wrong
  3    it cannot be reached";

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
  iaspec vectors schema --of results";

const EXPORT_HELP: &str = "\
Example:
  iaspec vectors export > vectors.json";

const HELP: &str = "\
Examples:
  iaspec run                           the reference implementation, every role
  iaspec run subject.yaml              a subject of yours
  iaspec show handshake/acknowledgement/v2-range";

const EXPLAIN_HELP: &str = "\
Examples:
  iaspec explain            every clause with its number of cases
  iaspec explain DAT-2      its text, its sources and the cases that cite it
  iaspec explain --coverage                        cases and faults of every clause
  iaspec faults --report json=faults.json && iaspec explain --coverage --matrix faults.json

Exit codes:
  0    told
  1    --coverage: a clause that can be tested has no case, no fault, or none that is caught
  2    the command line, a vector or the matrix is wrong";

const CLIENT_HELP: &str = "\
Requests are lines of JSON: connect, send, receive, get_root_path, update_agent, open_session, close.
Each is answered by a line, in any order. The first connection has number 1, the next 2; what is
given before one is made waits for it. It ends when its input ends.

Example:
  iaspec client <<END
  {\"id\":1,\"op\":\"connect\",\"host\":\"127.0.0.1\",\"port\":46336,\"protocol\":{\"version\":2,\"min\":1000,\"max\":2000}}
  {\"id\":2,\"op\":\"get_root_path\",\"conn\":1,\"agent_type\":\"otter\"}
  END

Exit codes:
  0    the input has ended
  3    the input cannot be read, or an answer cannot be written";

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
    /// Only cases that cite a clause of a tier: D, R, C, I or H; may be given several times
    #[arg(long, value_name = "TIER", env = "IASPEC_TIER", value_delimiter = ',')]
    pub(crate) tier: Vec<Tier>,
}

/// How wide lines are.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Width {
    /// Columns of a line [default: those of the terminal, at most 140; 100 without one]
    #[arg(long, value_name = "COLUMNS", env = "IASPEC_WIDTH", value_parser = whole_number::<u16, 40, 400>)]
    width: Option<u16>,
}

impl Width {
    /// The columns, where lines without a terminal have 100.
    pub(crate) fn columns(self) -> usize {
        const WITHOUT_TERMINAL: usize = 100;
        const MOST: usize = 140;
        const LEAST: usize = 40;
        let of_terminal = || {
            let terminal = io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
            terminal.map_or(WITHOUT_TERMINAL, |(width, _)| usize::from(width.0).clamp(LEAST, MOST))
        };
        self.width.map_or_else(of_terminal, usize::from)
    }
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
    /// The most cases of a subject under way at once, and the most subjects
    #[arg(long, value_name = "N", env = "IASPEC_JOBS", default_value = "64", value_parser = whole_number::<u16, 1, 65_535>)]
    pub(crate) jobs: u16,
    /// Count differences and warnings as failures
    #[arg(long, env = "IASPEC_STRICT")]
    pub(crate) strict: bool,
    /// End the run with the first failure
    #[arg(long, env = "IASPEC_FAIL_FAST")]
    pub(crate) fail_fast: bool,
    /// Run each case so many times
    #[arg(long, value_name = "N", env = "IASPEC_REPEAT", default_value = "1", value_parser = whole_number::<u32, 1, 100_000>)]
    pub(crate) repeat: u32,
    /// Only in a mode of encryption: none, ssl or aes; may be given several times [default: all that the subject supports]
    #[arg(long, value_name = "MODE", env = "IASPEC_ENCRYPTION", value_delimiter = ',', value_parser = mode)]
    pub(crate) encryption: Vec<Encryption>,
    /// Only subjects of a role: agent, client, host or codec; may be given several times
    #[arg(long, value_name = "ROLE", env = "IASPEC_ROLE", value_delimiter = ',', value_parser = role)]
    pub(crate) role: Vec<Role>,
    /// Run the slow cases too, which take half a minute and more
    #[arg(long, env = "IASPEC_SLOW")]
    pub(crate) slow: bool,
    /// Start the cases in an order drawn from this number instead of that of the corpus
    #[arg(long, value_name = "N", env = "IASPEC_SEED", value_parser = whole_number::<u64, 0, { u32::MAX }>)]
    pub(crate) seed: Option<u64>,
    /// How long a subject that owes an answer may be silent, such as 500ms or 10s
    #[arg(long, value_name = "TIME", env = "IASPEC_ANSWER_WITHIN", default_value = "10s", value_parser = positive_span)]
    pub(crate) answer_within: Duration,
    /// Of which cases to tell what went over their connections, in the reports that tell it
    #[arg(long, value_enum, value_name = "WHICH", env = "IASPEC_CONVERSATIONS", default_value = "failed")]
    pub(crate) conversations: ConversationsOf,
    /// Write a report beside the text: text, ndjson, json, junit or markdown; may be given several times
    #[arg(long, value_name = "FORMAT=PATH", env = "IASPEC_REPORT", value_delimiter = ',', value_parser = report_file)]
    pub(crate) report: Vec<ReportTo>,
    /// Write entries for `expect` of the manifest, to be completed by hand, for the failures that it does not expect; to
    /// a file that is not there yet
    #[arg(long, value_name = "PATH", env = "IASPEC_WRITE_EXPECT", value_parser = file)]
    pub(crate) write_expect: Option<PathBuf>,
    /// Compare the cases that run with those recorded in a file: none of them may be skipped or gone; without the file,
    /// record it
    #[arg(long, value_name = "PATH", env = "IASPEC_FLOOR", value_parser = file)]
    pub(crate) floor: Option<PathBuf>,
    /// Add cases that ran to the floor, and write renamed ones by their new names; none is taken away
    #[arg(long, env = "IASPEC_UPDATE_FLOOR")]
    pub(crate) update_floor: bool,
    /// End with 4 if fewer cases run than this: skipped ones and those that could not be run do not count
    #[arg(long, value_name = "N", env = "IASPEC_MIN_CASES", value_parser = whole_number::<u32, 1, 100_000_000>)]
    pub(crate) min_cases: Option<u32>,
    #[command(flatten)]
    pub(crate) width: Width,
}

/// Of which cases the conversation is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConversationsOf {
    /// Of those that did not pass: the last 64 exchanges, the first 32 bytes of each
    Failed,
    /// Of all that ran: 4096 exchanges, 512 bytes of each, the CRC-32 of longer ones
    All,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// What `iaspec run --report ndjson=PATH` wrote; - is standard input
    #[arg(value_name = "RUN.ndjson")]
    pub(crate) recording: PathBuf,
    /// Write a report: text, ndjson, json, junit or markdown; - is standard output; may be given several times
    #[arg(long, value_name = "FORMAT=PATH", env = "IASPEC_TO", value_delimiter = ',', default_value = "text=-", value_parser = report)]
    pub(crate) to: Vec<ReportTo>,
    #[command(flatten)]
    pub(crate) width: Width,
}

/// A report to be written.
#[derive(Clone, Debug)]
pub(crate) struct ReportTo {
    pub(crate) format: Format,
    pub(crate) place: Place,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Ndjson,
    Json,
    Junit,
    Markdown,
}

/// Where a report goes.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    StandardOutput,
    File(PathBuf),
}

fn report(text: &str) -> Result<ReportTo, String> {
    let Some((format, path)) = text.split_once('=').filter(|(_, path)| !path.is_empty()) else {
        return Err("write FORMAT=PATH, such as ndjson=run.ndjson".to_owned());
    };
    let format = Format::from_str(format, false).map_err(|_| {
        format!("there is no report format `{format}`; there are text, ndjson, json, junit and markdown")
    })?;
    let place = if path == "-" { Place::StandardOutput } else { Place::File(path.into()) };
    Ok(ReportTo { format, place })
}

/// A file for something that standard output has no place for.
fn file(text: &str) -> Result<PathBuf, String> {
    if text == "-" {
        return Err("standard output has the text report; name a file".to_owned());
    }
    Ok(text.into())
}

/// A report of a run, which prints the text report itself.
fn report_file(text: &str) -> Result<ReportTo, String> {
    match report(text)? {
        ReportTo { place: Place::StandardOutput, .. } => {
            Err("standard output has the text report; name a file".to_owned())
        }
        report => Ok(report),
    }
}

fn mode(text: &str) -> Result<Encryption, String> {
    match text {
        "none" => Ok(Encryption::None),
        "ssl" => Ok(Encryption::Ssl),
        "aes" => Ok(Encryption::Aes),
        _ => Err("there are none, ssl and aes".to_owned()),
    }
}

pub(crate) fn role(text: &str) -> Result<Role, String> {
    let all = [Role::Agent, Role::Client, Role::Host, Role::Codec];
    let known = all.into_iter().find(|role| role.to_string() == text);
    known.ok_or_else(|| "there are agent, client, host and codec".to_owned())
}

/// A whole number within bounds, which a message about another one names.
pub(crate) fn whole_number<T: TryFrom<u32>, const MIN: u32, const MAX: u32>(text: &str) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| (MIN..=MAX).contains(number));
    let number = number.and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| format!("`{text}` is no whole number from {MIN} to {MAX}"))
}

pub(crate) fn positive_span(text: &str) -> Result<Duration, String> {
    let span: TimeSpan = text.parse()?;
    if span.0.is_zero() { Err("must be longer than nothing".to_owned()) } else { Ok(span.0) }
}

#[derive(Debug, Args)]
pub(crate) struct Probe {
    /// Where the agent listens
    #[arg(value_name = "HOST:PORT", value_parser = host_and_port)]
    pub(crate) address: String,
    /// The key of an agent in mode aes: 32 or 64 hexadecimal digits
    #[arg(long, value_name = "HEX", env = "IASPEC_PROBE_AES_KEY", hide_env_values = true, value_parser = aes_key)]
    pub(crate) aes_key: Option<AesKey>,
    /// Check the certificate of an agent in mode ssl by the certificates in a PEM file
    #[arg(long, value_name = "PEM", env = "IASPEC_PROBE_CA")]
    pub(crate) ca: Option<PathBuf>,
    /// How long each answer may take, such as 500ms or 5s; all of it takes four times as long at most
    #[arg(long, value_name = "TIME", env = "IASPEC_PROBE_TIMEOUT", default_value = "5s", value_parser = positive_span)]
    pub(crate) timeout: Duration,
    /// Print one JSON object
    #[arg(long, env = "IASPEC_PROBE_JSON")]
    pub(crate) json: bool,
}

/// The key of an agent, which no message shows.
#[derive(Clone)]
pub(crate) struct AesKey(pub(crate) Vec<u8>);

impl fmt::Debug for AesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AesKey(…)")
    }
}

fn aes_key(text: &str) -> Result<AesKey, String> {
    let key = hex_text::decode(text).ok().filter(|key| matches!(key.len(), 16 | 32));
    key.map(AesKey).ok_or_else(|| "write 32 or 64 hexadecimal digits".to_owned())
}

fn host_and_port(text: &str) -> Result<String, String> {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    let bare = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
    let good = !host.is_empty() && !bare && port.parse::<u16>().is_ok_and(|port| port > 0);
    if good {
        Ok(text.to_owned())
    } else {
        Err("write HOST:PORT, such as agent.example:46336 or [::1]:46336".to_owned())
    }
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
    #[command(flatten)]
    pub(crate) width: Width,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The clause, such as HS-3; without it, all are listed
    #[arg(conflicts_with = "coverage")]
    pub(crate) clause: Option<String>,
    #[command(flatten)]
    pub(crate) vectors: VectorsFrom,
    /// Tell of each clause its cases, the faults that break it, and which of them are caught
    #[arg(long, env = "IASPEC_EXPLAIN_COVERAGE")]
    pub(crate) coverage: bool,
    /// Count what is caught by a matrix of `iaspec faults --report json=PATH`
    #[arg(long, value_name = "PATH", env = "IASPEC_EXPLAIN_MATRIX", requires = "coverage")]
    pub(crate) matrix: Option<PathBuf>,
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
    /// The document that `run --report json=PATH` writes
    Results,
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::Arguments;

    fn every_command(command: &Command, visit: &mut impl FnMut(&Command)) {
        visit(command);
        command.get_subcommands().for_each(|inner| every_command(inner, visit));
    }

    #[test]
    fn the_command_line_makes_sense() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_long_option_has_an_environment_twin() {
        every_command(&Arguments::command(), &mut |command| {
            // What a host is told comes from its agent and from nowhere else.
            if command.get_name() == "host" {
                return;
            }
            // What is hidden is not to be reached by accident.
            for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                let Some(long) = argument.get_long().filter(|long| !["help", "version"].contains(long))
                else {
                    continue;
                };
                let twin = argument.get_env().and_then(|name| name.to_str()).unwrap_or_default();
                assert!(twin.starts_with("IASPEC_"), "{} --{long}: {twin:?}", command.get_name());
            }
        });
    }

    #[test]
    fn every_help_ends_with_examples() {
        every_command(&Arguments::command(), &mut |command| {
            let help = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example") && help.contains("iaspec"), "{}: {help:?}", command.get_name());
        });
    }
}
