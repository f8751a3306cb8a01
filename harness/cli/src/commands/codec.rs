//! `iaspec codec`: the reference codec as a subject.

use std::io::{BufReader, stdin, stdout};
use std::process::ExitCode;

use crate::exit::Failure;

/// Large enough for many requests at a turn.
const BUFFER: usize = 256 << 10;

pub(crate) fn codec() -> Result<ExitCode, Failure> {
    iaspec_reference::codec_driver::run(BufReader::with_capacity(BUFFER, stdin()), stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}
