//! Hosts with one fault each: the correct host as a child behind a segment of its own, and a relay between the two segments.

use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use iaspec_shm::raw::{HeaderField, Raw};
use iaspec_shm::{
    AttachError, Attached, Error, Expected, Place, Plan, Receiver, Segment, Sender, State, Wait,
    end_with_this_thread, random_nonce,
};

use super::talk::{Message, number};
use crate::host::Start;

/// How often a relay looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(5);

/// How long the correct host may take to attach, and how long it may take to end with its agent.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long what the correct host said last may take to be passed on: for ever, did nobody read it.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Bytes read at once.
const READ_SIZE: usize = 64 << 10;

/// A host that does something otherwise than a correct one. Whatever is `None` is done correctly.
struct HostFault {
    /// Its name in the catalogue.
    name: &'static str,
    /// Changes what the segment has to say, given what it says.
    expected: Option<fn(&mut Expected, &Raw)>,
    /// Does something before the segment is checked.
    before: Option<fn(&Raw)>,
    /// Does with an agent's message what the host does with it, given what it has to go on with.
    request: Option<Meddle>,
    /// Does with the host's message what it does with it.
    answer: Option<Meddle>,
    /// A negative length comes.
    lengths: Lengths,
    /// The agent asks it to finish.
    closing: Closing,
    /// Its agent is gone.
    orphaned: Orphaned,
}

/// Puts what goes on into a list of messages.
type Meddle = fn(Message, &mut Memory, &mut Vec<Vec<u8>>);

/// What a fault remembers of one direction.
#[derive(Debug, Default)]
struct Memory {
    count: usize,
    kept: Option<Message>,
    /// Whether the next message is there already.
    more: bool,
    /// Bytes of each ring.
    ring: usize,
}

/// What becomes of a negative length.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Lengths {
    Checked,
    PassedOver,
}

/// What becomes of a wish of the agent to finish.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Closing {
    Finish,
    /// Nobody looks at it.
    Ignore,
    /// The process is gone at once, whatever it has to do.
    Vanish,
    /// All is done, with another exit code.
    Complain,
}

/// What becomes of a host whose agent is gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Orphaned {
    End,
    LiveOn,
}

const CORRECT: HostFault = HostFault {
    name: "",
    expected: None,
    before: None,
    request: None,
    answer: None,
    lengths: Lengths::Checked,
    closing: Closing::Finish,
    orphaned: Orphaned::End,
};

/// Whether a message asks for an echo, or is one.
fn is_echo(message: &Message) -> bool {
    message.command == 101
}

