//! Where the files of updates lie, and how an update is all or nothing (MTA-8).
//!
//! A product's files are at `UPDATE_DIR/PRODUCT/assemblies/NAME` and `…/extensions/NAME`. An update builds the
//! product's whole folder anew in `UPDATE_DIR/.staging`, the files that stay as hard links, and then exchanges
//! the two folders: one operation of the file system, before which nothing and after which everything is in
//! place. Whatever ends the agent in between leaves at most the staging folder behind, which the next start
//! removes. A power cut is not guarded against: nothing is forced to disk.
//!
//! A lock on the update folder itself keeps agents that share it out of each other's way.

mod disk;

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use thiserror::Error;

use super::core::{FileKind, NewFile, Product, Update};
use crate::protocol::Ticks;

pub use disk::Disk;

/// Where folders are built; no product has this name.
const STAGING: &str = ".staging";

/// 1970-01-01T00:00:00Z.
const UNIX_EPOCH_TICKS: i64 = 621_355_968_000_000_000;
const TICKS_PER_SECOND: u64 = 10_000_000;
const NANOSECONDS_PER_TICK: u64 = 100;

/// The coarsest resolution that a file system has (FAT's).
const COARSEST: Duration = Duration::from_secs(2);

/// The operations on files that an update is made of.
pub trait FileSystem {
    /// What keeps others out until it is dropped.
    type Lock;

    /// Waits until nobody else holds the lock of a folder, within reason.
    ///
    /// # Errors
    ///
    /// Those of the file system; [`io::ErrorKind::WouldBlock`] if another goes on holding it.
    fn lock(&self, folder: &Path) -> io::Result<Self::Lock>;

    /// What is at a path, symbolic links not followed; `None` if nothing.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    fn kind(&self, path: &Path) -> io::Result<Option<EntryKind>>;

    /// The names in a folder with what they are.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    fn entries(&self, folder: &Path) -> io::Result<Vec<(PathBuf, EntryKind)>>;

    /// Makes a folder and those around it that are missing.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    fn create_folders(&self, folder: &Path) -> io::Result<()>;

    /// Makes the file at `from` appear at `to` too, as a copy where the file system knows no links.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes a file of its own at `to` with the contents of that at `from`.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    fn copy(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Writes a file that must not exist yet, and tells the time of modification that it really got.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    fn write(&self, path: &Path, contents: &[u8], modified: SystemTime) -> io::Result<SystemTime>;

    /// Moves a folder to where nothing is, at one stroke.
    ///
    /// # Errors
    ///
    /// Those of the file system; nothing has moved then.
    fn place(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Exchanges two folders at one stroke.
    ///
    /// # Errors
    ///
    /// Those of the file system; nothing has moved then.
    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()>;

    /// Removes a folder with all that is in it.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    fn remove_tree(&self, folder: &Path) -> io::Result<()>;
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EntryKind {
    /// A folder.
    Folder,
    /// Anything else.
    File,
}

/// The update folder.
#[derive(Clone, Debug)]
pub struct UpdateStore<F = Disk> {
    root: PathBuf,
    files: F,
}

/// Why an update was not made, or what an earlier one left could not be removed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// An operation failed.
    #[error("cannot {doing} {}: {source}", path.display())]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Something is where a folder has to be.
    #[error("{} is no folder", .0.display())]
    NotAFolder(PathBuf),
    /// The file system cannot keep a time of modification.
    #[error("{}: the file system cannot keep the time of modification {} (ticks)", path.display(), ticks.get())]
    Time {
        /// The file.
        path: PathBuf,
        /// The time it was to get.
        ticks: Ticks,
    },
}

impl<F: FileSystem> UpdateStore<F> {
    /// The store in a folder, which is made when the first update comes.
    pub fn new(root: PathBuf, files: F) -> Self {
        Self { root, files }
    }

    /// Removes what an update left that was cut off. To be called when the agent starts.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if something is left that cannot be removed.
    pub fn recover(&self) -> Result<(), StoreError> {
        if self.kind(&self.root)?.is_none() {
            return Ok(());
        }
        let _lock = self.lock()?;
        self.remove_staging()
    }

    /// Puts the files of an update in place, all or none.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: no file of the update is in place then.
    pub fn apply(&self, update: &Update) -> Result<(), StoreError> {
        if update.files.is_empty() {
            return Ok(());
        }
        self.files.create_folders(&self.root).map_err(failed("create", &self.root))?;
        let _lock = self.lock()?;
        self.remove_staging()?;
        let made = self.stage(update).and_then(|staged| self.put_in_place(update, &staged));
        // What stays there does no harm, and the next update or start tries again.
        let _ = self.remove_staging();
        made
    }

