//! The probe product as a process: attached to a segment, in one thread.
//!
//! One thread reads, handles and writes in turn, so that there is no lock to be held while it waits. While answers do
//! not fit into the ring to the agent, it sleeps for their room and looks for requests every [`GLANCE`]: an agent that
//! writes before it reads is not left hanging.

#![allow(
    clippy::disallowed_methods,
    reason = "here the host meets its agent, the clock, files and processes"
)]

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant, SystemTime};

use iaspec_shm::{AttachError, Attached, Error, Expected, Link, Receiver, Sender, State, Wait};
use rustix::fs::{Mode, OFlags};
use rustix::process::{DumpableBehavior, Signal, getpid, kill_process, set_dumpable_behavior};

use super::core::{Host, Outcome, Task};
use super::diary::{Diary, Way};
use super::options::Nonce;
use super::report::Report;
use super::sleeper::Sleeper;

/// How often requests are looked for while answers wait for room.
const GLANCE: Duration = Duration::from_millis(2);

/// How often the agent and its state are looked at while nothing is to be read or written.
const LOOK: Duration = Duration::from_millis(20);

/// How long answers may wait for room once the agent asks the host to finish: within 2 s all must be over.
const FAREWELL: Duration = Duration::from_secs(1);

/// Bytes that are read at a time, and of answers written at a time: such a buffer stays near the processor.
const PIECE: usize = 64 << 10;

/// What the command line says.
#[derive(Clone, Debug)]
pub struct Start {
    /// The segment (`--shared-memory`).
    pub shared_memory: PathBuf,
    /// What the segment says too (`--nonce`).
    pub nonce: Nonce,
    /// The session's ID (`--session`).
    pub session: i32,
    /// The product (`--agent-type`).
    pub agent_type: u8,
}

/// How a session ended; what the host had launched is gone.
#[derive(Debug)]
pub enum Ended {
    /// As the agent wished, by its state or by closing its ring.
    Finished,
    /// The agent died, or broke the segment or its stream.
    Failed(String),
}

/// The segment of a session that this process is the host of.
#[derive(Debug)]
pub struct Session {
    attached: Attached,
    start: Start,
    began: Instant,
    started: SystemTime,
}

/// Makes this process the host of a segment that its parent process has created, if every check of the segment holds.
///
/// # Errors
///
/// [`AttachError`] names the first check that failed; nothing is changed in the segment (RTE-6).
pub fn attach(start: Start) -> Result<Session, AttachError> {
    let (began, started) = (Instant::now(), SystemTime::now());
    let expected = Expected {
        nonce: start.nonce.0,
        agent_pid: iaspec_shm::parent_pid(),
        session: start.session,
        agent_type: start.agent_type,
    };
    let attached = Attached::open(&start.shared_memory, &expected, true)?;
    Ok(Session { attached, start, began, started })
}

impl Session {
    /// Serves the agent until the session is over. A request for exit or abort ends this process in here.
    #[must_use]
    pub fn run(self) -> Ended {
        let link = self.attached.link().clone();
        let ended = match self.attached.take_ends() {
            Ok((to_agent, from_agent)) => Service {
                host: Host::new(),
                diary: Diary::of_this_host(self.start.session),
                link: link.clone(),
                to_agent,
                from_agent,
                session: self,
                launched: Vec::new(),
                opened: Vec::new(),
                farewell: None,
                is_input_over: false,
            }
            .run(),
            Err(error) => failed(&error),
        };
        link.set_closed();
        ended
    }
}

/// A host at work.
#[derive(Debug)]
struct Service {
    host: Host,
    diary: Diary,
    link: Link,
    to_agent: Sender,
    from_agent: Receiver,
    session: Session,
    launched: Vec<Child>,
    opened: Vec<File>,
    /// When answers are waited for no longer.
    farewell: Option<Instant>,
    /// Whether no request will come any more.
    is_input_over: bool,
}

