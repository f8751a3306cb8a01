//! Where hosts work: a folder each, with the assemblies of its product as they were when it started (MTA-9).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Pid, test_kill_process};

/// The folder of these folders; no product has this name.
const RUNNING: &str = ".running";

/// A host's folder, removed when it is dropped.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// An empty folder below an update folder.
    pub(super) fn create(update_dir: &Path) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let name = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = update_dir.join(RUNNING).join(name);
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed now is removed at the next start.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Removes the folders of agents that were killed. What is named otherwise is not ours.
pub(in super::super) fn remove_leftovers(update_dir: &Path) -> io::Result<()> {
    let folder = update_dir.join(RUNNING);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_left_over) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Whether nobody with the process ID in a folder's name lives; a number that came round again spares the folder.
fn is_left_over(name: &str) -> bool {
    let pid = name.split_once('-').and_then(|(pid, _)| Pid::from_raw(pid.parse().ok()?));
    pid.is_some_and(|pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_lasts_as_long_as_its_host_and_those_of_killed_agents_go_at_the_next_start() {
        let updates = tempfile::TempDir::new().unwrap();
        let folder = Folder::create(updates.path()).unwrap();
        fs::write(folder.path().join("a.dll"), "x").unwrap();
        let left = updates.path().join(RUNNING).join(format!("{}-1", i32::MAX));
        let strange = updates.path().join(RUNNING).join("strange");
        fs::create_dir_all(left.join("inner")).unwrap();
        fs::create_dir_all(&strange).unwrap();
        remove_leftovers(updates.path()).unwrap();
        assert_eq!((left.exists(), strange.exists(), folder.path().exists()), (false, true, true));
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn where_no_host_ever_ran_nothing_is_left() {
        let updates = tempfile::TempDir::new().unwrap();
        remove_leftovers(updates.path()).unwrap();
        remove_leftovers(&updates.path().join("missing")).unwrap();
        assert_eq!(fs::read_dir(updates.path()).unwrap().count(), 0);
    }
}
