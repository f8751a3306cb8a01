//! `iaspec client`: the reference client as a subject.

use std::io::{BufReader, stdin, stdout};
use std::process::ExitCode;

use crate::exit::Failure;

/// Large enough for many requests at a turn.
const BUFFER: usize = 256 << 10;

pub(crate) fn client() -> Result<ExitCode, Failure> {
    iaspec_reference::client::driver::run(BufReader::with_capacity(BUFFER, stdin()), stdout())?;
    Ok(ExitCode::SUCCESS)
}