/// What a turn of the loop came to, unless the session goes on.
type Turn = Result<(), Ended>;

impl Service {
    /// Serves until the end, then closes both directions and ends what was launched.
    fn run(mut self) -> Ended {
        let mut buffer = vec![0; PIECE];
        loop {
            if let Err(ended) = self.turn(&mut buffer) {
                self.end();
                return ended;
            }
        }
    }

    fn now(&self) -> Duration {
        self.session.began.elapsed()
    }

    fn turn(&mut self, buffer: &mut [u8]) -> Turn {
        self.look_at_state()?;
        while let Some(task) = self.host.take_task() {
            self.perform(task)?;
        }
        if self.host.is_stalled() {
            self.stall();
            return Ok(());
        }
        let is_reading = self.host.is_reading() && !self.is_input_over;
        let is_writing = !self.host.output().is_empty();
        if is_writing {
            self.write(if is_reading { GLANCE } else { LOOK })?;
        }
        if is_reading {
            self.read(buffer, !is_writing)?;
        } else if !is_writing {
            self.rest()?;
        }
        let now = self.now();
        self.host.handle_timeout(now);
        self.reap();
        Ok(())
    }

    /// Whether the agent asks for the end, and whether that is reached.
    fn look_at_state(&mut self) -> Turn {
        let state = self.link.state().map_err(|broken| failed(&broken.into()))?;
        if state >= State::Closing {
            self.bid_farewell();
        }
        let is_done = self.is_input_over && self.host.output().is_empty() && !self.host.is_stalled();
        let is_late = self.farewell.is_some_and(|farewell| farewell <= Instant::now());
        if is_done || is_late { Err(Ended::Finished) } else { Ok(()) }
    }

    fn bid_farewell(&mut self) {
        if self.farewell.is_none() {
            self.farewell = Some(Instant::now() + FAREWELL);
            self.host.finish();
        }
    }

    /// The moment after so long, or when something is due before.
    fn at_most(&self, time: Duration) -> Wait {
        let due = self.host.deadline().map(|due| self.session.began + due);
        let moments = [Some(Instant::now() + time), due, self.farewell];
        moments.into_iter().flatten().min().map_or_else(Wait::forever, Wait::until)
    }

    fn write(&mut self, time: Duration) -> Turn {
        let wait = self.at_most(time);
        let [first, second] = self.host.output_pieces();
        let first = &first[..first.len().min(PIECE)];
        // Where the first is cut, there is no room for the second.
        let pieces = [first, &second[..second.len().min(PIECE - first.len())]];
        let (written, cause) = match self.to_agent.write_all_parts(&pieces, &wait) {
            Ok(()) => (pieces.iter().map(|piece| piece.len()).sum(), None),
            Err(error) => (error.written, Some(error.cause)),
        };
        self.diary.note(Way::Out, &pieces, written);
        self.host.handle_sent(written);
        match cause {
            None | Some(Error::Deadline | Error::Interrupted) => Ok(()),
            Some(Error::PeerClosed { .. }) => {
                self.host.stop_answering();
                Ok(())
            }
            Some(error) => Err(failed(&error)),
        }
    }

    fn read(&mut self, buffer: &mut [u8], may_wait: bool) -> Turn {
        // A child that ends is waited for soon.
        let patience = if self.launched.is_empty() { Duration::from_secs(3600) } else { LOOK * 10 };
        let wait = self.at_most(patience);
        let in_place = self.host.input_space(PIECE);
        let is_in_place = in_place.is_some();
        let space = in_place.unwrap_or(buffer);
        let read = if may_wait {
            self.from_agent.read(space, &wait).map(Some)
        } else {
            self.from_agent.try_read(space)
        };
        if let Ok(Some(count)) = read {
            self.diary.note(Way::In, &[&*space], count);
        }
        match read {
            Ok(None) | Err(Error::Deadline | Error::Interrupted) => Ok(()),
            Ok(Some(0)) | Err(Error::Closing) => {
                self.is_input_over = true;
                self.bid_farewell();
                Ok(())
            }
            Ok(Some(count)) => {
                let now = self.now();
                if is_in_place {
                    self.host.handle_input_in_place(count, now);
                } else {
                    self.host.handle_input(&buffer[..count], now);
                }
                Ok(())
            }
            Err(error) => Err(failed(&error)),
        }
    }

