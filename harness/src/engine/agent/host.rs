//! A host that runs, or should refuse to: its segment, which the harness has created as an agent does, and its process.

use std::cell::Cell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use iaspec_shm::raw::{Flag, Forgery, HeaderField, Raw};
use iaspec_shm::{CreateError, Direction, Plan, Role, Segment, Side, State, layout};
use tokio::time::{Instant, sleep};

use super::schedule::Playing;
use crate::hex_text;
use crate::subject::placeholders::Values;
use crate::subject::{Ending, Ground, Manifest, Process, Wiring, memory};
use crate::vectors::transcript::start::{Breaks, Place, Schedule, Start, WrongStart};

/// How often a segment is looked at of which no bell tells.
const LOOK: Duration = Duration::from_millis(2);

/// As much of a segment as is compared: what a host could have changed is at its beginning.
const COMPARED: usize = 16 << 10;

/// The agent that can be killed: a shell that starts the host once a file is there, and waits for it.
const APART: &str = r#"while [ ! -e "$0" ]; do sleep 0.01; done; "$@"; exit $?"#;

/// What the harness as an agent decides about a host, beside what a case says.
#[derive(Debug)]
pub(super) struct Terms<'s> {
    pub(super) start: &'s Start,
    pub(super) session: i32,
    pub(super) agent_type: u8,
    /// Whether the agent is a process of its own, which the case kills.
    pub(super) apart: bool,
}

/// A host's segment.
enum Shared {
    Segment(Box<Segment>),
    /// One whose size is wrong: nobody maps it.
    Forgery(Forgery),
}

/// What a host was told, and when.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) session: i32,
    pub(super) agent_type: u8,
    pub(super) ring_capacity: u32,
    pub(super) nonce: [u8; 16],
    /// The options of its command line.
    pub(super) options: Vec<String>,
    /// When it was started, and when it was seen to have attached.
    pub(super) started: SystemTime,
    pub(super) attached: Cell<Option<SystemTime>>,
}

/// A host.
pub(super) struct Host {
    process: Process,
    told: Told,
    shared: Shared,
    /// What the segment held before the start.
    before: Vec<u8>,
    /// Whether nothing may change in it.
    pub(super) is_refused: bool,
    /// Whether its agent is a process of its own.
    pub(super) apart: bool,
    /// Whether it has finished as its agent asked.
    pub(super) finished: Cell<bool>,
    /// Whether the end of its process was looked at.
    pub(super) end_seen: Cell<bool>,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("process", &self.process).finish_non_exhaustive()
    }
}

impl Host {
    /// Creates a segment and starts the subject with it.
    ///
    /// # Errors
    ///
    /// A sentence for people: the harness cannot do its part.
    pub(super) fn start(
        manifest: &Manifest,
        values: &Values,
        ground: &Ground,
        terms: &Terms<'_>,
    ) -> Result<Self, String> {
        let start = terms.start;
        let nonce = iaspec_shm::random_nonce().map_err(|error| format!("no nonce can be had: {error}"))?;
        let place = match start.place.unwrap_or_default() {
            Place::Memory => iaspec_shm::Place::Memory,
            Place::File => iaspec_shm::Place::Directory(ground.segment_dir().to_owned()),
        };
        let capacity = start.ring_capacity.as_ref().map_or(layout::DEFAULT_CAPACITY, |given| given.value);
        let rings = start.rings.unwrap_or(true);
        let (session, agent_type) = (terms.session, terms.agent_type);
        let plan = Plan { place: place.clone(), capacity, session, agent_type, nonce, rings };
        let segment = Segment::create(&plan).map_err(|error| cannot_create(&error))?;
        fill(&Raw::of(&segment), start);
        let wrong = start.wrong.as_ref().map(|wrong| wrong.value);
        let shared = spoilt(segment, start, wrong, &place)?;
        let path = match wrong {
            Some(WrongStart::Path) => ground.path("no-segment"),
            _ => shared.path().to_owned(),
        };
        let mut words = options(&path, nonce, session, agent_type);
        if let (Some(WrongStart::Options), Some(given)) = (wrong, &start.options) {
            words = given.iter().map(|word| filled(word, &words)).collect();
        }
        let mut before = shared.contents();
        let told = Told {
            session,
            agent_type,
            ring_capacity: capacity,
            nonce,
            options: words.clone(),
            started: SystemTime::now(),
            attached: Cell::new(None),
        };
        let go = ground.path("go");
        let process = Process::start_as(manifest, values, Wiring::Log, |program, arguments| {
            let words = arguments.into_iter().chain(words);
            match terms.apart {
                false => (program, words.collect()),
                true => {
                    let shell = ["-c".to_owned(), APART.to_owned(), shown(&go), shown(&program)];
                    (PathBuf::from("/bin/sh"), shell.into_iter().chain(words).collect())
                }
            }
        })?;
        if let (true, Shared::Segment(segment)) = (terms.apart, &shared) {
            let agent = process.pid().to_le_bytes();
            Raw::of(segment).set_bytes(layout::offset::AGENT_PID, &agent);
            before = shared.contents();
        } else if let Shared::Segment(segment) = &shared
            && let Ok(pid) = u32::try_from(process.pid())
        {
            // One that has ended already is noticed as a process.
            let _ = segment.watch_host(pid);
        }
        if terms.apart {
            std::fs::write(&go, "").map_err(|error| format!("the host cannot be let go: {error}"))?;
        }
        let (is_refused, apart) = (wrong.is_some(), terms.apart);
        let (finished, end_seen) = (Cell::new(false), Cell::new(false));
        Ok(Self { process, told, shared, before, is_refused, apart, finished, end_seen })
    }