    /// Copies a product's assemblies as they are now, between two updates, into a folder (MTA-9).
    ///
    /// # Errors
    ///
    /// [`StoreError`]: not all of them are there then.
    pub fn copy_assemblies(&self, product: Product, to: &Path) -> Result<(), StoreError> {
        let assemblies = self.root.join(product.name()).join(FileKind::Assembly.folder());
        if self.kind(&assemblies)?.is_none() {
            return Ok(());
        }
        let _lock = self.lock()?;
        for (name, kind) in self.files.entries(&assemblies).map_err(failed("list", &assemblies))? {
            if kind == EntryKind::File {
                let (from, to) = (assemblies.join(&name), to.join(&name));
                self.files.copy(&from, &to).map_err(failed("copy", &from))?;
            }
        }
        Ok(())
    }

    /// Builds the product's folder as it is to be.
    fn stage(&self, update: &Update) -> Result<PathBuf, StoreError> {
        let product = update.product.name();
        let (place, staged) = (self.root.join(product), self.root.join(STAGING).join(product));
        self.create_folder(&staged)?;
        if self.kind(&place)?.is_some() {
            let replaced: HashSet<PathBuf> = update.files.iter().map(|file| place.join(path(file))).collect();
            self.require_folder(&place)?;
            self.link_tree(place, staged.clone(), &replaced)?;
        }
        for file in &update.files {
            self.write(&staged, file)?;
        }
        Ok(staged)
    }

    /// Links everything that stays.
    fn link_tree(&self, from: PathBuf, to: PathBuf, replaced: &HashSet<PathBuf>) -> Result<(), StoreError> {
        let mut folders = vec![(from, to)];
        while let Some((from, to)) = folders.pop() {
            for (name, kind) in self.files.entries(&from).map_err(failed("list", &from))? {
                let (from, to) = (from.join(&name), to.join(&name));
                if kind == EntryKind::Folder {
                    self.create_folder(&to)?;
                    folders.push((from, to));
                } else if !replaced.contains(&from) {
                    self.files.link(&from, &to).map_err(failed("link", &from))?;
                }
            }
        }
        Ok(())
    }

    fn write(&self, staged: &Path, file: &NewFile) -> Result<(), StoreError> {
        let folder = staged.join(file.kind.folder());
        if self.kind(&folder)?.is_none() {
            self.create_folder(&folder)?;
        }
        self.require_folder(&folder)?;
        let path = folder.join(file.name.as_str());
        let unkept = || StoreError::Time { path: path.clone(), ticks: file.modified };
        let wanted = system_time(file.modified).ok_or_else(unkept)?;
        let got = self.files.write(&path, &file.contents, wanted).map_err(failed("write", &path))?;
        let off = got.duration_since(wanted).unwrap_or_else(|error| error.duration());
        if off < COARSEST { Ok(()) } else { Err(unkept()) }
    }

    fn put_in_place(&self, update: &Update, staged: &Path) -> Result<(), StoreError> {
        let place = self.root.join(update.product.name());
        if self.kind(&place)?.is_some() {
            self.files.exchange(staged, &place).map_err(failed("replace", &place))
        } else {
            self.files.place(staged, &place).map_err(failed("create", &place))
        }
    }

    fn lock(&self) -> Result<F::Lock, StoreError> {
        self.files.lock(&self.root).map_err(failed("lock", &self.root))
    }

    fn remove_staging(&self) -> Result<(), StoreError> {
        let staging = self.root.join(STAGING);
        if self.kind(&staging)?.is_some() {
            self.files.remove_tree(&staging).map_err(failed("remove", &staging))?;
        }
        Ok(())
    }

    fn create_folder(&self, folder: &Path) -> Result<(), StoreError> {
        self.files.create_folders(folder).map_err(failed("create", folder))
    }

    /// A link in the place of a folder would lead what is staged somewhere else.
    fn require_folder(&self, path: &Path) -> Result<(), StoreError> {
        match self.kind(path)? {
            Some(EntryKind::Folder) => Ok(()),
            _ => Err(StoreError::NotAFolder(path.to_owned())),
        }
    }

    fn kind(&self, path: &Path) -> Result<Option<EntryKind>, StoreError> {
        self.files.kind(path).map_err(failed("look at", path))
    }
}

/// Where a file lies in its product's folder.
fn path(file: &NewFile) -> PathBuf {
    Path::new(file.kind.folder()).join(file.name.as_str())
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Failed { doing, path: path.to_owned(), source }
}

/// The same point in time for the operating system, if it has it.
fn system_time(ticks: Ticks) -> Option<SystemTime> {
    let distance = ticks.get().abs_diff(UNIX_EPOCH_TICKS);
    let nanoseconds = u32::try_from(distance % TICKS_PER_SECOND * NANOSECONDS_PER_TICK).ok()?;
    let distance = Duration::new(distance / TICKS_PER_SECOND, nanoseconds);
    if ticks.get() < UNIX_EPOCH_TICKS {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    }
}

#[cfg(test)]
mod tests;