    /// Neither reads nor writes: too many answers wait for their time.
    fn rest(&mut self) -> Turn {
        if self.link.peer_has_ended() {
            return Err(failed(&Error::PeerDied { peer: iaspec_shm::Role::Agent }));
        }
        let due = self.host.deadline().map(|due| due.saturating_sub(self.now()));
        std::thread::sleep(due.map_or(LOOK, |due| due.min(LOOK)));
        Ok(())
    }

    /// Hangs, as it was asked to: looks at nothing meanwhile.
    fn stall(&mut self) {
        if let Some(until) = self.host.deadline() {
            std::thread::sleep(until.saturating_sub(self.now()));
        }
        let now = self.now();
        self.host.handle_timeout(now);
    }

    fn perform(&mut self, task: Task) -> Turn {
        let outcome = match task {
            Task::Report => self.report().map(Outcome::Report),
            Task::OpenFile(path) => self.open(Path::new(&path)).map(|()| Outcome::Done),
            Task::Launch(time) => self.launch(time).map(Outcome::Child),
            Task::Exit(code) => {
                self.write_what_fits();
                // Nothing is closed or told: to the agent this host has died.
                std::process::exit(code);
            }
            Task::Abort => {
                self.write_what_fits();
                abort();
            }
            Task::GiveUp(malformed) => {
                self.write_what_fits();
                return Err(Ended::Failed(format!("the agent sent what is no message: {malformed}")));
            }
        };
        let now = self.now();
        self.host.handle_outcome(outcome.map_err(|error| error.to_string()), now);
        Ok(())
    }

    /// Answers to earlier requests, as far as there is room for them at once.
    fn write_what_fits(&mut self) {
        while let bytes @ [_, ..] = self.host.output() {
            match self.to_agent.try_write(bytes) {
                Ok(0) | Err(_) => return,
                Ok(written) => {
                    self.diary.note(Way::Out, &[bytes], written);
                    self.host.handle_sent(written);
                }
            }
        }
    }

    fn report(&self) -> io::Result<String> {
        let report = Report::of(&self.session.start, self.session.started, self.link.capacity())?;
        Ok(serde_json::to_string(&report)?)
    }

    fn open(&mut self, path: &Path) -> io::Result<()> {
        self.opened.push(open_existing(path)?);
        Ok(())
    }

    fn launch(&mut self, time: Duration) -> io::Result<i32> {
        let child = Sleeper::start(time)?;
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        self.launched.push(child);
        Ok(pid)
    }

    /// Waits for children that have ended.
    fn reap(&mut self) {
        self.launched.retain_mut(|child| !matches!(child.try_wait(), Ok(Some(_))));
    }

    fn end(self) {
        let Self { to_agent, from_agent, mut launched, .. } = self;
        to_agent.close();
        from_agent.close();
        for child in &mut launched {
            // One that has ended cannot be killed, and can be waited for.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn failed(error: &Error) -> Ended {
    Ended::Failed(error.to_string())
}

/// Opens an existing regular file, read only: anything else could make whoever opens it wait.
pub(crate) fn open_existing(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let told = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| told(error.into()))?;
    let file = File::from(file);
    if !file.metadata()?.is_file() {
        return Err(told(io::Error::other("it is no regular file")));
    }
    Ok(file)
}

/// Dies of a signal, and leaves no core dump.
pub(crate) fn abort() -> ! {
    // Where this fails, a core file is all that comes of it.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = kill_process(getpid(), Signal::ABORT);
    std::process::abort()
}
