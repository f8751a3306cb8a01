//! Which shared-memory segments of the subject are there (RTE-9).
//!
//! A segment is a file that begins with the magic of the contract and names the subject as its agent: in the folder that
//! the subject was given, in the one of the system, or in memory alone, which a process of the subject then has open.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Conversation, Mismatch, Outcome};
use crate::subject::ground::MEMORY;
use crate::vectors::transcript::Step;
use crate::verdict::clip;
use crate::yaml::Spot;

/// The header as far as the host's process ID (contract, section 2).
const HEAD: usize = 0x1c;
const MAGIC: &[u8] = b"IASHMEM1";
const AGENT_PID: usize = 0x14;

impl Conversation<'_> {
    /// Looks whether none is there: at once, or until it is so.
    pub(super) async fn no_segments(&self, step: &Spot<Step>) -> Outcome {
        let deadline = Instant::now() + step.within.as_ref().map_or(Duration::ZERO, |within| within.0);
        loop {
            let found = self.segments_found();
            let Some(first) = found.first() else { return Ok(()) };
            if Instant::now() >= deadline {
                let what = match found.len() {
                    1 => "a shared-memory segment is there".to_owned(),
                    many => format!("{many} shared-memory segments are there"),
                };
                let actual = clip(&first.display().to_string());
                return Err(self.stumble(step, "segments", Mismatch::words(what, "none", actual)));
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn segments_found(&self) -> Vec<PathBuf> {
        let family = self.with_agent(|agent| agent.process().map(crate::subject::Process::family));
        let family = family.flatten().unwrap_or_default();
        let own = self.values.borrow().get("shm_dir").map(PathBuf::from);
        let mut found: Vec<PathBuf> =
            own.iter().flat_map(|folder| files(folder)).filter(|path| agent_of(path).is_some()).collect();
        let killed = self.killed.borrow();
        let agents: Vec<i32> =
            family.iter().copied().chain(killed.iter().map(crate::subject::Process::pid)).collect();
        let of_subject = |path: &PathBuf| agent_of(path).is_some_and(|agent| agents.contains(&agent));
        found.extend(files(Path::new(MEMORY)).filter(of_subject));
        for pid in &family {
            found
                .extend(files(Path::new(&format!("/proc/{pid}/fd"))).filter(is_in_memory).filter(of_subject));
        }
        found
    }
}

fn files(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// Whether an open file is memory without a name.
fn is_in_memory(path: &PathBuf) -> bool {
    std::fs::read_link(path).is_ok_and(|target| target.to_str().is_some_and(|it| it.starts_with("/memfd:")))
}

/// The agent that a segment names; `None` if the file is no segment.
fn agent_of(path: &Path) -> Option<i32> {
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut head = [0; HEAD];
    File::open(path).ok()?.read_exact(&mut head).ok()?;
    let pid = head.get(AGENT_PID..AGENT_PID + 4)?.try_into().ok().map(i32::from_le_bytes);
    pid.filter(|_| head.starts_with(MAGIC))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_known_by_its_magic_and_names_its_agent() {
        let folder = tempfile::tempdir().unwrap();
        let mut head = vec![0; 64];
        head[..8].copy_from_slice(b"IASHMEM1");
        head[0x14..0x18].copy_from_slice(&[0x39, 0x30, 0, 0]);
        let segment = folder.path().join("segment");
        std::fs::write(&segment, &head).unwrap();
        assert_eq!(agent_of(&segment), Some(12345));
        head[0] = b'J';
        std::fs::write(&segment, &head).unwrap();
        assert_eq!(agent_of(&segment), None);
        std::fs::write(&segment, "IASHMEM1").unwrap();
        assert_eq!(agent_of(&segment), None);
        assert_eq!(agent_of(folder.path()), None);
    }
}
