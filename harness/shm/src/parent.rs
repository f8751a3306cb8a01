//! Children that do not outlive the thread that started them.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// Has a program be killed when the thread that starts it ends, in whatever way its process ends: a host that hangs must not
/// outlive an agent that was killed (SES-6). Linux alone has this; elsewhere nothing happens.
///
/// The thread counts, not the process: start the program from one that lives as long as it shall.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let mut command = std::process::Command::new("true");
/// iaspec_shm::end_with_this_thread(&mut command);
/// assert!(command.status()?.success());
/// # Ok(())
/// # }
/// ```
pub fn end_with_this_thread(command: &mut Command) {
    let parent = rustix::process::getpid();
    let in_the_child = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // It may have died before it was watched.
        if getppid() == Some(parent) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    };
    // SAFETY: between fork and exec only what is async-signal-safe may be done. The closure makes two system calls and
    // allocates nothing: an error of a kind alone lies in its own bits.
    unsafe {
        command.pre_exec(in_the_child);
    }
}
