//! Hosts with one fault each: the correct product, served by a host of its own making, whose rings, surroundings and end can
//! each have one thing wrong.
//!
//! The host keeps the rings by itself over [`Raw`] access, so that a wake-up can be lost or a count be cut off as people do
//! it; with nothing wrong it keeps to the contract. What messages mean is left to the correct
//! [`core`](crate::host::core).

mod attaching;
mod ends;
mod hostile;
mod messages;
mod probe;
mod rings;
mod service;
mod watching;

use std::io;
use std::thread;
use std::time::Duration;

use iaspec_shm::raw::{HeaderField, Raw};
use iaspec_shm::{AttachError, Attached, Expected, Field};
use serde_json::{Map, Value};

use self::ends::{RIGHT, RingFault};
use super::talk::Message;
use crate::host::Start;

/// How often a host that does nothing looks whether its agent lives.
const LOOK: Duration = Duration::from_millis(5);

/// A host that does something otherwise than a correct one. Whatever is `None` is done correctly.
struct HostFault {
    /// Its name in the catalogue.
    name: &'static str,
    /// Changes what the segment has to say, given what it says.
    expected: Option<fn(&mut Expected, &Raw)>,
    /// Does something before the segment is checked.
    before: Option<fn(&Raw)>,
    /// The field of the segment that is not checked.
    unchecked: Option<Field>,
    /// The code that it ends with where it refuses a segment.
    refusal: Option<u8>,
    /// Does something once it has attached.
    attached: Option<fn(&Raw)>,
    /// Whether it says that it wakes its agent.
    rings: bool,
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
    /// How it keeps the rings.
    ring: RingFault,
    /// Changes what it reports.
    report: Option<fn(&mut Map<String, Value>)>,
    /// What becomes of a file that it shall open.
    opening: Opening,
    /// What becomes of a child that it shall launch.
    launching: Launching,
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
    /// What a hostile host has been asked to do to its agent.
    harm: Option<i32>,
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
    /// What is delayed is waited for.
    WaitForAll,
}

/// What becomes of a host whose agent is gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Orphaned {
    End,
    LiveOn,
}

/// What becomes of a file that is to be opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Opening {
    Kept,
    /// It is closed as soon as it was open.
    Closed,
    /// It is closed when the next one is opened.
    Last,
    /// It is opened for writing, too.
    Writable,
    /// It is not opened at all.
    Untouched,
}

/// What becomes of a child that is to be launched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Launching {
    Right,
    /// In a process group of its own.
    Apart,
    /// It dies with the host, whatever the host dies of.
    Tied,
    /// It sleeps for so many milliseconds.
    Hasty,
    /// It sleeps ten times as long.
    Slow,
    /// Nobody ends it.
    Left,
    /// The process ID in the answer is the host's.
    Misnamed,
}

const CORRECT: HostFault = HostFault {
    name: "",
    expected: None,
    before: None,
    unchecked: None,
    refusal: None,
    attached: None,
    rings: true,
    request: None,
    answer: None,
    lengths: Lengths::Checked,
    closing: Closing::Finish,
    orphaned: Orphaned::End,
    ring: RIGHT,
    report: None,
    opening: Opening::Kept,
    launching: Launching::Right,
};

fn all() -> impl Iterator<Item = &'static HostFault> {
    [messages::FAULTS, attaching::FAULTS, rings::FAULTS, probe::FAULTS].into_iter().flatten()
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
    all().map(|fault| fault.name).chain(EMPTY.iter().map(|(name, _)| *name))
}

fn pretend(pretence: Pretence, start: &Start) -> Ended {
    let agent = iaspec_shm::parent_pid();
    if pretence == Pretence::Gone {
        return Ended::Code(0);
    }
    if let (Pretence::Attached, Ok(raw)) = (pretence, Raw::open(&start.shared_memory)) {
        sign_in(&raw);
    }
    while iaspec_shm::parent_pid() == agent {
        thread::sleep(LOOK);
    }
    Ended::Code(1)
}

/// The names of the ways in which the probe can treat an agent that is tested.
pub fn conducts() -> impl Iterator<Item = &'static str> {
    hostile::CONDUCTS.iter().map(|(name, _)| *name)
}

/// Makes this process a probe of some conduct, which an agent that is tested has to get along with.
///
/// # Errors
///
/// [`AttachError`], for what it takes for wrong.
pub fn conduct(name: &str, start: &Start) -> Result<Ended, AttachError> {
    let found = hostile::CONDUCTS.iter().find(|(conduct, _)| *conduct == name);
    match found.map(|(_, conduct)| conduct) {
        Some(hostile::Conduct::Serves(fault)) => serve(fault, start),
        Some(hostile::Conduct::Watches(fault)) => match watching::is_fresh(start) {
            true => serve(fault, start),
            false => Ok(Ended::Code(3)),
        },
        Some(hostile::Conduct::Ends(code)) if hostile::is_meant(start) => Ok(Ended::Code(*code)),
        Some(hostile::Conduct::Waits) if hostile::is_meant(start) => Ok(pretend(Pretence::Absent, start)),
        _ => serve(&CORRECT, start),
    }
}

/// Attaches without a look.
fn sign_in(raw: &Raw) {
    /// The state of a segment whose host is there (contract, section 2).
    const ATTACHED: u32 = 1;
    raw.set_header(HeaderField::HostPid, std::process::id());
    raw.set_header(HeaderField::State, ATTACHED);
}

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
pub fn run(name: &str, start: &Start) -> Result<Ended, AttachError> {
    if let Some((_, pretence)) = EMPTY.iter().find(|(empty, _)| *empty == name) {
        return Ok(pretend(*pretence, start));
    }
    let fault = all().find(|fault| fault.name == name).unwrap_or(&CORRECT);
    serve(fault, start)
}

fn serve(fault: &'static HostFault, start: &Start) -> Result<Ended, AttachError> {
    let mut expected = Expected {
        nonce: start.nonce.0,
        agent_pid: iaspec_shm::parent_pid(),
        session: start.session,
        agent_type: start.agent_type,
    };
    if let Ok(raw) = Raw::open(&start.shared_memory) {
        if let Some(act) = fault.before {
            act(&raw);
        }
        if let Some(change) = fault.expected {
            change(&mut expected, &raw);
        }
    }
    let (raw, attached) = match Attached::open(&start.shared_memory, &expected, fault.rings) {
        Ok(attached) => (Raw::of_attached(&attached), Some(attached)),
        Err(AttachError::Refused { field, .. }) if Some(field) == fault.unchecked => {
            let Ok(raw) = Raw::open(&start.shared_memory) else { return Ok(Ended::Code(1)) };
            sign_in(&raw);
            (raw, None)
        }
        Err(_) if fault.refusal.is_some() => return Ok(Ended::Code(fault.refusal.unwrap_or_default())),
        Err(error) => return Err(error),
    };
    if let Some(act) = fault.attached {
        act(&raw);
    }
    let ended = service::run(fault, start, raw);
    drop(attached);
    Ok(ended)
}