    /// Its process; where its agent is one of its own, that of the agent.
    pub(super) fn process(&self) -> &Process {
        &self.process
    }

    /// What it was told.
    pub(super) fn told(&self) -> &Told {
        &self.told
    }

    /// Its segment, if that can be mapped.
    pub(super) fn segment(&self) -> Option<&Segment> {
        match &self.shared {
            Shared::Segment(segment) => Some(segment),
            Shared::Forgery(_) => None,
        }
    }

    /// Waits until it has attached.
    ///
    /// # Errors
    ///
    /// What happened instead, and whether it was only too late.
    pub(super) async fn attached(&self, deadline: Instant) -> Result<(), (String, bool)> {
        let Some(segment) = self.segment() else { return Err(("there is no segment".to_owned(), false)) };
        loop {
            // Looked at first: a host that attached and ended has attached.
            let ending = self.process.ending();
            match segment.is_attached() {
                Ok(true) => {
                    self.told.attached.set(Some(SystemTime::now()));
                    return Ok(());
                }
                Ok(false) => {}
                Err(error) => return Err((error.to_string(), false)),
            }
            if let Some(ending) = ending {
                return Err((format!("it {ending}"), false));
            }
            if Instant::now() >= deadline {
                return Err(("it did nothing to the segment".to_owned(), true));
            }
            sleep(LOOK).await;
        }
    }

    /// Begins a schedule of the agent's side. Nobody may hold the ends.
    ///
    /// # Errors
    ///
    /// A sentence for people: the harness cannot do its part.
    pub(super) fn begin(&self, schedule: Schedule) -> Result<Playing, String> {
        let segment = self.segment().ok_or("there is no segment")?;
        let host = i32::try_from(segment.link().host_pid()).unwrap_or(0);
        Playing::begin(schedule, Raw::of(segment), host)
            .map_err(|error| format!("no thread can be started: {error}"))
    }

    /// Waits until its process is gone; the ending is known only where the harness is its parent.
    pub(super) async fn ended(&self, deadline: Instant) -> Option<Option<Ending>> {
        if !self.apart {
            let patience = deadline.saturating_duration_since(Instant::now());
            return self.process.ended_within(patience).await.map(Some);
        }
        let pid = self.segment().map_or(0, |segment| segment.link().host_pid());
        let pid = i32::try_from(pid).unwrap_or(0);
        while memory::is_alive(pid) {
            if Instant::now() >= deadline {
                return None;
            }
            sleep(LOOK).await;
        }
        Some(None)
    }

    /// Kills the agent, where that is a process of its own.
    pub(super) async fn kill_agent(&self) {
        // How it ended is clear.
        let _ = self.process.kill_alone().await;
    }

    /// Where the segment differs from what it was before the start; `None` if nowhere.
    pub(super) fn changed_at(&self) -> Option<usize> {
        let now = self.shared.contents();
        let differs = now.iter().zip(&self.before).position(|(now, before)| now != before);
        differs.or_else(|| (now.len() != self.before.len()).then_some(now.len().min(self.before.len())))
    }

    /// What the contract asks of a host that has finished, and is not so.
    pub(super) fn unfinished(&self) -> Option<(&'static str, String)> {
        let raw = Raw::of(self.segment()?);
        let state = raw.header().state;
        if state != State::Closed as u32 {
            return Some(("state 3", format!("state {state}")));
        }
        let ends = [
            (Direction::HostToAgent, Side::Producer, "its writing end closed"),
            (Direction::AgentToHost, Side::Consumer, "its reading end closed"),
        ];
        let open = ends.into_iter().find(|(ring, side, _)| raw.flag(*ring, *side, Flag::Closed) != 1)?;
        Some((open.2, "it is open".to_owned()))
    }

