//! The processes that a subject started: found by descent, so that none outlives it.
//!
//! On Linux a process belongs to a subject when it is in the subject's process group or session, has it
//! among its ancestors, or carries the subject's mark in its environment. The harness makes itself the
//! reaper of orphans, so that even a process which cut all those ties comes back as its child: a child that
//! it did not start belongs to the subject that is looked at first. Other systems get the process group
//! alone.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::process::{Child, Command};

/// Whether orphans come to this process.
static REAPS_ORPHANS: AtomicBool = AtomicBool::new(false);

/// The children that this process started itself. Locked while one is started and while processes are
/// looked at, so that none is taken for an orphan before it is known.
static OWN_CHILDREN: Mutex<Option<HashSet<i32>>> = Mutex::new(None);

/// To which first process those belong that were looked at: by id and start, since ids come round again.
static SEEN: Mutex<Option<Seen>> = Mutex::new(None);

/// See [`SEEN`].
type Seen = HashMap<(i32, u64), i32>;

/// Starts a subject's first process.
pub(super) fn spawn(command: &mut Command) -> io::Result<(Child, i32)> {
    let mut own = OWN_CHILDREN.lock().unwrap_or_else(PoisonError::into_inner);
    let child = command.spawn()?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).unwrap_or(0);
    own.get_or_insert_default().insert(pid);
    Ok((child, pid))
}

/// Forgets a process that [`spawn`] started and that is gone.
pub(super) fn forget(pid: i32) {
    if let Some(own) = OWN_CHILDREN.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        own.remove(&pid);
    }
    if let Some(seen) = SEEN.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        seen.retain(|_, leader| *leader != pid);
    }
}

/// The processes that belong to the subject whose first process is `leader`, that one excepted. Those found once are
/// found again, whatever ties they cut meanwhile.
pub(super) fn members(leader: i32, mark: &str) -> Vec<Member> {
    let own = OWN_CHILDREN.lock().unwrap_or_else(PoisonError::into_inner);
    let none = HashSet::new();
    let own_children = REAPS_ORPHANS.load(Ordering::Relaxed).then(|| own.as_ref().unwrap_or(&none));
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = seen.get_or_insert_default();
    let members = platform::members(leader, mark, own_children, seen);
    seen.extend(members.iter().map(|member| ((member.pid, member.started), leader)));
    members
}

/// The environment variable that marks a subject's processes.
pub(super) const MARK: &str = "IASPEC_SUBJECT_MARK";

/// A process found to belong to a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Its id.
    pub(super) pid: i32,
    /// The name of its program.
    pub(super) name: String,
    /// When it started, in ticks of the system since it booted.
    started: u64,
}

#[cfg(target_os = "linux")]
mod platform {
    use std::collections::{HashMap, HashSet};

    use rustix::process::{
        Pid, Signal, WaitOptions, kill_process, kill_process_group, set_child_subreaper, waitpid,
    };

    use super::{MARK, Member, Seen};

    struct Entry {
        name: String,
        parent: i32,
        group: i32,
        session: i32,
        zombie: bool,
        /// When it started, in ticks of the system since it booted.
        started: u64,
    }

    /// `/proc/PID/stat`: pid (name) state ppid pgrp session …; the name may hold anything, `)` too.
    fn entry(pid: i32) -> Option<Entry> {
        let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        let stat = String::from_utf8_lossy(&stat).into_owned();
        let (open, close) = (stat.find('(')?, stat.rfind(')')?);
        let mut words = stat.get(close + 1..)?.split_whitespace();
        let zombie = matches!(words.next()?, "Z" | "X");
        let mut number = || words.next()?.parse().ok();
        let (parent, group, session) = (number()?, number()?, number()?);
        // Field 22, of which the state is field 3.
        let started = words.nth(15)?.parse().ok()?;
        Some(Entry { name: stat.get(open + 1..close)?.to_owned(), parent, group, session, zombie, started })
    }

    fn all() -> HashMap<i32, Entry> {
        let Ok(folder) = std::fs::read_dir("/proc") else { return HashMap::new() };
        folder
            .flatten()
            .filter_map(|item| item.file_name().to_str()?.parse().ok())
            .filter_map(|pid| Some((pid, entry(pid)?)))
            .collect()
    }

