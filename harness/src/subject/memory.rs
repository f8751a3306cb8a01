//! What the system tells of a process: whether it lives, how much memory it took at most.

/// Whether a process is there and has not ended; one that ended and was not waited for counts as gone.
pub fn is_alive(pid: i32) -> bool {
    platform::is_alive(pid)
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
    fn status(pid: i32, key: &str) -> Option<String> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        text.lines().find_map(|line| Some(line.strip_prefix(key)?.trim().to_owned()))
    }

    pub(super) fn is_alive(pid: i32) -> bool {
        status(pid, "State:").is_some_and(|state| !state.starts_with(['Z', 'X']))
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