const FAULTS: &[HostFault] = &[
    HostFault {
        name: "host-started-by-anybody",
        expected: Some(|expected, raw| expected.agent_pid = raw.header().agent_pid),
        ..CORRECT
    },
    HostFault {
        name: "host-nonce-unchecked",
        expected: Some(|expected, raw| expected.nonce = raw.header().nonce),
        ..CORRECT
    },
    HostFault {
        name: "host-session-unchecked",
        expected: Some(|expected, raw| expected.session = raw.header().session),
        ..CORRECT
    },
    HostFault {
        name: "host-agent-type-unchecked",
        expected: Some(|expected, raw| expected.agent_type = raw.header().agent_type),
        ..CORRECT
    },
    HostFault {
        name: "host-signs-in-before-it-checks",
        before: Some(|raw| raw.set_header(HeaderField::HostPid, std::process::id())),
        ..CORRECT
    },
    HostFault {
        name: "host-unknown-commands-unanswered",
        request: Some(|message, _, out| {
            if (101..=113).contains(&message.command) {
                out.push(message.frame());
            }
        }),
        ..CORRECT
    },
    HostFault {
        name: "host-answers-without-their-token",
        answer: Some(|mut message, _, out| {
            if message.data.len() >= 4 {
                message.data[..4].fill(0);
            }
            out.push(message.frame());
        }),
        ..CORRECT
    },
    HostFault {
        name: "host-exceptions-end-it",
        answer: Some(|message, _, out| {
            if message.data.get(4) == Some(&1) {
                std::process::exit(1);
            }
            out.push(message.frame());
        }),
        ..CORRECT
    },
    HostFault {
        name: "host-one-answer-at-most",
        request: Some(|message, memory, out| {
            memory.count = 0;
            out.push(message.frame());
        }),
        answer: Some(|message, memory, out| {
            // A burst ends with its first answer.
            memory.count += usize::from(message.command == 103);
            if memory.count <= 1 {
                out.push(message.frame());
            }
        }),
        ..CORRECT
    },
    HostFault {
        name: "host-unsolicited-messages-dropped",
        answer: Some(|message, _, out| {
            if message.command != 200 {
                out.push(message.frame());
            }
        }),
        ..CORRECT
    },
    HostFault {
        name: "host-data-taken-for-text",
        request: Some(|mut message, _, out| {
            if is_echo(&message) && message.data.len() > 4 {
                let text = String::from_utf8_lossy(&message.data[4..]).into_owned();
                message.data.truncate(4);
                message.data.extend(text.into_bytes());
            }
            out.push(message.frame());
        }),
        ..CORRECT
    },
    HostFault {
        name: "host-messages-cut-at-the-size-of-the-ring",
        request: Some(|mut message, memory, out| {
            message.data.truncate(memory.ring);
            out.push(message.frame());
        }),
        ..CORRECT
    },
    HostFault { name: "host-requests-swapped", request: Some(swapped), ..CORRECT },
    HostFault { name: "host-answers-swapped", answer: Some(swapped), ..CORRECT },
    HostFault {
        name: "host-every-hundredth-message-lost",
        request: Some(|message, memory, out| {
            memory.count += 1;
            if memory.count % 100 != 0 {
                out.push(message.frame());
            }
        }),
        ..CORRECT
    },
    HostFault {
        name: "host-torn-where-the-ring-begins-anew",
        answer: Some(|message, memory, out| {
            let mut frame = message.frame();
            let before = memory.count % memory.ring.max(1);
            memory.count += frame.len();
            // Behind the head of the message, so that what follows can still be read.
            if let Some(at) = memory.ring.checked_sub(before).filter(|at| (13..frame.len()).contains(at)) {
                frame[at] ^= 0xff;
            }
            out.push(frame);
        }),
        ..CORRECT
    },
    HostFault {
        name: "host-negative-lengths-passed-over",
        request: Some(|message, _, out| out.push(message.frame())),
        lengths: Lengths::PassedOver,
        ..CORRECT
    },
    HostFault { name: "host-never-finishes", closing: Closing::Ignore, ..CORRECT },
    HostFault { name: "host-drops-all-when-asked-to-finish", closing: Closing::Vanish, ..CORRECT },
    HostFault { name: "host-finishes-with-code-1", closing: Closing::Complain, ..CORRECT },
    HostFault { name: "host-outlives-its-agent", orphaned: Orphaned::LiveOn, ..CORRECT },
];

fn swapped(message: Message, memory: &mut Memory, out: &mut Vec<Vec<u8>>) {
    if memory.more && memory.kept.is_none() {
        memory.kept = Some(message);
    } else {
        out.push(message.frame());
        out.extend(memory.kept.take().map(|kept| kept.frame()));
    }
}

/// Hosts that are none, by what they do of a host's work.
const EMPTY: &[(&str, Pretence)] = &[
    ("empty-ends-at-once", Pretence::Gone),
    ("empty-never-attaches", Pretence::Absent),
    ("empty-signs-in-and-rests", Pretence::Attached),
];

/// What a host does that is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pretence {
    Gone,
    Absent,
    Attached,
}

/// The names of all faults that a host can have, in no order.
pub fn names() -> impl Iterator<Item = &'static str> {
    FAULTS.iter().map(|fault| fault.name).chain(EMPTY.iter().map(|(name, _)| *name))
}

