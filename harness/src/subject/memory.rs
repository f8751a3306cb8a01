//! What the system tells of a process, and lets it have: whether it lives, how much memory it took at most, how many files it
//! may open.

use std::io;

/// Whether a process is there and has not ended; one that ended and was not waited for counts as gone.
pub fn is_alive(pid: i32) -> bool {
    platform::is_alive(pid)
}

/// Whether a process is there, or has ended and was not waited for.
pub fn is_known(pid: i32) -> bool {
    platform::is_known(pid)
}

/// Lets a process have so many files more open than it has now, and no more ever.
///
/// # Errors
///
/// What the system says; that it cannot be done outside Linux.
pub fn limit_open_files(pid: i32, more: u32) -> io::Result<()> {
    platform::limit_open_files(pid, more)
}

/// The highest resident memory that a process ever took, in bytes; 0 where the system does not tell.
pub fn peak(pid: i32) -> u64 {
    platform::peak(pid)
}

/// The process group that a process is in; `None` where the system does not tell.
pub fn group(pid: i32) -> Option<i32> {
    let pid = rustix::process::Pid::from_raw(pid)?;
    rustix::process::getpgid(Some(pid)).ok().map(|group| group.as_raw_nonzero().get())
}

#[cfg(target_os = "linux")]
mod platform {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};

    fn status(pid: i32, key: &str) -> Option<String> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        text.lines().find_map(|line| Some(line.strip_prefix(key)?.trim().to_owned()))
    }

    pub(super) fn is_alive(pid: i32) -> bool {
        status(pid, "State:").is_some_and(|state| !state.starts_with(['Z', 'X']))
    }

    pub(super) fn is_known(pid: i32) -> bool {
        status(pid, "State:").is_some_and(|state| !state.starts_with('X'))
    }

    pub(super) fn limit_open_files(pid: i32, more: u32) -> std::io::Result<()> {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64;
        let most = Some(open + u64::from(more));
        let limit = Rlimit { current: most, maximum: most };
        prlimit(Pid::from_raw(pid), Resource::Nofile, limit)?;
        Ok(())
    }

    pub(super) fn peak(pid: i32) -> u64 {
        let kibibytes =
            status(pid, "VmHWM:").and_then(|text| text.strip_suffix("kB")?.trim().parse::<u64>().ok());
        kibibytes.unwrap_or(0) << 10
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use rustix::process::{Pid, test_kill_process};

    pub(super) fn is_alive(pid: i32) -> bool {
        Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid).is_ok())
    }

    pub(super) fn is_known(pid: i32) -> bool {
        is_alive(pid)
    }

    pub(super) fn limit_open_files(_pid: i32, _more: u32) -> std::io::Result<()> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    pub(super) fn peak(_pid: i32) -> u64 {
        0
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_takes_memory() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(is_alive(own));
        assert!(peak(own) > 1 << 20);
        assert!(!is_alive(i32::MAX));
        assert_eq!(peak(i32::MAX), 0);
    }
}
