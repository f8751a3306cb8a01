//! `iaspec faults`: what the suite catches, mistake by mistake.

pub(crate) mod catalogue;
pub(crate) mod coverage;
pub(crate) mod matrix;
mod search;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use iaspec_harness::subject::{Role, become_subreaper, reap_orphans};

use self::search::Search;
use super::run::reference;
use super::{bad_vectors, corpus};
use crate::arguments::{VectorsFrom, positive_span, role, whole_number};
use crate::exit::Failure;

pub(crate) const HELP: &str = "\
Each fault is a mistake that implementers make, built into the reference implementation. The suite has
to fail it by a case of a clause that the fault breaks, as gravely as that clause demands (of a
documented, regression or contract clause by `fail`), and may not fail cases that have nothing to do
with it: a case fails for a fault only if it cites one of the fault's clauses, or one that the catalogue
names beside them with the reason. A clause whose faults are caught only by cases that offer what is
right, or only by cases that offer what is wrong, is reported as `one side`, which is no failure.

Examples:
  iaspec faults                               each fault where it shows
  iaspec faults --full                        each fault against every case of its role
  iaspec faults handshakes-one-at-a-time
  iaspec faults --report json=faults.json --report markdown=faults.md

Exit codes:
  0    every fault is caught, by a case of its own clauses and by no case that has nothing to do with it
  1    a fault survives, or is caught too mildly, or cases fail that have nothing to do with it
  2    the command line, the catalogue or a vector is wrong
  3    a subject could not be run
  130  interrupted by SIGINT (143: by SIGTERM)";

#[derive(Debug, Args)]
pub(crate) struct Faults {
    /// Only these faults
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    vectors: VectorsFrom,
    /// Print the faults and what is wrong with each
    #[arg(long, env = "IASPEC_FAULTS_LIST")]
    list: bool,
    /// Run every case of the role, in every mode of encryption, and not only those where a fault shows
    #[arg(long, env = "IASPEC_FAULTS_FULL")]
    full: bool,
    /// Only faults of a role: agent, client, host or codec; may be given several times
    #[arg(long, value_name = "ROLE", env = "IASPEC_FAULTS_ROLE", value_delimiter = ',', value_parser = role)]
    role: Vec<Role>,
    /// How many faults are looked for at once
    #[arg(long, value_name = "N", env = "IASPEC_FAULTS_JOBS", default_value = "12", value_parser = whole_number::<u16, 1, 64>)]
    jobs: u16,
    /// How long a subject that owes an answer may be silent, such as 500ms or 10s
    #[arg(long, value_name = "TIME", env = "IASPEC_FAULTS_ANSWER_WITHIN", default_value = "2s", value_parser = positive_span)]
    answer_within: Duration,
    /// Write the matrix: json or markdown; may be given several times
    #[arg(long, value_name = "FORMAT=PATH", env = "IASPEC_FAULTS_REPORT", value_delimiter = ',', value_parser = matrix_report)]
    report: Vec<MatrixReport>,
}

/// Where the matrix is written.
#[derive(Clone, Debug)]
struct MatrixReport {
    format: MatrixFormat,
    path: PathBuf,
}

/// The form of the matrix.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum MatrixFormat {
    Json,
    Markdown,
}

fn matrix_report(text: &str) -> Result<MatrixReport, String> {
    let parts = text.split_once('=').filter(|(_, path)| !path.is_empty());
    let (format, path) = parts.ok_or("write FORMAT=PATH, such as json=faults.json")?;
    let format = MatrixFormat::from_str(format, false)
        .map_err(|_| format!("there is no form `{format}` of the matrix; there are json and markdown"))?;
    Ok(MatrixReport { format, path: path.into() })
}

/// The name of a fault that a reference implementation is to have, if it is one of those that it can have.
pub(crate) fn known_fault(
    name: &str,
    mut known: impl Iterator<Item = &'static str>,
) -> Result<String, String> {
    let is_known = known.any(|known| known == name);
    is_known
        .then(|| name.to_owned())
        .ok_or_else(|| "there is no such fault (`iaspec faults --list` lists all)".to_owned())
}

pub(crate) fn faults(arguments: &Faults) -> Result<ExitCode, Failure> {
    let corpus = corpus(&arguments.vectors)?;
    let mut catalogue = catalogue::read(&corpus).map_err(|findings| bad_vectors(&findings))?;
    for name in &arguments.names {
        catalogue.knows(name).map_err(Failure::usage)?;
    }
    catalogue.narrow(&arguments.names, &arguments.role);
    if arguments.list {
        matrix::list(&catalogue)?;
        return Ok(ExitCode::SUCCESS);
    }
    let manifests = reference()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Failure::environment(format!("the asynchronous runtime cannot be started: {error}"))
    })?;
    let search = Search::new(&corpus, &catalogue, &manifests, arguments)?;
    become_subreaper();
    let matrix = runtime.block_on(search.run());
    reap_orphans();
    let matrix = matrix?;
    matrix.write(&arguments.report)?;
    Ok(ExitCode::from(matrix.exit_code()))
}
