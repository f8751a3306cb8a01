//! Whether a process sleeps: evidence that it is not merely kept from the processor.

use std::thread;
use std::time::Duration;

/// So many looks in a row must find it asleep, with such a pause between two.
const LOOKS: u32 = 12;
const PAUSE: Duration = Duration::from_millis(2);

/// Whether every thread of a process sleeps at this moment. One that was woken and waits for a processor does not.
pub(super) fn is_asleep(pid: i32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    let mut any = false;
    for thread in threads.flatten() {
        any = true;
        if state(&thread.path().join("stat")) != Some('S') {
            return false;
        }
    }
    any
}

/// Whether a thread of this process sleeps at this moment.
pub(super) fn is_thread_asleep(thread: i32) -> bool {
    state(format!("/proc/self/task/{thread}/stat").as_ref()) == Some('S')
}

/// Whether a process goes on sleeping while something stays as it is.
pub(super) fn sleeps_on(pid: i32, still: impl Fn() -> bool) -> bool {
    (0..LOOKS).all(|_| {
        thread::sleep(PAUSE);
        still() && is_asleep(pid)
    })
}

/// The letter of a state, which follows the program's name in parentheses.
fn state(path: &std::path::Path) -> Option<char> {
    let text = std::fs::read_to_string(path).ok()?;
    text.rsplit_once(')')?.1.trim_start().chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_waits_sleeps_and_one_that_works_does_not() {
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        thread::sleep(Duration::from_millis(200));
        assert!(sleeps_on(pid, || true));
        assert!(!sleeps_on(pid, || false));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!is_asleep(pid));
        assert!(!is_asleep(i32::try_from(std::process::id()).unwrap()));
    }
}
