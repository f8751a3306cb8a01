//! The real file system.

#![allow(clippy::disallowed_methods, reason = "files are what this is about, and a lock is waited for")]

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{EntryKind, FileSystem};

/// How often and how long apart a lock is tried for: 30 s in all, longer than any update takes.
const TRIES: u32 = 1500;
const PAUSE: Duration = Duration::from_millis(20);

/// The operating system's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl FileSystem for Disk {
    type Lock = File;

    fn lock(&self, folder: &Path) -> io::Result<File> {
        let folder = File::open(folder)?;
        for _ in 0..TRIES {
            match folder.try_lock() {
                Ok(()) => return Ok(folder),
                Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::Error::new(io::ErrorKind::WouldBlock, "another agent is updating it"))
    }

    fn kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        match fs::symlink_metadata(path) {
            Ok(metadata) => Ok(Some(kind(metadata.is_dir()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn entries(&self, folder: &Path) -> io::Result<Vec<(PathBuf, EntryKind)>> {
        let entry = |entry: io::Result<fs::DirEntry>| {
            let entry = entry?;
            Ok((entry.file_name().into(), kind(entry.file_type()?.is_dir())))
        };
        fs::read_dir(folder)?.map(entry).collect()
    }

    fn create_folders(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        if fs::hard_link(from, to).is_ok() {
            return Ok(());
        }
        let modified = fs::metadata(from)?.modified()?;
        fs::copy(from, to)?;
        File::options().write(true).open(to)?.set_modified(modified)
    }

    fn copy(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::copy(from, to).map(|_| ())
    }

    fn write(&self, path: &Path, contents: &[u8], modified: SystemTime) -> io::Result<SystemTime> {
        let mut file = File::create_new(path)?;
        file.write_all(contents)?;
        file.set_modified(modified)?;
        file.metadata()?.modified()
    }

    fn place(&self, from: &Path, to: &Path) -> io::Result<()> {
        Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
    }

    fn remove_tree(&self, folder: &Path) -> io::Result<()> {
        fs::remove_dir_all(folder)
    }
}

fn kind(is_folder: bool) -> EntryKind {
    if is_folder { EntryKind::Folder } else { EntryKind::File }
}
