//! What the probe tells of its process and its session.

#![allow(clippy::disallowed_methods, reason = "here the process looks at itself")]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crc32fast::Hasher;
use iaspec_shm::layout;
use serde::Serialize;

use super::Start;

/// The answer to a report. Names and paths that are no UTF-8 are told with U+FFFD where they are not.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(super) pid: u32,
    pub(super) ppid: u32,
    pub(super) session: i32,
    pub(super) agent_type: u8,
    pub(super) threads: usize,
    /// When the host began, in nanoseconds since 1970-01-01T00:00:00Z.
    pub(super) started_ns: u64,
    pub(super) layout: u32,
    pub(super) ring_capacity: u32,
    pub(super) nonce: String,
    pub(super) argv: Vec<String>,
    pub(super) env_names: Vec<String>,
    /// What the open descriptors lead to, in the order of their numbers.
    pub(super) open_files: Vec<String>,
    /// The regular files right in the working directory, by name.
    pub(super) cwd_files: Vec<NamedFile>,
}

impl Report {
    /// What there is to be told now of this process as the host of a session, which began at that time.
    pub(crate) fn of(start: &Start, started: SystemTime, ring_capacity: u32) -> io::Result<Self> {
        let started = started.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Ok(Self {
            pid: std::process::id(),
            ppid: iaspec_shm::parent_pid(),
            session: start.session,
            agent_type: start.agent_type,
            threads: threads()?,
            started_ns: u64::try_from(started).unwrap_or(u64::MAX),
            layout: layout::LAYOUT,
            ring_capacity,
            nonce: start.nonce.to_string(),
            argv: argv(),
            env_names: env_names(),
            open_files: open_files()?,
            cwd_files: files_in(Path::new("."))?,
        })
    }
}

/// A file in the working directory.
#[derive(Debug, Serialize)]
pub(crate) struct NamedFile {
    name: String,
    crc32: u32,
}

/// The number of threads of this process.
fn threads() -> io::Result<usize> {
    Ok(fs::read_dir("/proc/self/task")?.count())
}

/// The words this process was started with.
fn argv() -> Vec<String> {
    std::env::args_os().map(|word| lossy(&word)).collect()
}

/// The names in this process's environment, sorted.
fn env_names() -> Vec<String> {
    let mut names: Vec<String> = std::env::vars_os().map(|(name, _)| lossy(&name)).collect();
    names.sort();
    names
}

/// What the open descriptors lead to, but for the one that this takes.
fn open_files() -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let number: Option<u32> = entry.file_name().to_str().and_then(|name| name.parse().ok());
        found.extend(number.map(|number| (number, entry.path())));
    }
    found.sort();
    // The folder's own descriptor is closed by now, and leads nowhere.
    let targets = found.into_iter().filter_map(|(_, path)| fs::read_link(path).ok());
    Ok(targets.map(|target| lossy(target.as_os_str())).collect())
}

/// The regular files right in a folder, with the CRC-32 of their contents.
fn files_in(folder: &Path) -> io::Result<Vec<NamedFile>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            found.push(NamedFile { name: lossy(&entry.file_name()), crc32: sum(&entry.path())? });
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

fn sum(path: &Path) -> io::Result<u32> {
    let mut file = File::open(path)?;
    let (mut hasher, mut buffer) = (Hasher::new(), vec![0; 64 << 10]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize()),
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn lossy(text: &OsStr) -> String {
    text.to_string_lossy().into_owned()
}
