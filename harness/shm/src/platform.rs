//! What the operating system gives: anonymous files, sleeping on a word, processes that can be told apart from their
//! successors, descriptors. Another system is ported to by writing these few functions anew.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::{Errno, FdFlags};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions};
use rustix::rand::GetRandomFlags;
use rustix::thread::futex;

#[cfg(not(target_os = "linux"))]
compile_error!("the segment's file, its bells and the watch over processes are written for Linux only");

/// An anonymous file of that size that nobody can shrink or grow, so that no access to its mapping can fail.
pub(crate) fn sealed_memory(name: &CStr, contents: &[u8], size: u64) -> io::Result<File> {
    let descriptor = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let file = File::from(descriptor);
    file.set_len(size)?;
    file.write_all_at(contents, 0)?;
    rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(file)
}

/// A new, empty file that its owner alone may open.
pub(crate) fn private_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?))
}

/// Makes an empty file that long, beginning with `contents`. Its blocks are there at once: a full disk shows here, not as
/// a signal at some later access.
pub(crate) fn fill(file: &File, contents: &[u8], size: u64) -> io::Result<()> {
    if size > 0 {
        match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, size) {
            Err(Errno::OPNOTSUPP) => file.set_len(size)?,
            allocated => allocated?,
        }
    }
    file.write_all_at(contents, 0)
}

/// Opens what another process has created, be it named by a path through that process's descriptors. Never waits, not even
/// on a named pipe.
pub(crate) fn open_shared(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

/// The path under which other processes can open a descriptor of this one.
pub(crate) fn path_of_descriptor(descriptor: RawFd) -> PathBuf {
    PathBuf::from(format!("/proc/{}/fd/{descriptor}", std::process::id()))
}

/// 16 bytes that nobody can foresee.
///
/// # Errors
///
/// An [`io::Error`] if the system has no randomness to give.
pub fn random_nonce() -> io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    // Never fewer: requests up to 256 bytes are served whole.
    rustix::rand::getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(bytes)
}

/// Sleeps while the word is `value`, at most for `timeout`; other processes can wake it. May end early.
pub(crate) fn futex_wait(word: &AtomicU32, value: u32, timeout: Duration) {
    let timeout = timespec(timeout);
    // Whatever ends it, the caller looks again.
    let _ = futex::wait(word, futex::Flags::empty(), value, Some(&timeout));
}

/// Wakes all that sleep on the word, in any process, and tells how many that were.
pub(crate) fn futex_wake(word: &AtomicU32) -> usize {
    let everybody = i32::MAX.unsigned_abs();
    // Can only fail for an address that is none.
    futex::wake(word, futex::Flags::empty(), everybody).unwrap_or(0)
}

fn timespec(duration: Duration) -> Timespec {
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    Timespec { tv_sec: seconds, tv_nsec: duration.subsec_nanos().into() }
}

/// The process ID of this process's parent, 0 if that is outside the PID namespace.
pub fn parent_pid() -> u32 {
    rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs())
}

/// A process, told apart from later ones that get the same ID.
#[derive(Debug)]
pub(crate) struct Process {
    descriptor: OwnedFd,
}

impl Process {
    /// The process that has this ID now; `None` if there is none.
    pub(crate) fn open(pid: u32) -> io::Result<Option<Self>> {
        let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
        match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Ok(descriptor) => Ok(Some(Self { descriptor })),
            Err(Errno::SRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether it is a child of this process, alive or not yet waited for.
    pub(crate) fn is_child(&self) -> bool {
        let looking = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        rustix::process::waitid(WaitId::PidFd(self.descriptor.as_fd()), looking).is_ok()
    }

    /// Whether it has ended, be it waited for or not.
    pub(crate) fn has_ended(&self) -> bool {
        let mut watched = [PollFd::new(&self.descriptor, PollFlags::IN)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        matches!(poll(&mut watched, Some(&at_once)), Ok(ready) if ready > 0)
    }
}

/// Marks every descriptor of this process but the standard ones close-on-exec, so that programs started from now on
/// inherit nothing of what this process may itself have inherited (RTE-7).
///
/// For the start of a program. Descriptors that Rust's library opens are so marked from the beginning; of those that other
/// threads let C code open meanwhile, some may be missed.
///
/// # Errors
///
/// An [`io::Error`] if `/proc/self/fd` cannot be read, or a descriptor cannot be marked.
pub fn inherit_nothing() -> io::Result<()> {
    let mut descriptors = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        descriptors.extend(name.to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    for descriptor in descriptors.into_iter().filter(|descriptor| *descriptor > 2) {
        // SAFETY: the number is only handed to fcntl, which fails on one that is not open (any more), and the flag takes
        // nothing from the descriptor's owner in this process.
        let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
        match rustix::io::fcntl_setfd(borrowed, FdFlags::CLOEXEC) {
            // The one that listed them, and others closed since.
            Ok(()) | Err(Errno::BADF) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
