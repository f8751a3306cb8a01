//! What a host received and sent, for whoever tests an agent and wants to see all three parties of a conversation.
//!
//! A host keeps a diary where the program it was started as lies beside a folder of the name [`FOLDER`]; the file in it
//! is named `SESSION-PID`. Each line is microseconds since 1970, `in` or `out`, a number of bytes, and the first of them in
//! hexadecimal. Only the beginning is kept.

#![allow(clippy::disallowed_methods, reason = "a diary is a file with the time in it")]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The folder of the diaries.
pub const FOLDER: &str = "iaspec-probe-diary";

/// How many lines are kept, and how many bytes of each transfer.
const LINES: u32 = 256;
const BYTES: usize = 32;

/// A diary, if there is one to be kept.
#[derive(Debug)]
pub(super) struct Diary {
    path: Option<PathBuf>,
    left: u32,
}

/// Which way bytes went.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    In,
    Out,
}

impl Diary {
    /// The diary of this process.
    pub(super) fn of_this_host(session: i32) -> Self {
        let program = std::env::args_os().next();
        let folder = program.as_deref().and_then(|program| Path::new(program).parent());
        let folder = folder.map(|folder| folder.join(FOLDER)).filter(|folder| folder.is_dir());
        let path = folder.map(|folder| folder.join(format!("{session}-{}", std::process::id())));
        Self { path, left: LINES }
    }

    /// Notes the first `count` bytes of some pieces.
    pub(super) fn note(&mut self, way: Way, pieces: &[&[u8]], count: usize) {
        let Some(path) = self.path.as_deref().filter(|_| self.left > 0 && count > 0) else { return };
        self.left -= 1;
        let micros = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let word = match way {
            Way::In => "in",
            Way::Out => "out",
        };
        let first: Vec<u8> = pieces.iter().copied().flatten().copied().take(count.min(BYTES)).collect();
        let first = hex::encode(first);
        // Opened each time, so that it does not show among the files that the host reports. A test without a diary tells
        // less, and no more than that.
        let file = File::options().create(true).append(true).open(path);
        let _ = file.and_then(|mut file| writeln!(file, "{micros} {word} {count} {first}"));
    }
}
