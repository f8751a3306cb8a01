//! A subject as a process: started by its manifest, its log kept within bounds, stopped with all that it
//! started.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::manifest::{Manifest, Role, StopSignal};
use super::memory;
use super::placeholders::Values;
use super::strain;
use super::tree::{self, MARK};
use crate::terms::TimeSpan;
use crate::verdict::visible;

/// How much of a log's beginning and end is kept, in bytes.
const LOG_HEAD: usize = 4 << 10;
const LOG_TAIL: usize = 12 << 10;

/// How long killed processes may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// How long what a subject started may be there after its end; the hosts of an agent have more time (SES-6).
const LINGERS_AT_MOST: Duration = Duration::from_millis(500);
const HOSTS_LINGER_AT_MOST: Duration = Duration::from_secs(5);

/// How long, in turns, a killed process is waited for where nothing else can be done meanwhile.
const DYING_TURNS: u32 = 200;
const DYING_TURN: Duration = Duration::from_millis(1);

/// The size asked for the pipes to and from a subject: long lines then take fewer turns.
const PIPE_SIZE: usize = 1 << 20;

/// The time zone of subjects whose manifest names none, so that it shows who takes UTC for local time: 5 hours and 45
/// minutes east of it all year. A system needs no list of zones to know it.
const TIME_ZONE: &str = "XYZ-5:45";

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

impl Stopped {
    /// What it did wrong in the end, a sentence each. `by_lines` says whether the end of its input should have been
    /// enough, `within` how long it had after the stop signal.
    pub fn complaints(&self, by_lines: bool, within: Duration) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut complain = |complaint: String| complaints.push(complaint);
        if self.killed && self.ignored_end_of_input {
            complain("the subject ignored end of input and the stop signal; it was killed".to_owned());
        } else if self.killed {
            let within = TimeSpan(within);
            complain(format!("the subject did not end within {within} of the stop signal; it was killed"));
        } else if self.ignored_end_of_input {
            complain("the subject ignored end of input; it took the stop signal to end it".to_owned());
        } else if let Some(ending) = self.ending.filter(|ending| by_lines && *ending != Ending::Exited(0)) {
            complain(format!("at end of input the subject {ending}; status 0 was expected"));
        }
        let names = self.left_behind.join(", ");
        match self.left_behind.len() {
            0 => {}
            1 => complain(format!("the subject left 1 process behind, which was killed: {names}")),
            many => complain(format!("the subject left {many} processes behind, which were killed: {names}")),
        }
        complaints
    }
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

    /// How many bytes came in all.
    fn length(&self) -> u64 {
        (self.head.len() + self.tail.len()) as u64 + self.dropped
    }

    /// What came after so many bytes, as far as it is kept.
    fn text_from(&self, from: u64) -> String {
        let in_head = usize::try_from(from).unwrap_or(usize::MAX).min(self.head.len());
        let mut bytes = self.head[in_head..].to_vec();
        let behind_head = from.saturating_sub(self.head.len() as u64);
        let dropped = self.dropped.saturating_sub(behind_head);
        if dropped > 0 {
            bytes.extend_from_slice(format!("\n… {dropped} bytes left out …\n").as_bytes());
        }
        let in_tail = usize::try_from(behind_head.saturating_sub(self.dropped)).unwrap_or(usize::MAX);
        bytes.extend(self.tail.iter().skip(in_tail));
        let text = String::from_utf8_lossy(&bytes);
        text.lines().map(visible).collect::<Vec<_>>().join("\n")
    }
}

/// What a subject's standard input and output are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wiring {
    /// A line protocol: pipes both ways. End of input asks the subject to end.
    Lines,
    /// Nothing: there is no input, and the output belongs to the log.
    Log,
}

/// A running subject.
#[derive(Debug)]
pub struct Process {
    pid: i32,
    mark: String,
    log: Arc<Mutex<Log>>,
    stop_signal: StopSignal,
    stop_within: Duration,
    lingers_at_most: Duration,
    /// Whether nothing is left of it and of what it started.
    gone: bool,
    /// How it ended, once it did.
    ending: watch::Receiver<Option<Ending>>,
    /// Its standard input, until it is closed.
    pub stdin: Option<ChildStdin>,
    /// Its standard output, where that is no part of the log.
    pub stdout: Option<ChildStdout>,
}

impl Process {
    /// Starts a subject by its manifest, with values for the placeholders in it.
    ///
    /// # Errors
    ///
    /// A sentence for people: the command cannot be made up or the program cannot be started.
    pub fn start(manifest: &Manifest, values: &Values, wiring: Wiring) -> Result<Self, String> {
        Self::start_as(manifest, values, wiring, |program, arguments| (program, arguments))
    }

