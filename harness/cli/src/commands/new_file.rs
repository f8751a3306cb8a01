//! A file that must not be there yet: made before a run begins, so that no other run takes its place, and gone again
//! where nothing was written to it.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file that did not exist.
pub(crate) struct NewFile {
    path: PathBuf,
    file: File,
    written: bool,
}

impl NewFile {
    /// Makes the file.
    ///
    /// # Errors
    ///
    /// When there is something of this name, or it cannot be made.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = File::options().write(true).create_new(true).open(path)?;
        Ok(Self { path: path.to_owned(), file, written: false })
    }

    /// What the system knows of the file.
    ///
    /// # Errors
    ///
    /// As of [`File::metadata`].
    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written |= !bytes.is_empty();
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.written {
            // It holds nothing that somebody could miss.
            let _ = fs::remove_file(&self.path);
        }
    }
}
