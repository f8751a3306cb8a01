//! `iaspec codec`: the reference codec as a subject.

use std::io::{BufReader, stdin, stdout};
use std::process::ExitCode;

use clap::Args;
use iaspec_reference::{codec_driver, faults};

use super::faults::known_fault;
use crate::exit::Failure;

/// Large enough for many requests at a turn.
const BUFFER: usize = 256 << 10;

#[derive(Debug, Args)]
pub(crate) struct CodecArguments {
    /// Be a codec with this fault; for those who test what finds it out
    #[arg(long, value_name = "NAME", hide = true, value_parser = |name: &str| known_fault(name, faults::codec::names()))]
    fault: Option<String>,
}

pub(crate) fn codec(arguments: &CodecArguments) -> Result<ExitCode, Failure> {
    let input = BufReader::with_capacity(BUFFER, stdin());
    match &arguments.fault {
        None => codec_driver::run(input, stdout().lock())?,
        Some(fault) => faults::codec::run(fault, input, stdout().lock())?,
    }
    Ok(ExitCode::SUCCESS)
}
