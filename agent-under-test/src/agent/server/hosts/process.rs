//! A host's process: started with nothing but what the contract gives it, and ended with all that it launched.

#![allow(clippy::disallowed_methods, reason = "a process is started, and its time is that of the real world")]

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use iaspec_shm::{Error, Place, Plan, Receiver, Segment, Sender, Wait, random_nonce};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use thiserror::Error;

use super::folder::Folder;
use crate::protocol::SessionId;

/// How long a host has from its start until it is attached.
const ATTACH_WITHIN: Duration = Duration::from_secs(10);

/// How often it is looked whether a host that is not attached yet is still wanted.
const GLANCE: Duration = Duration::from_millis(50);

/// How often a process that is to end is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// What of the agent's environment a host gets: what programs need to find their way, and no secret (RTE-7).
const ENVIRONMENT: [&str; 6] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"];

/// Reads what a host has sent, and waits for it where nothing is there.
pub type Listen = fn(&mut Receiver, &mut [u8], &Wait) -> Result<usize, Error>;

/// What hosts are started with.
#[derive(Clone, Debug)]
pub(in super::super) struct Equipment {
    /// The program that handles products' messages.
    pub(in super::super) program: std::path::PathBuf,
    /// Bytes of each ring.
    pub(in super::super) ring_capacity: u32,
    /// Where segments are.
    pub(in super::super) place: Place,
    /// The last thing done to the command that starts one.
    pub(in super::super) prepare: fn(&mut Command),
    /// Waits for one that has ended or was killed.
    pub(in super::super) wait: fn(&mut Child) -> io::Result<ExitStatus>,
    /// How it is waited for what they send.
    pub(in super::super) listen: Listen,
}

/// Why a host did not start.
#[derive(Debug, Error)]
pub(super) enum StartError {
    /// Its folder or the files in it.
    #[error("its folder cannot be made: {0}")]
    Folder(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("its segment cannot be made: {0}")]
    Segment(#[from] iaspec_shm::CreateError),
    #[error("there is no nonce for it: {0}")]
    Nonce(#[source] io::Error),
    #[error("`{program}` cannot be started: {source}")]
    Program { program: String, source: io::Error },
    /// It was asked to finish before it was attached.
    #[error("it is not wanted any more")]
    Unwanted,
    /// It ended, or did not attach in time, or attached in a wrong way.
    #[error("it did not attach: {error}{}", .ending.map(|ending| format!(" ({ending})")).unwrap_or_default())]
    Attach { error: Error, ending: Option<ExitStatus> },
}

/// A host that runs and is attached.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    wait: fn(&mut Child) -> io::Result<ExitStatus>,
    /// Kept as long as the rings are used.
    pub(super) segment: Segment,
    _folder: Folder,
}

impl Process {
    /// Starts a host in its folder and waits until it is attached, as long as it `is_wanted`. It is ended when the calling
    /// thread ends.
    pub(super) fn start(
        equipment: &Equipment,
        folder: Folder,
        session: SessionId,
        agent_type: u8,
        is_wanted: impl Fn() -> bool,
    ) -> Result<(Self, Sender, Receiver), StartError> {
        let nonce = random_nonce().map_err(StartError::Nonce)?;
        let (place, capacity) = (equipment.place.clone(), equipment.ring_capacity);
        let segment =
            Segment::create(&Plan { place, capacity, session: session.0, agent_type, nonce, rings: true })?;
        let mut command = command(&equipment.program, segment.path(), &nonce, session, agent_type);
        command.current_dir(folder.path());
        (equipment.prepare)(&mut command);
        let child = command.spawn().map_err(|source| StartError::Program {
            program: equipment.program.display().to_string(),
            source,
        })?;
        let mut process = Self { child, wait: equipment.wait, segment, _folder: folder };
        match process.attach(is_wanted) {
            Ok((sender, receiver)) => Ok((process, sender, receiver)),
            Err(error) => {
                let ending = process.end(Duration::ZERO);
                Err(match error {
                    Some(error) => {
                        let ending = ending.filter(|_| matches!(error, Error::PeerDied { .. }));
                        StartError::Attach { error, ending }
                    }
                    None => StartError::Unwanted,
                })
            }
        }
    }

    /// Waits until it is attached, and takes the ends; fails with nothing if it is not wanted before.
    fn attach(&mut self, is_wanted: impl Fn() -> bool) -> Result<(Sender, Receiver), Option<Error>> {
        self.segment.watch_host(self.child.id())?;
        let deadline = Instant::now() + ATTACH_WITHIN;
        loop {
            let now = Instant::now();
            match self.segment.wait_attached(&Wait::until(deadline.min(now + GLANCE))) {
                Ok(()) => break,
                Err(Error::Deadline) if !is_wanted() => return Err(None),
                Err(Error::Deadline) if now < deadline => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.segment.unlink();
        Ok(self.segment.take_ends()?)
    }

    /// Waits for its end, kills it if that takes longer than `patience`, and then whatever is left of its process group
    /// (SES-5). Tells how it ended; `None` if it was killed.
    pub(super) fn end(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        let mut has_ended = self.has_ended();
        while !has_ended && Instant::now() < deadline {
            thread::sleep(LOOK);
            has_ended = self.has_ended();
        }
        // It is not waited for yet, so that its number still belongs to it and to its group.
        if let Some(group) = self.pid() {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let status = (self.wait)(&mut self.child).ok();
        status.filter(|_| has_ended)
    }

    /// Whether it has ended; it stays a zombie.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        self.pid().is_none_or(|pid| !matches!(waitid(WaitId::Pid(pid), options), Ok(None)))
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }
}

/// The command line of a host: exactly the options of the contract, a group of its own, and nothing inherited.
fn command(program: &Path, segment: &Path, nonce: &[u8; 16], session: SessionId, agent_type: u8) -> Command {
    let mut command = Command::new(program);
    command
        .arg("--shared-memory")
        .arg(segment)
        .args(["--nonce", &hex::encode(nonce)])
        .args(["--session", &session.0.to_string()])
        .args(["--agent-type", &agent_type.to_string()])
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(|n| ENVIRONMENT.contains(&n))))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    command
}