    /// The mark that a process carries in its environment, if it carries one.
    fn mark_of(pid: i32) -> Option<Vec<u8>> {
        let environ = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
        let mut variables = environ.split(|byte| *byte == 0);
        variables
            .find_map(|variable| variable.strip_prefix(MARK.as_bytes())?.strip_prefix(b"="))
            .map(<[u8]>::to_vec)
    }

    fn descends(all: &HashMap<i32, Entry>, pid: i32, leader: i32) -> bool {
        let mut at = pid;
        // No chain of parents is longer than there are processes.
        for _ in 0..all.len() {
            match all.get(&at) {
                Some(entry) if entry.parent == leader => return true,
                Some(entry) => at = entry.parent,
                None => return false,
            }
        }
        false
    }

    /// Whether a process without a mark became our child, though we did not start it or its group.
    fn is_stray(pid: i32, entry: &Entry, own: i32, own_children: Option<&HashSet<i32>>) -> bool {
        let Some(started) = own_children else { return false };
        entry.parent == own && !started.contains(&pid) && !started.contains(&entry.group)
    }

    pub(super) fn members(
        leader: i32,
        mark: &str,
        own_children: Option<&HashSet<i32>>,
        seen: &Seen,
    ) -> Vec<Member> {
        let all = all();
        let own = rustix::process::getpid().as_raw_nonzero().get();
        // What was there before the harness belongs to no subject: reading each environment would cost most of all.
        let since = all.get(&own).map_or(0, |own| own.started);
        let mut members: Vec<Member> = all
            .iter()
            .filter(|(pid, entry)| **pid != leader && **pid != own && !entry.zombie && entry.started >= since)
            .filter(|(pid, entry)| match seen.get(&(**pid, entry.started)) {
                Some(known) => *known == leader,
                None => {
                    entry.group == leader
                        || entry.session == leader
                        || descends(&all, **pid, leader)
                        || match mark_of(**pid) {
                            Some(found) => found == mark.as_bytes(),
                            None => is_stray(**pid, entry, own, own_children),
                        }
                }
            })
            .map(|(pid, entry)| Member { pid: *pid, name: entry.name.clone(), started: entry.started })
            .collect();
        members.sort_by_key(|member| member.pid);
        members
    }

    pub(in crate::subject) fn signal(pid: i32, signal: Signal) {
        if let Some(pid) = Pid::from_raw(pid) {
            let _ = kill_process(pid, signal);
        }
    }

    pub(in crate::subject) fn kill_group(leader: i32) {
        if let Some(pid) = Pid::from_raw(leader) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }

    /// Takes the exit status of an orphan that became ours, so that no zombie stays.
    pub(in crate::subject) fn reap(pid: i32) {
        if let Some(pid) = Pid::from_raw(pid) {
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }

    /// Takes the exit status of every child that has ended.
    pub(in crate::subject) fn reap_all() {
        while let Ok(Some(_)) = waitpid(None, WaitOptions::NOHANG) {}
    }

    pub(in crate::subject) fn become_subreaper() {
        let _ = set_child_subreaper(Some(rustix::process::getpid()));
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use rustix::process::{Pid, Signal, kill_process, kill_process_group};

    use std::collections::HashSet;

    use super::Member;

    pub(super) fn members(
        _leader: i32,
        _mark: &str,
        _own_children: Option<&HashSet<i32>>,
        _seen: &super::Seen,
    ) -> Vec<Member> {
        Vec::new()
    }

    pub(in crate::subject) fn signal(pid: i32, signal: Signal) {
        if let Some(pid) = Pid::from_raw(pid) {
            let _ = kill_process(pid, signal);
        }
    }

    pub(in crate::subject) fn kill_group(leader: i32) {
        if let Some(pid) = Pid::from_raw(leader) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }

    pub(in crate::subject) fn reap(_pid: i32) {}

    pub(in crate::subject) fn reap_all() {}

    pub(in crate::subject) fn become_subreaper() {}
}

pub(super) use platform::{kill_group, reap, signal};

/// Makes orphaned processes of subjects children of this one, so that they can be found and ended.
/// To be called before the first subject is started, and only by a program that starts no other processes:
/// children that it did not start as subjects count as what subjects left behind.
pub fn become_subreaper() {
    platform::become_subreaper();
    REAPS_ORPHANS.store(cfg!(target_os = "linux"), Ordering::Relaxed);
}

/// Lets go of orphans that have ended, which stay as zombies where whoever gets them next takes his time. To be called
/// behind the last subject: nobody can wait for a child any more.
pub fn reap_orphans() {
    platform::reap_all();
}
