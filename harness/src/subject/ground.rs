//! The folders of one started subject: its own state, and what the harness looks at from outside.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::placeholders::Values;

/// Folders of a subject, by the placeholder that names them.
const FOLDERS: [(&str, &str); 5] = [
    ("state_dir", "state"),
    ("update_dir", "update"),
    ("otter_root", "roots/otter"),
    ("buildmaster_root", "roots/buildmaster"),
    ("hedgehog_root", "roots/hedgehog"),
];

/// Where Linux keeps files in memory.
pub(crate) const MEMORY: &str = "/dev/shm";

/// The space in bytes that makes it a place for segments; containers often have far less.
const ENOUGH_MEMORY: u64 = 1 << 30;

/// A temporary folder with everything that a subject may write to; removed with all it holds when dropped.
///
/// It outlives the subject's process, so that one which is started again finds its state.
#[derive(Debug)]
pub struct Ground {
    folder: TempDir,
    /// For files of segments.
    segments: TempDir,
}

impl Ground {
    /// Makes the folders.
    ///
    /// # Errors
    ///
    /// A sentence for people: the temporary folder of this machine cannot be written to.
    pub fn new() -> Result<Self, String> {
        let failed = |error: io::Error| format!("no temporary folder can be made for the subject: {error}");
        let folder = TempDir::with_prefix("iaspec-").map_err(failed)?;
        for (_, name) in FOLDERS {
            std::fs::create_dir_all(folder.path().join(name)).map_err(failed)?;
        }
        let segments = segment_folder(folder.path()).map_err(failed)?;
        Ok(Self { folder, segments })
    }

    /// A path in it.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder where Update Agent puts files.
    pub fn update_dir(&self) -> PathBuf {
        self.path("update")
    }

    /// The folder for files of shared-memory segments: in memory if the system has enough of it, so that nobody who writes to
    /// a segment ever waits for a disk.
    pub fn segment_dir(&self) -> &Path {
        self.segments.path()
    }

    /// Its folders as values of placeholders.
    pub fn values(&self) -> Values {
        let shown = |path: &Path| path.display().to_string();
        let own = FOLDERS.iter().map(|(name, folder)| (*name, shown(&self.path(folder))));
        own.chain([("shm_dir", shown(self.segment_dir()))]).collect()
    }
}

fn segment_folder(otherwise: &Path) -> io::Result<TempDir> {
    let free =
        rustix::fs::statvfs(MEMORY).map_or(0, |system| system.f_bavail.saturating_mul(system.f_frsize));
    if free >= ENOUGH_MEMORY
        && let Ok(folder) = TempDir::with_prefix_in(format!("iaspec-{}-", std::process::id()), MEMORY)
    {
        return Ok(folder);
    }
    TempDir::with_prefix_in("shm-", otherwise)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_folders_exist_while_it_does() {
        let ground = Ground::new().unwrap();
        let values = ground.values();
        assert_eq!(values.len(), 6);
        assert!(values.values().all(|path| Path::new(path).is_dir()));
        assert_eq!(values["update_dir"], ground.update_dir().display().to_string());
        let (state, segments) = (values["state_dir"].clone(), values["shm_dir"].clone());
        assert_eq!(segments, ground.segment_dir().display().to_string());
        drop(ground);
        assert!(!Path::new(&state).exists() && !Path::new(&segments).exists());
    }
}
