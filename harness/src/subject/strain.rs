//! How much the machine held subjects up: how long their threads waited for a processor, and how long they were stopped.
//!
//! Every process that the harness starts is watched as long as it lives. A subject that is slow because nobody lets it
//! run has done nothing wrong.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The subjects that run, with what is known of each.
static WATCHED: Mutex<BTreeMap<i32, Seen>> = Mutex::new(BTreeMap::new());

/// What was seen of a process last.
#[derive(Debug, Default)]
struct Seen {
    /// How long each of its threads has waited for a processor since it began, in nanoseconds.
    waited: BTreeMap<i32, u64>,
}

/// Watches a process from now on.
pub(super) fn watch(pid: i32) {
    lock().insert(pid, Seen::default());
}

/// Watches a process no more.
pub(super) fn forget(pid: i32) {
    lock().remove(&pid);
}

fn lock() -> std::sync::MutexGuard<'static, BTreeMap<i32, Seen>> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For how long a subject was held up since the last look, which was `passed` ago: that of the worst one.
pub(crate) fn held_up(passed: Duration) -> Duration {
    lock().iter_mut().map(|(pid, seen)| seen.look(*pid, passed)).max().unwrap_or_default()
}

impl Seen {
    fn look(&mut self, pid: i32, passed: Duration) -> Duration {
        if is_stopped(pid) {
            return passed;
        }
        let now = waits(pid);
        // A thread that is new has waited only since it began.
        let more = |(thread, nanos): (&i32, &u64)| {
            nanos.saturating_sub(self.waited.get(thread).copied().unwrap_or_default())
        };
        let longest = if self.waited.is_empty() { 0 } else { now.iter().map(more).max().unwrap_or_default() };
        self.waited = now;
        Duration::from_nanos(longest).min(passed)
    }
}

/// Whether a process was stopped by a signal.
fn is_stopped(pid: i32) -> bool {
    let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // The name of the program, in parentheses, may hold anything.
    let state = text.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    matches!(state, Some('T' | 't'))
}

/// How long each thread of a process has waited for a processor, in nanoseconds, where the system counts that.
fn waits(pid: i32) -> BTreeMap<i32, u64> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return BTreeMap::new() };
    let waited = |thread: &fs::DirEntry| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').nth(1)?.parse().ok()
    };
    threads
        .flatten()
        .filter_map(|thread| {
            let number = thread.file_name().to_str()?.parse().ok()?;
            Some((number, waited(&thread)?))
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "in a test, a panic is the verdict")]
mod tests {
    use super::*;
    use rustix::process::{Pid, Signal, kill_process};
    use std::process::{Child, Command};

    fn sleeper() -> (Child, i32) {
        let child = Command::new("sleep").arg("60").spawn().expect("a process");
        let pid = i32::try_from(child.id()).expect("a pid");
        (child, pid)
    }

    #[test]
    fn a_process_that_is_stopped_is_held_up_all_the_time() {
        let (mut child, pid) = sleeper();
        let mut seen = Seen::default();
        let passed = Duration::from_millis(100);
        assert_eq!(seen.look(pid, passed), Duration::ZERO);
        let stopped = kill_process(Pid::from_raw(pid).expect("a pid"), Signal::STOP);
        assert!(stopped.is_ok());
        while !is_stopped(pid) {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(seen.look(pid, passed), passed);
        child.kill().expect("its end");
        child.wait().expect("its end");
    }

    #[test]
    fn a_process_that_has_nothing_to_do_is_not_held_up() {
        let (mut child, pid) = sleeper();
        let mut seen = Seen::default();
        seen.look(pid, Duration::from_millis(100));
        std::thread::sleep(Duration::from_millis(50));
        // It may wait for a moment while it starts, not for a second.
        assert!(seen.look(pid, Duration::from_secs(10)) < Duration::from_secs(1));
        child.kill().expect("its end");
        child.wait().expect("its end");
    }

    #[test]
    fn a_process_that_is_gone_is_not_held_up() {
        assert_eq!(Seen::default().look(i32::MAX, Duration::from_secs(1)), Duration::ZERO);
    }
}
