//! `iaspec report`: a recorded run into any report.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::process::ExitCode;

use iaspec_reports::Recording;

use super::reporters::Reporters;
use crate::arguments::Report;
use crate::exit::Failure;

pub(crate) fn report(arguments: &Report) -> Result<ExitCode, Failure> {
    let from_input = arguments.recording.as_os_str() == "-";
    let name =
        if from_input { "standard input".to_owned() } else { arguments.recording.display().to_string() };
    let fail = |error: io::Error| Failure::usage(format!("the recording {name} cannot be read: {error}"));
    let mut reporters = Reporters::new(arguments.width);
    let input: Box<dyn BufRead> = if from_input {
        reporters.add(&arguments.to)?;
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(&arguments.recording).map_err(fail)?;
        reporters.protect(&file.metadata().map_err(fail)?, "the recording");
        reporters.add(&arguments.to)?;
        Box::new(BufReader::new(file))
    };
    let told = Recording::new(input)
        .try_for_each(|event| event.map(|event| reporters.event(&event)))
        .map_err(|error| Failure::usage(format!("{name}, {error}")));
    // The reports tell what was read before a mistake, and that they are incomplete.
    let closed = reporters.close();
    told.and(closed).map(|()| ExitCode::SUCCESS)
}