    /// Breaks the segment as an agent may that keeps no promises. What the harness itself still reads or writes must
    /// have been stopped.
    pub(super) fn break_segment(&self, how: Breaks) {
        let Some(segment) = self.segment() else { return };
        let raw = Raw::of(segment);
        let (there, back) = (Direction::AgentToHost, Direction::HostToAgent);
        let beyond = u64::from(segment.link().capacity()) + 1;
        match how {
            Breaks::WrittenBackwards => raw.set_counter(there, Side::Producer, 0),
            Breaks::WrittenExcess => {
                // The host may have read more than the count that it has published, and never more than is written.
                raw.set_counter(there, Side::Producer, raw.counter(there, Side::Producer) + beyond);
            }
            Breaks::ReadBackwards => raw.set_counter(back, Side::Consumer, 0),
            Breaks::ReadExcess => {
                raw.set_counter(back, Side::Consumer, raw.counter(back, Side::Producer) + beyond);
            }
            Breaks::State => raw.set_header(HeaderField::State, 9),
        }
        raw.ring_both(Role::Agent);
    }

    /// What it logged.
    pub(super) fn log(&self) -> Option<String> {
        self.process.log()
    }

    /// Ends it with all that it started.
    pub(super) async fn kill(self) {
        self.process.kill().await;
    }
}

impl Shared {
    fn path(&self) -> &Path {
        match self {
            Self::Segment(segment) => segment.path(),
            Self::Forgery(forgery) => forgery.path(),
        }
    }

    /// The beginning of what it holds.
    fn contents(&self) -> Vec<u8> {
        match self {
            Self::Segment(segment) => {
                let capacity = usize::try_from(segment.link().capacity()).unwrap_or(0);
                let size = layout::HEADER_SIZE + 2 * capacity;
                Raw::of(segment).bytes(0, size.min(COMPARED)).unwrap_or_default()
            }
            Self::Forgery(forgery) => std::fs::read(forgery.path()).unwrap_or_default(),
        }
    }
}

/// Has the counts begin where they shall, and puts bytes into the ring to the host.
fn fill(raw: &Raw, start: &Start) {
    let first = start.counts.as_ref().map_or(0, |counts| counts.value.value());
    let waiting = start.waiting.as_ref().map(|waiting| waiting.bytes()).unwrap_or_default();
    for ring in [Direction::AgentToHost, Direction::HostToAgent] {
        raw.set_counter(ring, Side::Producer, first);
        raw.set_counter(ring, Side::Consumer, first);
    }
    raw.store(Direction::AgentToHost, first, &waiting);
    raw.set_counter(Direction::AgentToHost, Side::Producer, first.wrapping_add(waiting.len() as u64));
}

/// Puts in the one thing that is wrong with a segment.
fn spoilt(
    segment: Segment,
    start: &Start,
    wrong: Option<WrongStart>,
    place: &iaspec_shm::Place,
) -> Result<Shared, String> {
    let given = start.value.as_ref().map(|value| value.bytes());
    let Some(wrong) = wrong else { return Ok(Shared::Segment(Box::new(segment))) };
    let raw = Raw::of(&segment);
    if wrong == WrongStart::SegmentSize {
        let capacity = usize::try_from(segment.link().capacity()).unwrap_or(0);
        let right = layout::HEADER_SIZE + 2 * capacity;
        let size = given.and_then(|bytes| bytes.first_chunk().map(|size| u32::from_le_bytes(*size)));
        let size = size.and_then(|size| usize::try_from(size).ok()).unwrap_or(right - 1);
        let mut contents = raw.bytes(0, right.min(size)).unwrap_or_default();
        contents.resize(size, 0);
        let forgery = Forgery::create(place, &contents).map_err(|error| cannot_create(&error))?;
        return Ok(Shared::Forgery(forgery));
    }
    if let Some(offset) = wrong.offset() {
        let size = wrong.size().unwrap_or(0);
        let mut bytes = given.or_else(|| raw.bytes(offset, size)).unwrap_or_default();
        let which = start.byte.as_ref().map_or(0, |byte| usize::try_from(byte.value).unwrap_or(0));
        if start.value.is_none()
            && let Some(byte) = bytes.get_mut(which)
        {
            *byte ^= 3;
        }
        raw.set_bytes(offset, &bytes);
    }
    Ok(Shared::Segment(Box::new(segment)))
}

/// The options of a host, each with its value behind it.
fn options(path: &Path, nonce: [u8; 16], session: i32, agent_type: u8) -> Vec<String> {
    let (session, agent_type) = (session.to_string(), agent_type.to_string());
    let nonce = hex_text::encode(&nonce);
    ["--shared-memory", &shown(path), "--nonce", &nonce, "--session", &session, "--agent-type", &agent_type]
        .map(str::to_owned)
        .into()
}

/// A word of wrong options, with what is right in the place of its placeholders.
fn filled(word: &str, right: &[String]) -> String {
    let names = ["{path}", "{nonce}", "{session}", "{agent_type}"];
    let values = right.iter().skip(1).step_by(2);
    names.iter().zip(values).fold(word.to_owned(), |word, (name, value)| word.replace(name, value))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn cannot_create(error: &CreateError) -> String {
    format!("no segment can be created: {error}")
}
