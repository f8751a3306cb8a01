//! A log: lines to standard error or a file, which never hold up whoever writes them.
//!
//! A thread of its own does the writing. When it cannot keep up, for instance because nobody reads the pipe
//! behind standard error, lines are dropped and counted.

#![allow(clippy::disallowed_methods, reason = "a log has a file, a thread and a clock")]

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// The lines that may wait to be written.
const WAITING: usize = 1024;

/// How long the end of a log waits for lines to be written.
const PATIENCE: Duration = Duration::from_millis(500);

/// Where lines go in. Each begins with the seconds since the log was opened.
#[derive(Debug)]
pub(crate) struct Log {
    lines: SyncSender<String>,
    dropped: AtomicU64,
    opened: Instant,
}

/// The thread at the other end.
#[derive(Debug)]
pub(crate) struct LogWriter {
    ended: Receiver<()>,
}

impl Log {
    /// Opens a log that is appended to a file, or without one goes to standard error.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, or the thread cannot be started.
    pub(crate) fn open(file: Option<&Path>) -> io::Result<(Self, LogWriter)> {
        let target: Box<dyn Write + Send> = match file {
            Some(path) => Box::new(File::options().create(true).append(true).open(path)?),
            None => Box::new(io::stderr()),
        };
        Self::to(target)
    }

    fn to(target: Box<dyn Write + Send>) -> io::Result<(Self, LogWriter)> {
        let (lines, waiting) = sync_channel(WAITING);
        let (end, ended) = sync_channel(1);
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            write_lines(target, &waiting);
            // Nobody may be waiting for it any more.
            let _ = end.send(());
        })?;
        Ok((Self { lines, dropped: AtomicU64::new(0), opened: Instant::now() }, LogWriter { ended }))
    }

    /// Writes a line. It returns at once, whatever becomes of the line.
    pub(crate) fn line(&self, text: fmt::Arguments<'_>) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 && !self.send(format_args!("{dropped} lines of this log were dropped here")) {
            self.dropped.fetch_add(dropped, Ordering::Relaxed);
        }
        if !self.send(text) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn send(&self, text: fmt::Arguments<'_>) -> bool {
        let since = self.opened.elapsed();
        self.lines.try_send(format!("[{:>5}.{:03}] {text}\n", since.as_secs(), since.subsec_millis())).is_ok()
    }
}

impl LogWriter {
    /// Waits until every line is written, after the last [`Log`] was dropped; not for ever if that hangs.
    pub(crate) fn finish(self) {
        match self.ended.recv_timeout(PATIENCE) {
            Ok(()) | Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => {}
        }
    }
}

fn write_lines(mut target: Box<dyn Write + Send>, lines: &Receiver<String>) {
    for line in lines {
        // A log that cannot be written is no reason to end an agent that works.
        let _ = target.write_all(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A target that is shared with the test, and that a test can hold up by holding its lock.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn texts(shared: &Shared) -> Vec<String> {
        let text = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| line.split_once("] ").unwrap().1.to_owned()).collect()
    }

    #[test]
    fn lines_are_written_in_order_before_the_end() {
        let shared = Shared::default();
        let (log, writer) = Log::to(Box::new(shared.clone())).unwrap();
        log.line(format_args!("one"));
        log.line(format_args!("two"));
        drop(log);
        writer.finish();
        assert_eq!(texts(&shared), ["one", "two"]);
    }

    #[test]
    fn a_log_that_hangs_holds_nobody_up_and_tells_afterwards_what_is_missing() {
        let shared = Shared::default();
        let (log, writer) = Log::to(Box::new(shared.clone())).unwrap();
        let hung = shared.0.lock().unwrap();
        for number in 0..WAITING + 100 {
            log.line(format_args!("{number}"));
        }
        drop(hung);
        // One is told once there is room again.
        while !texts(&shared).iter().any(|line| line.ends_with("of this log were dropped here")) {
            log.line(format_args!("more"));
            thread::yield_now();
        }
        drop(log);
        writer.finish();
        let written = texts(&shared);
        assert_eq!(written[..WAITING], (0..WAITING).map(|number| number.to_string()).collect::<Vec<_>>());
    }
}
