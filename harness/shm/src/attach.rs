//! The host's side of a segment: opened, checked, attached.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::Ordering;

use crate::ends::{Receiver, Sender};
use crate::error::{AttachError, Error, Field};
use crate::layout::{self, Direction, HEADER_SIZE, Header, LAYOUT, MAGIC, Role, Side, State, offset};
use crate::link::Link;
use crate::memory::Mapping;
use crate::platform::{self, Process};

/// What the host was told, and the header must say.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The nonce of the command line.
    pub nonce: [u8; 16],
    /// The agent's process: [`parent_pid`](crate::parent_pid), since only an agent starts a host (RTE-6).
    pub agent_pid: u32,
    /// The session of the command line.
    pub session: i32,
    /// The agent type of the command line.
    pub agent_type: u8,
}

/// A segment that this process has attached to as the host.
#[derive(Debug)]
pub struct Attached {
    link: Link,
}

impl Attached {
    /// Opens the segment, checks it against what is expected, and attaches: `rings` says whether this side wakes an agent
    /// that sleeps.
    ///
    /// # Errors
    ///
    /// [`AttachError`] with the first field that is wrong; the segment is then as it was before.
    pub fn open(path: &Path, expected: &Expected, rings: bool) -> Result<Self, AttachError> {
        let system =
            |what| move |source: io::Error| AttachError::System { what, path: path.to_owned(), source };
        let file = platform::open_shared(path).map_err(system("open"))?;
        let size = file_size(&file).map_err(system("examine"))?;
        let Some(size) = size.filter(|size| *size >= HEADER_SIZE as u64) else {
            let found = size.map_or("something else".to_owned(), |size| format!("{size} bytes"));
            return Err(refused(Field::File, format!("a file of {HEADER_SIZE} bytes or more"), found));
        };
        let mut page = [0; HEADER_SIZE];
        file.read_exact_at(&mut page, 0).map_err(system("read"))?;
        let header = Header::decode(&page);
        check(&header, size, expected)?;
        let agent = open_agent(expected.agent_pid).map_err(system("watch the agent of"))?;
        let agent = agent.ok_or_else(|| no_agent(expected))?;
        let mapping = Mapping::new(&file, header.capacity).map_err(system("map"))?;
        attach(&mapping, rings)?;
        let link = Link::new(mapping, Role::Host, rings);
        link.watch(agent);
        link.advance(State::Attached);
        Ok(Self { link })
    }

    /// A handle on the session.
    #[must_use]
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// The host's ends of the two rings.
    ///
    /// # Errors
    ///
    /// [`Error::Taken`] the second time, [`Error::Broken`] if the counts contradict each other already.
    pub fn take_ends(&self) -> Result<(Sender, Receiver), Error> {
        self.link.take_ends()
    }
}

/// The size of a regular file; `None` for anything else.
fn file_size(file: &File) -> io::Result<Option<u64>> {
    let metadata = file.metadata()?;
    Ok(metadata.is_file().then_some(metadata.len()))
}

fn check(header: &Header, size: u64, expected: &Expected) -> Result<(), AttachError> {
    let told = [
        (Field::Magic, header.magic == MAGIC, quoted(MAGIC), quoted(header.magic)),
        number(Field::Layout, LAYOUT, header.layout),
        (Field::Nonce, header.nonce == expected.nonce, hex(expected.nonce), hex(header.nonce)),
        number(Field::AgentPid, expected.agent_pid, header.agent_pid),
        number(Field::HeaderSize, HEADER_SIZE, header.header_size as usize),
    ];
    first_wrong(told)?;
    if !layout::is_capacity(header.capacity) {
        let expected = "a power of two from 64 to 1073741824".to_owned();
        return Err(refused(Field::Capacity, expected, header.capacity.to_string()));
    }
    first_wrong([
        number(Field::SegmentSize, layout::segment_size(header.capacity), size),
        number(Field::State, State::Created as u32, header.state),
        number(Field::HostPid, 0, header.host_pid),
        number(Field::Session, expected.session, header.session),
        number(Field::AgentType, expected.agent_type, header.agent_type),
    ])
}

/// A field, whether it is right, what is expected and what was found.
type Checked = (Field, bool, String, String);

fn number<T: Eq + ToString>(field: Field, expected: T, found: T) -> Checked {
    (field, expected == found, expected.to_string(), found.to_string())
}

fn first_wrong(fields: impl IntoIterator<Item = Checked>) -> Result<(), AttachError> {
    match fields.into_iter().find(|(_, right, ..)| !right) {
        Some((field, _, expected, found)) => Err(refused(field, expected, found)),
        None => Ok(()),
    }
}

fn refused(field: Field, expected: String, found: String) -> AttachError {
    AttachError::Refused { field, expected, found }
}

fn quoted(bytes: [u8; 8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}

fn hex(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// The agent's process, if it still is what it was when its ID was looked at.
fn open_agent(pid: u32) -> io::Result<Option<Process>> {
    let was_parent = platform::parent_pid() == pid;
    let process = Process::open(pid)?;
    Ok(process.filter(|_| !was_parent || platform::parent_pid() == pid))
}

fn no_agent(expected: &Expected) -> AttachError {
    let running = format!("process {}, running", expected.agent_pid);
    refused(Field::AgentPid, running, "that it has ended".to_owned())
}

/// Becomes the host, unless somebody else has done so since the header was read.
fn attach(mapping: &Mapping, rings: bool) -> Result<(), AttachError> {
    let host_pid = mapping.header_word(offset::HOST_PID);
    let claimed = host_pid.compare_exchange(0, std::process::id(), Ordering::AcqRel, Ordering::Acquire);
    if let Err(found) = claimed {
        return Err(refused(Field::HostPid, "0".to_owned(), found.to_string()));
    }
    // The agent believes these from state 1 on.
    let rings = u32::from(rings);
    mapping.half(Direction::HostToAgent, Side::Producer).rings.store(rings, Ordering::Relaxed);
    mapping.half(Direction::AgentToHost, Side::Consumer).rings.store(rings, Ordering::Relaxed);
    Ok(())
}
