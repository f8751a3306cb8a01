//! A subject as a process: started by its manifest, its log kept within bounds, stopped with all that it
//! started.

use std::collections::VecDeque;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

use super::manifest::{Manifest, StopSignal};
use super::placeholders::Values;
use super::tree::{self, MARK};
use crate::verdict::visible;

/// How much of a log's beginning and end is kept, in bytes.
const LOG_HEAD: usize = 4 << 10;
const LOG_TAIL: usize = 12 << 10;

/// How long killed processes may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// The size asked for the pipes to and from a subject: long lines then take fewer turns.
const PIPE_SIZE: usize = 1 << 20;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With an exit status.
    Exited(i32),
    /// By a signal.
    Signalled(i32),
}

impl From<ExitStatus> for Ending {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Ending::Exited(code),
            (None, signal) => Ending::Signalled(signal.unwrap_or(0)),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Exited(code) => write!(f, "exited with status {code}"),
            Ending::Signalled(signal) => write!(f, "was ended by signal {signal}"),
        }
    }
}

/// How a subject was brought to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// How it ended; `None` if it could not be waited for.
    pub ending: Option<Ending>,
    /// Whether it had to be signalled, although end of input should have been enough.
    pub ignored_end_of_input: bool,
    /// Whether it had to be killed.
    pub killed: bool,
    /// The programs of processes that it left behind, which were killed.
    pub left_behind: Vec<String>,
}

/// What a subject wrote to its standard error: the beginning and the end.
#[derive(Debug, Default)]
struct Log {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: u64,
}

impl Log {
    fn push(&mut self, mut bytes: &[u8]) {
        let room = LOG_HEAD.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        bytes = &bytes[room..];
        if bytes.len() > LOG_TAIL {
            self.dropped += (bytes.len() - LOG_TAIL) as u64;
            bytes = &bytes[bytes.len() - LOG_TAIL..];
        }
        let over = (self.tail.len() + bytes.len()).saturating_sub(LOG_TAIL);
        self.tail.drain(..over);
        self.dropped += over as u64;
        self.tail.extend(bytes);
    }

    fn text(&self) -> String {
        let mut bytes = self.head.clone();
        if self.dropped > 0 {
            bytes.extend_from_slice(format!("\n… {} bytes left out …\n", self.dropped).as_bytes());
        }
        bytes.extend(&self.tail);
        let text = String::from_utf8_lossy(&bytes);
        text.lines().map(visible).collect::<Vec<_>>().join("\n")
    }
}

/// A running subject.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pid: i32,
    mark: String,
    log: Arc<Mutex<Log>>,
    stop_signal: StopSignal,
    stop_within: Duration,
    /// Its standard input, until it is closed.
    pub stdin: Option<ChildStdin>,
    /// Its standard output.
    pub stdout: ChildStdout,
    _state_dir: TempDir,
}

