//! How commands end: their exit codes, and errors that carry one.

use std::io;
use std::process::ExitCode;

/// The command line, a manifest or a vector is wrong.
pub(crate) const USAGE: u8 = 2;

/// The harness or the subject could not be run.
pub(crate) const NOT_RUN: u8 = 3;

/// What was so once is not so any more: an expected failure, or a case of the floor.
pub(crate) const STALE: u8 = 4;

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    messages: Vec<String>,
}

impl Failure {
    /// Somebody has to mend the command line, a manifest or a vector.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { code: USAGE, messages: vec![message.into()] }
    }

    /// The same, for several reasons.
    pub(crate) fn usages(messages: Vec<String>) -> Self {
        Self { code: USAGE, messages }
    }

    /// The surroundings do not allow it.
    pub(crate) fn environment(message: impl Into<String>) -> Self {
        Self { code: NOT_RUN, messages: vec![message.into()] }
    }

    /// A command that has exit codes of its own.
    pub(crate) fn of(code: u8, message: impl Into<String>) -> Self {
        Self { code, messages: vec![message.into()] }
    }

    /// Prints the reasons and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        for message in self.messages {
            // A finding shows the text it is about, and begins with a word of its own.
            let prefix = if message.contains('\n') { "" } else { "iaspec: " };
            anstream::eprintln!("{prefix}{message}");
        }
        ExitCode::from(self.code)
    }
}

/// A reader that went away, as in `iaspec list | head`, has seen enough; that is no failure.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { code: 0, messages: Vec::new() };
        }
        Self::environment(format!("the output cannot be written: {error}"))
    }
}
