//! `iaspec client`: the reference client as a subject.

use std::io::{BufReader, stdin, stdout};
use std::process::ExitCode;

use clap::Args;
use iaspec_reference::{client::driver, faults};

use super::faults::known_fault;
use crate::exit::Failure;

/// Large enough for many requests at a turn.
const BUFFER: usize = 256 << 10;

#[derive(Debug, Args)]
pub(crate) struct ClientArguments {
    /// Be a client with this fault; for those who test what finds it out
    #[arg(long, value_name = "NAME", hide = true, value_parser = |name: &str| known_fault(name, faults::client::names()))]
    fault: Option<String>,
}

pub(crate) fn client(arguments: &ClientArguments) -> Result<ExitCode, Failure> {
    let input = BufReader::with_capacity(BUFFER, stdin());
    match &arguments.fault {
        None => driver::run(input, stdout())?,
        Some(fault) => faults::client::run(fault, input, stdout())?,
    }
    Ok(ExitCode::SUCCESS)
}
