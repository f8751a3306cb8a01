//! The folders of one started subject: its own state, and what the harness looks at from outside.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::placeholders::Values;

/// Folders of a subject, by the placeholder that names them.
const FOLDERS: [(&str, &str); 6] = [
    ("state_dir", "state"),
    ("update_dir", "update"),
    ("shm_dir", "shm"),
    ("otter_root", "roots/otter"),
    ("buildmaster_root", "roots/buildmaster"),
    ("hedgehog_root", "roots/hedgehog"),
];

/// A temporary folder with everything that a subject may write to; removed with all it holds when dropped.
///
/// It outlives the subject's process, so that one which is started again finds its state.
#[derive(Debug)]
pub struct Ground {
    folder: TempDir,
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
        Ok(Self { folder })
    }

    /// A path in it.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder where Update Agent puts files.
    pub fn update_dir(&self) -> PathBuf {
        self.path("update")
    }

    /// Its folders as values of placeholders.
    pub fn values(&self) -> Values {
        FOLDERS.iter().map(|(name, folder)| (*name, self.path(folder).display().to_string())).collect()
    }
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
        let state = values["state_dir"].clone();
        drop(ground);
        assert!(!Path::new(&state).exists());
    }
}
