//! The files that settings are in, or point to.

#![allow(clippy::disallowed_methods, reason = "here files are read that the rest is given as bytes")]

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The largest file that is read, in bytes; a real one has a few thousand.
const MAX_SIZE: u64 = 1 << 20;

/// Reads a small file.
///
/// # Errors
///
/// It cannot be read, or is larger than 1 MiB.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_SIZE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_SIZE {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(bytes)
}