impl Process {
    /// Starts a subject by its manifest.
    ///
    /// # Errors
    ///
    /// A sentence for people: the command cannot be made up or the program cannot be started.
    pub fn start(manifest: &Manifest) -> Result<Self, String> {
        let state_dir = TempDir::with_prefix("iaspec-")
            .map_err(|error| format!("no temporary folder can be made for the subject: {error}"))?;
        let values = Values::from([("state_dir", state_dir.path().display().to_string())]);
        let (program, arguments) = manifest.command(&values)?;
        let mark = new_mark();
        let mut command = Command::new(&program);
        command
            .args(arguments)
            .envs(manifest.environment(&values)?)
            .env(MARK, &mark)
            .current_dir(&manifest.workdir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let (mut child, pid) = tree::spawn(&mut command).map_err(|error| {
            let folder = manifest.workdir.display();
            format!("`{}` cannot be started in {folder}: {error}", program.display())
        })?;
        let lost = || "the subject's pipes could not be had".to_owned();
        let stdin = child.stdin.take().ok_or_else(lost)?;
        let stdout = child.stdout.take().ok_or_else(lost)?;
        let stderr = child.stderr.take().ok_or_else(lost)?;
        // Failing to enlarge a pipe costs speed only.
        let _ = rustix::pipe::fcntl_setpipe_size(&stdin, PIPE_SIZE);
        let _ = rustix::pipe::fcntl_setpipe_size(&stdout, PIPE_SIZE);
        let log = Arc::new(Mutex::new(Log::default()));
        tokio::spawn(keep_log(stderr, Arc::clone(&log)));
        Ok(Self {
            child,
            pid,
            mark,
            log,
            stop_signal: manifest.stop_signal,
            stop_within: manifest.stop_within,
            stdin: Some(stdin),
            stdout,
            _state_dir: state_dir,
        })
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// What it wrote to its standard error: the beginning and the end, with control characters escaped.
    /// `None` if that is nothing.
    pub fn log(&self) -> Option<String> {
        let text = self.log.lock().unwrap_or_else(PoisonError::into_inner).text();
        (!text.trim().is_empty()).then_some(text)
    }

    /// Waits for it to end by itself.
    pub async fn ended_within(&mut self, patience: Duration) -> Option<Ending> {
        timeout(patience, self.child.wait()).await.ok()?.ok().map(Ending::from)
    }

    /// Stops it as the contract has it: end of input, then the manifest's signal, then SIGKILL to it and
    /// to every process it started. What it still prints is dropped.
    pub async fn stop(mut self) -> Stopped {
        drop(self.stdin.take());
        let mut ending = self.ended_while_drained().await;
        let ignored_end_of_input = ending.is_none();
        if ignored_end_of_input {
            tree::signal(self.pid, self.stop_signal.number());
            ending = self.ended_while_drained().await;
        }
        let killed = ending.is_none();
        let left_behind = if killed { Vec::new() } else { self.left_behind() };
        ending = self.end_all().await.or(ending);
        Stopped { ending, ignored_end_of_input, killed, left_behind }
    }

    /// Waits for the end within the manifest's time, reading on, so that a full pipe holds nobody up.
    async fn ended_while_drained(&mut self) -> Option<Ending> {
        let patience = self.stop_within;
        let Self { child, stdout, .. } = self;
        let ended = async {
            let mut buffer = vec![0; 64 << 10];
            let mut open = true;
            loop {
                tokio::select! {
                    status = child.wait() => return status.ok().map(Ending::from),
                    read = stdout.read(&mut buffer), if open => open = matches!(read, Ok(count) if count > 0),
                }
            }
        };
        timeout(patience, ended).await.ok().flatten()
    }

    /// Kills it and every process it started.
    pub async fn kill(mut self) -> Option<Ending> {
        self.end_all().await
    }

    fn left_behind(&self) -> Vec<String> {
        tree::members(self.pid, &self.mark).into_iter().map(|member| member.name).collect()
    }

    /// Ends the whole family, however fast it forks, within a bound.
    async fn end_all(&mut self) -> Option<Ending> {
        let deadline = Instant::now() + GONE_WITHIN;
        let mut seen = Vec::new();
        tree::kill_group(self.pid);
        let _ = self.child.start_kill();
        let ending = self.ended_within(GONE_WITHIN).await;
        loop {
            let members = tree::members(self.pid, &self.mark);
            for member in &members {
                tree::signal(member.pid, Signal::KILL);
                seen.push(member.pid);
            }
            seen.iter().for_each(|pid| tree::reap(*pid));
            if members.is_empty() || Instant::now() >= deadline {
                return ending;
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Process {
    /// The last resort when a run is torn down: what [`Process::stop`] and [`Process::kill`] do with patience.
    fn drop(&mut self) {
        if self.child.id().is_some() {
            tree::kill_group(self.pid);
        }
        for member in tree::members(self.pid, &self.mark) {
            tree::signal(member.pid, Signal::KILL);
            tree::reap(member.pid);
        }
        tree::forget(self.pid);
    }
}

impl StopSignal {
    fn number(self) -> Signal {
        match self {
            StopSignal::Term => Signal::TERM,
            StopSignal::Int => Signal::INT,
            StopSignal::Hup => Signal::HUP,
            StopSignal::Quit => Signal::QUIT,
            StopSignal::Kill => Signal::KILL,
        }
    }
}

/// A text that no other subject of this machine carries.
fn new_mark() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let nanos =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |t| t.as_nanos());
    format!("{}-{}-{nanos:x}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

async fn keep_log(mut stderr: ChildStderr, log: Arc<Mutex<Log>>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count) = stderr.read(&mut buffer).await {
        if count == 0 {
            return;
        }
        log.lock().unwrap_or_else(PoisonError::into_inner).push(&buffer[..count]);
    }
}