    /// As [`Process::start`], with another program or other arguments than those of the manifest's command.
    ///
    /// # Errors
    ///
    /// As of [`Process::start`].
    pub fn start_as(
        manifest: &Manifest,
        values: &Values,
        wiring: Wiring,
        change: impl FnOnce(PathBuf, Vec<String>) -> (PathBuf, Vec<String>),
    ) -> Result<Self, String> {
        let (program, arguments) = manifest.command(values)?;
        let (program, arguments) = change(program, arguments);
        let mark = new_mark();
        let mut command = Command::new(&program);
        command
            .args(arguments)
            .env("TZ", TIME_ZONE)
            .envs(manifest.environment(values)?)
            .env(MARK, &mark)
            .current_dir(&manifest.workdir)
            .stdin(if wiring == Wiring::Lines { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let (mut child, pid) =
            tree::spawn(&mut command).map_err(|error| cannot_start(&program, &manifest.workdir, &error))?;
        strain::watch(pid);
        let log = Arc::new(Mutex::new(Log::default()));
        let stdin = child.stdin.take();
        let mut stdout = child.stdout.take();
        // Failing to enlarge a pipe costs speed only.
        let _ = stdin.as_ref().map(|stdin| rustix::pipe::fcntl_setpipe_size(stdin, PIPE_SIZE));
        let _ = stdout.as_ref().map(|stdout| rustix::pipe::fcntl_setpipe_size(stdout, PIPE_SIZE));
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(keep_log(stderr, Arc::clone(&log)));
        }
        if wiring == Wiring::Log
            && let Some(stdout) = stdout.take()
        {
            tokio::spawn(keep_log(stdout, Arc::clone(&log)));
        }
        let ending = watch_over(child);
        let (stop_signal, stop_within) = (manifest.stop_signal, manifest.stop_within);
        let lingers_at_most = match manifest.role {
            Role::Agent => HOSTS_LINGER_AT_MOST,
            _ => LINGERS_AT_MOST,
        };
        let gone = false;
        Ok(Self { pid, mark, log, stop_signal, stop_within, lingers_at_most, gone, ending, stdin, stdout })
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The ids of its process and of all that belong to it.
    pub fn family(&self) -> Vec<i32> {
        let members = tree::members(self.pid, &self.mark);
        std::iter::once(self.pid).chain(members.into_iter().map(|member| member.pid)).collect()
    }

    /// What it wrote to its standard error, and to its output where that is no line protocol: the beginning and the
    /// end, with control characters escaped. `None` if that is nothing.
    pub fn log(&self) -> Option<String> {
        self.log_since(0)
    }

    /// As [`Process::log`], without the bytes before a [`Process::log_length`].
    pub fn log_since(&self, length: u64) -> Option<String> {
        let text = self.log.lock().unwrap_or_else(PoisonError::into_inner).text_from(length);
        (!text.trim().is_empty()).then_some(text)
    }

    /// How many bytes its log has so far.
    pub fn log_length(&self) -> u64 {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).length()
    }

    /// How it ended, if it did.
    pub fn ending(&self) -> Option<Ending> {
        *self.ending.borrow()
    }

    /// Waits for it to end by itself: for ever, if it never does.
    pub async fn ended(&self) -> Ending {
        let mut ending = self.ending.clone();
        let seen = ending.wait_for(Option::is_some).await.ok().and_then(|seen| *seen);
        match seen {
            Some(ending) => ending,
            None => std::future::pending().await,
        }
    }

    /// Waits for it to end by itself.
    pub async fn ended_within(&self, patience: Duration) -> Option<Ending> {
        timeout(patience, self.ended()).await.ok()
    }

    /// Sends it the signal by which its manifest stops it.
    pub fn ask_to_stop(&self) {
        if self.ending().is_none() {
            tree::signal(self.pid, self.stop_signal.number());
        }
    }

    /// Stops it as the contract has it: end of input where there is any, then the manifest's signal, then SIGKILL to
    /// it and to every process it started. What it still prints is dropped.
    pub async fn stop(mut self) -> Stopped {
        let lines = self.stdin.take().is_some();
        let mut ending = if lines { self.ended_while_drained().await } else { None };
        let ignored_end_of_input = lines && ending.is_none();
        if ending.is_none() {
            self.ask_to_stop();
            ending = self.ended_while_drained().await;
        }
        let killed = ending.is_none();
        let left_behind = if killed { Vec::new() } else { self.lingering().await };
        ending = self.end_all().await.or(ending);
        Stopped { ending, ignored_end_of_input, killed, left_behind }
    }

    /// Waits for the end within the manifest's time, reading on, so that a full pipe holds nobody up.
    async fn ended_while_drained(&mut self) -> Option<Ending> {
        let mut stdout = self.stdout.take();
        let drained = async {
            let mut buffer = vec![0; 64 << 10];
            while let Some(stdout) = &mut stdout
                && matches!(stdout.read(&mut buffer).await, Ok(count) if count > 0)
            {}
            std::future::pending::<()>().await;
        };
        let ended = async {
            tokio::select! {
                ending = self.ended() => ending,
                () = drained => std::future::pending().await,
            }
        };
        let ending = timeout(self.stop_within, ended).await.ok();
        self.stdout = stdout;
        ending
    }

    /// Kills it and every process it started.
    pub async fn kill(mut self) -> Option<Ending> {
        self.end_all().await
    }

    /// Kills its first process alone, as a system does that is short of memory; what that started is known from before.
    pub async fn kill_alone(&self) -> Option<Ending> {
        tree::members(self.pid, &self.mark);
        if self.ending().is_none() {
            tree::signal(self.pid, Signal::KILL);
        }
        self.ended_within(GONE_WITHIN).await
    }

    /// The programs of processes that outlive it: what it has just killed takes a moment to be gone.
    pub async fn lingering(&self) -> Vec<String> {
        let deadline = Instant::now() + self.lingers_at_most;
        loop {
            let members = self.left_behind();
            if members.is_empty() || Instant::now() >= deadline {
                return members;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The programs of the processes that belong to it, itself excepted.
    fn left_behind(&self) -> Vec<String> {
        tree::members(self.pid, &self.mark).into_iter().map(|member| member.name).collect()
    }

    /// Ends the whole family, however fast it forks, within a bound.
    async fn end_all(&mut self) -> Option<Ending> {
        let deadline = Instant::now() + GONE_WITHIN;
        let mut seen = Vec::new();
        if self.ending().is_none() {
            tree::signal(self.pid, Signal::KILL);
        }
        tree::kill_group(self.pid);
        let ending = self.ended_within(GONE_WITHIN).await;
        loop {
            let members = tree::members(self.pid, &self.mark);
            for member in &members {
                tree::signal(member.pid, Signal::KILL);
                seen.push(member.pid);
            }
            seen.iter().for_each(|pid| tree::reap(*pid));
            if members.is_empty() || Instant::now() >= deadline {
                self.gone = members.is_empty() && ending.is_some();
                return ending;
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Process {
    /// The last resort when a run is torn down: what [`Process::stop`] and [`Process::kill`] do with patience.
    fn drop(&mut self) {
        strain::forget(self.pid);
        if self.gone {
            return tree::forget(self.pid);
        }
        if self.ending().is_none() {
            tree::kill_group(self.pid);
        }
        for member in tree::members(self.pid, &self.mark) {
            tree::signal(member.pid, Signal::KILL);
            tree::reap(member.pid);
        }
        // What it still writes would stay behind in folders that are removed next.
        for _ in 0..DYING_TURNS {
            if !memory::is_alive(self.pid) {
                break;
            }
            std::thread::sleep(DYING_TURN);
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

/// Why a program does not start: the system does not say whether the program is missing or the folder.
fn cannot_start(program: &Path, folder: &Path, error: &io::Error) -> String {
    let (shown, place) = (program.display(), folder.display());
    if error.kind() == io::ErrorKind::NotFound && !folder.is_dir() {
        return format!("`{shown}` cannot be started, because its `workdir` {place} is no folder");
    }
    if error.kind() == io::ErrorKind::NotFound && program.components().count() == 1 {
        return format!("`{shown}` cannot be started: no program on the PATH has that name");
    }
    format!("`{shown}` cannot be started in {place}: {error}")
}

/// Waits for a process from now on, so that its end is known at once. Where this is given up, it is killed.
fn watch_over(mut child: Child) -> watch::Receiver<Option<Ending>> {
    let (sender, receiver) = watch::channel(None);
    tokio::spawn(async move {
        if let Ok(status) = child.wait().await {
            sender.send_replace(Some(Ending::from(status)));
        }
    });
    receiver
}

async fn keep_log(mut stream: impl AsyncRead + Unpin, log: Arc<Mutex<Log>>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count) = stream.read(&mut buffer).await {
        if count == 0 {
            return;
        }
        log.lock().unwrap_or_else(PoisonError::into_inner).push(&buffer[..count]);
    }
}