fn pretend(pretence: Pretence, start: &Start) -> Ended {
    let agent = iaspec_shm::parent_pid();
    if pretence == Pretence::Gone {
        return Ended::Code(0);
    }
    if let (Pretence::Attached, Ok(raw)) = (pretence, Raw::open(&start.shared_memory)) {
        raw.set_header(HeaderField::HostPid, std::process::id());
        raw.set_header(HeaderField::State, ATTACHED);
    }
    while iaspec_shm::parent_pid() == agent {
        thread::sleep(LOOK);
    }
    Ended::Code(1)
}

/// The state of a segment whose host is there (contract, section 2).
const ATTACHED: u32 = 1;

/// How a host with a fault ended.
#[derive(Debug)]
pub enum Ended {
    /// With this exit code.
    Code(u8),
    /// Its part could not be played.
    Broken(io::Error),
}

/// Makes this process a host with a fault, and serves the agent until the session is over.
///
/// # Errors
///
/// [`AttachError`], for what it takes for wrong.
pub fn run(name: &str, program: &Path, start: &Start) -> Result<Ended, AttachError> {
    let fault = FAULTS.iter().find(|fault| fault.name == name).unwrap_or(&CORRECT);
    let mut expected = Expected {
        nonce: start.nonce.0,
        agent_pid: iaspec_shm::parent_pid(),
        session: start.session,
        agent_type: start.agent_type,
    };
    if let Some((_, pretence)) = EMPTY.iter().find(|(empty, _)| *empty == name) {
        return Ok(pretend(*pretence, start));
    }
    if let Ok(raw) = Raw::open(&start.shared_memory) {
        if let Some(act) = fault.before {
            act(&raw);
        }
        if let Some(change) = fault.expected {
            change(&mut expected, &raw);
        }
    }
    let attached = Attached::open(&start.shared_memory, &expected, true)?;
    Ok(Relay::start(fault, program, start, attached).map_or_else(Ended::Broken, Relay::run))
}

/// The two segments, and what passes between them.
struct Relay {
    fault: &'static HostFault,
    outer: Attached,
    inner: Segment,
    host: Child,
    /// Whether everything that the correct host has said has been passed on.
    told: Arc<AtomicBool>,
    /// Whether the agent has broken its part of the segment.
    broken: Arc<AtomicBool>,
    telling: thread::JoinHandle<()>,
}

impl Relay {
    fn start(fault: &'static HostFault, program: &Path, start: &Start, outer: Attached) -> io::Result<Self> {
        let nonce = random_nonce()?;
        let plan = Plan {
            place: Place::Memory,
            capacity: outer.link().capacity(),
            session: start.session,
            agent_type: start.agent_type,
            nonce,
            rings: true,
        };
        let inner = Segment::create(&plan).map_err(io::Error::other)?;
        let mut command = Command::new(program);
        command
            .arg("host")
            .arg("--shared-memory")
            .arg(inner.path())
            .args(["--nonce", &hex::encode(nonce)])
            .args(["--session", &start.session.to_string()])
            .args(["--agent-type", &start.agent_type.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        end_with_this_thread(&mut command);
        let host = command.spawn()?;
        inner.watch_host(host.id()).map_err(io::Error::other)?;
        inner.wait_attached(&Wait::at_most(PATIENCE)).map_err(io::Error::other)?;
        let (to_agent, from_agent) = outer.take_ends().map_err(io::Error::other)?;
        let (to_host, from_host) = inner.take_ends().map_err(io::Error::other)?;
        let ring = outer.link().capacity() as usize;
        let (told, broken) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        {
            let broken = Arc::clone(&broken);
            thread::spawn(move || {
                let passed = pass_on(from_agent, to_host, fault.request, ring, fault.lengths);
                broken.fetch_or(matches!(passed, Err(Error::Broken(_))), Ordering::Release);
            });
        }
        let telling = {
            let (told, broken) = (Arc::clone(&told), Arc::clone(&broken));
            thread::spawn(move || {
                let passed = pass_on(from_host, to_agent, fault.answer, ring, Lengths::Checked);
                broken.fetch_or(matches!(passed, Err(Error::Broken(_))), Ordering::Release);
                told.store(true, Ordering::Release);
            })
        };
        Ok(Self { fault, outer, inner, host, told, broken, telling })
    }

    /// Serves until the correct host has ended, and ends as that did.
    fn run(mut self) -> Ended {
        let mut asked = false;
        loop {
            thread::sleep(LOOK);
            match self.host.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) => return self.end(status),
                Err(error) => return Ended::Broken(error),
            }
            if self.broken.load(Ordering::Acquire) {
                // The correct host ends with this process.
                return Ended::Code(1);
            }
            if self.outer.link().peer_has_ended() && self.fault.orphaned == Orphaned::LiveOn {
                thread::sleep(PATIENCE * 2);
            }
            if !asked && self.outer.link().state().is_ok_and(|state| state == State::Closing) {
                asked = true;
                match self.fault.closing {
                    Closing::Ignore => thread::sleep(PATIENCE * 2),
                    Closing::Vanish => std::process::exit(0),
                    Closing::Finish | Closing::Complain => self.inner.link().request_close(),
                }
            }
        }
    }

