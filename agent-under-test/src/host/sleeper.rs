//! The child that a launch starts: this program again, under a name that it does nothing else by.

#![allow(clippy::disallowed_methods, reason = "here a child is started, and is one that sleeps")]

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The name of the child, its `argv[0]`: nobody types it.
const NAME: &str = "iaspec-probe-launched";

/// A process that sleeps, and ends with 0.
///
/// A program that runs a [`Session`](super::Session) has to look at its own words first with
/// [`from_words`](Self::from_words), since the probe launches that same program.
#[derive(Clone, Copy, Debug)]
pub struct Sleeper(Duration);

impl Sleeper {
    /// The child that this process was started as, if these words of a command line say so.
    #[must_use]
    pub fn from_words(words: &[OsString]) -> Option<Self> {
        let [name, seconds] = words else { return None };
        let seconds = seconds.to_str()?.parse().ok()?;
        (name == NAME).then_some(Self(Duration::from_secs(seconds)))
    }

    /// Sleeps.
    pub fn run(self) {
        std::thread::sleep(self.0);
    }

    /// Starts such a child with nothing of this process but its process group.
    pub(super) fn start(time: Duration) -> io::Result<Child> {
        Self::start_as(time, |_| ())
    }

    /// The same, with the last thing done to the command that starts it.
    pub(crate) fn start_as(time: Duration, prepare: impl FnOnce(&mut Command)) -> io::Result<Child> {
        // Also right where the program's file was replaced or removed meanwhile.
        let mut command = Command::new(Path::new("/proc/self/exe"));
        command.arg0(OsStr::new(NAME)).arg(time.as_secs().to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        prepare(&mut command);
        command.spawn()
    }
}
