//! Where a segment's bytes live: in anonymous memory, or in a file that is removed in good time.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use crate::error::CreateError;
use crate::platform;

/// Where to create a segment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// In anonymous memory, opened through the creator's descriptors: nothing is left behind, whatever happens.
    Memory,
    /// In a file under this folder. Somebody who may open the file can shrink it, which ends its other users by `SIGBUS`.
    Directory(PathBuf),
}

/// The storage of a segment, which can be opened by path until this is dropped.
#[derive(Debug)]
pub(crate) struct Backing {
    file: File,
    path: PathBuf,
    removes: bool,
}

impl Backing {
    /// Storage of `size` bytes, that begins with `contents`.
    pub(crate) fn create(place: &Place, contents: &[u8], size: u64) -> Result<Self, CreateError> {
        match place {
            Place::Memory => {
                let file = platform::sealed_memory(c"iaspec-segment", contents, size)
                    .map_err(|source| error("create a segment in memory", None, source))?;
                let path = platform::path_of_descriptor(file.as_raw_fd());
                Ok(Self { file, path, removes: false })
            }
            Place::Directory(directory) => Self::create_in(directory, contents, size),
        }
    }

    fn create_in(directory: &Path, contents: &[u8], size: u64) -> Result<Self, CreateError> {
        let name = random_name().map_err(|source| error("draw a name for a segment", None, source))?;
        // The host may have another working directory.
        let path = std::path::absolute(directory.join(name))
            .map_err(|source| error("find the folder", Some(directory), source))?;
        let created = platform::private_file(&path);
        let file = created.map_err(|source| error("create the segment", Some(&path), source))?;
        let backing = Self { file, path, removes: true };
        platform::fill(&backing.file, contents, size)
            .map_err(|source| error("fill the segment", Some(&backing.path), source))?;
        Ok(backing)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

impl Drop for Backing {
    fn drop(&mut self) {
        if self.removes {
            // Gone already, with its folder perhaps: just as well.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn error(what: &'static str, path: Option<&Path>, source: io::Error) -> CreateError {
    CreateError::System { what, path: path.map(Path::to_owned), source }
}

fn random_name() -> io::Result<String> {
    let mut name = String::from("iaspec-");
    for byte in platform::random_nonce()? {
        // Writing to a string does not fail.
        let _ = write!(name, "{byte:02x}");
    }
    Ok(name)
}