    fn end(self, status: ExitStatus) -> Ended {
        use std::os::unix::process::ExitStatusExt;
        if status.signal().is_some() {
            super::fault::die();
        }
        let deadline = Instant::now() + LAST_WORDS;
        // Some exit codes are given by a request, and then nothing more is said.
        while !self.told.load(Ordering::Acquire) && Instant::now() < deadline {
            thread::sleep(LOOK);
        }
        drop(self.telling);
        self.outer.link().set_closed();
        let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
        Ended::Code(if self.fault.closing == Closing::Complain && code == 0 { 1 } else { code })
    }
}

/// Passes messages on from one ring to the other until one of them ends.
fn pass_on(
    mut from: Receiver,
    mut to: Sender,
    meddle: Option<Meddle>,
    ring: usize,
    lengths: Lengths,
) -> Result<(), Error> {
    let mut memory = Memory { ring, ..Memory::default() };
    let mut buffer = vec![0; READ_SIZE];
    let mut waiting = BytesMut::new();
    loop {
        let count = match from.read(&mut buffer, &Wait::forever()) {
            Ok(0) => {
                to.close();
                return Ok(());
            }
            Ok(count) => count,
            Err(Error::Interrupted) => continue,
            Err(error) => {
                to.close();
                return Err(error);
            }
        };
        let Some(meddle) = meddle else {
            to.write_all(&buffer[..count], &Wait::forever())?;
            continue;
        };
        waiting.extend_from_slice(&buffer[..count]);
        let mut out = Vec::new();
        if lengths == Lengths::PassedOver {
            pass_over(&mut waiting);
        }
        while let Some(message) = whole(&mut waiting) {
            memory.more = starts_with_whole(&waiting);
            meddle(message, &mut memory, &mut out);
            if lengths == Lengths::PassedOver {
                pass_over(&mut waiting);
            }
        }
        if number(&waiting, 0) < 0 {
            // The host shall see what no message begins with.
            out.push(waiting.split().to_vec());
        }
        let parts: Vec<&[u8]> = out.iter().map(Vec::as_slice).collect();
        to.write_all_parts(&parts, &Wait::forever())?;
    }
}

fn starts_with_whole(bytes: &[u8]) -> bool {
    usize::try_from(number(bytes, 0)).is_ok_and(|size| bytes.len() >= 8 && bytes.len() - 8 >= size)
}

/// Takes off what has a negative length, with its command.
fn pass_over(waiting: &mut BytesMut) {
    while waiting.len() >= 8 && number(waiting, 0) < 0 {
        let _ = waiting.split_to(8);
    }
}

/// Takes the message off that is there.
fn whole(waiting: &mut BytesMut) -> Option<Message> {
    starts_with_whole(waiting).then(|| {
        let size = usize::try_from(number(waiting, 0)).unwrap_or(0);
        let frame = waiting.split_to(8 + size);
        Message { target: None, command: number(&frame, 4), data: frame[8..].to_vec() }
    })
}
