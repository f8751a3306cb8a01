//! `iaspec host`: the probe product, started by an agent and by nobody else (RTE-6).

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use iaspec_reference::faults;
use iaspec_reference::host::{Ended, Nonce, Start, attach};

use super::faults::known_fault;
use crate::exit::Failure;

/// A link of this name to `iaspec` is a program that takes exactly the options of a product host.
const PROGRAM: &str = "iaspec-probe-host";

/// The file beside that link that tells the conduct of the probe.
const CONDUCT: &str = "iaspec-probe-conduct";

/// The code of a host that does not attach, whatever the reason.
const NOT_ATTACHED: u8 = 3;

/// The agent has died, or broke its promises.
const FAILED: u8 = 1;

pub(crate) const HELP: &str = "\
The host ends when its agent asks it to, and within a second of its agent's death. Started by hand it
refuses: the segment has to name the process that starts it. Where an agent takes one executable as
its product host, give it a link to iaspec that is named iaspec-probe-host and takes the options alone.

Example:
  ln -s \"$(command -v iaspec)\" iaspec-probe-host

Exit codes:
  0    finished as the agent asked
  1    the agent has died, or broke the segment or its stream of messages
  3    not attached: the options or the segment are wrong, nothing was changed
  or the code that a request for exit names; a request for abort ends it by a signal";

/// What an agent tells the host that it starts.
#[derive(Debug, Args)]
pub(crate) struct HostArguments {
    /// The segment
    #[arg(long, value_name = "PATH")]
    shared_memory: PathBuf,
    /// The segment's nonce: 32 hexadecimal digits
    #[arg(long, value_name = "HEX32", value_parser = str::parse::<Nonce>)]
    nonce: Nonce,
    /// The session's ID
    #[arg(long, value_name = "N")]
    session: i32,
    /// The product's agent type
    #[arg(long, value_name = "N")]
    agent_type: u8,
    /// Be a host with this fault; for those who test what finds it out
    #[arg(long, value_name = "NAME", hide = true, value_parser = |name: &str| known_fault(name, faults::host::names()))]
    fault: Option<String>,
    /// Be a probe of this conduct; for those who test agents
    #[arg(long, value_name = "NAME", hide = true, conflicts_with = "fault", value_parser = |name: &str| known_fault(name, faults::host::conducts()))]
    conduct: Option<String>,
}

pub(crate) fn host(arguments: HostArguments) -> Result<ExitCode, Failure> {
    let HostArguments { shared_memory, nonce, session, agent_type, fault, conduct } = arguments;
    let start = Start { shared_memory, nonce, session, agent_type };
    if let Some(fault) = fault {
        return ended(faults::host::run(&fault, &start));
    }
    if let Some(conduct) = conduct {
        return ended(faults::host::conduct(&conduct, &start));
    }
    let session = attach(start).map_err(|refused| not_attached(&refused.to_string()))?;
    match session.run() {
        Ended::Finished => Ok(ExitCode::SUCCESS),
        Ended::Failed(why) => Err(Failure::of(FAILED, format!("the session is over: {why}"))),
    }
}

/// What becomes of a host that is not a correct one.
fn ended<E: std::fmt::Display>(ended: Result<faults::host::Ended, E>) -> Result<ExitCode, Failure> {
    match ended.map_err(|refused| not_attached(&refused.to_string()))? {
        faults::host::Ended::Code(code) => Ok(ExitCode::from(code)),
        faults::host::Ended::Broken(error) => {
            Err(Failure::of(FAILED, format!("the fault cannot be played: {error}")))
        }
    }
}

/// The command line with the word `host` in it, if it is one of the linked program. A file beside that tells the conduct of
/// the probe, where a case has it misbehave.
pub(crate) fn spelled_out(given: Vec<OsString>) -> Vec<OsString> {
    let program = given.first().map(PathBuf::from).unwrap_or_default();
    if program.file_name() != Some(OsStr::new(PROGRAM)) {
        return given;
    }
    let conduct = std::fs::read_to_string(program.with_file_name(CONDUCT)).ok();
    let conduct = conduct.into_iter().flat_map(|name| ["--conduct".into(), name.trim().into()]);
    let words = given.into_iter().skip(1).chain(conduct);
    [OsString::from("iaspec"), OsString::from("host")].into_iter().chain(words).collect()
}

/// What becomes of a mistake in a host's command line: it does not attach, and says why in a line. Other command lines,
/// and a wish for help, are none of this.
pub(crate) fn refusal(given: &[OsString], mistake: &clap::Error) -> Option<Failure> {
    let is_host = given.get(1).is_some_and(|word| word == "host") && mistake.use_stderr();
    let text = mistake.render().to_string();
    let told: Vec<&str> = text.split("\n\n").next().unwrap_or_default().split_whitespace().collect();
    let told = told.join(" ");
    is_host.then(|| not_attached(told.strip_prefix("error: ").unwrap_or(&told)))
}

fn not_attached(why: &str) -> Failure {
    Failure::of(NOT_ATTACHED, format!("not attached: {why}"))
}
