//! A host at work that has one thing wrong: the correct product between rings and surroundings of its own.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use bytes::BytesMut;
use iaspec_shm::raw::Raw;
use iaspec_shm::{State, end_with_this_thread};

use super::ends::{Broken, Rings};
use super::{Closing, Ended, HostFault, Launching, Lengths, Meddle, Memory, Opening, Orphaned};
use super::{hostile, watching};
use crate::faults::talk::{Message, number};
use crate::host::core::{Host, Outcome, Task};
use crate::host::report::Report;
use crate::host::runtime::{abort, open_existing};
use crate::host::{Sleeper, Start};

/// How long room is waited for while requests may come, and by one that writes apart.
const GLANCE: Duration = Duration::from_millis(2);

/// How long answers may wait for room once the agent asks the host to finish.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long a host lives on whose end is not as it should be.
const OVERDUE: Duration = Duration::from_secs(10);

/// Bytes that are moved at once.
const PIECE: usize = 64 << 10;

/// A host.
struct Service<'s> {
    fault: &'static HostFault,
    start: &'s Start,
    agent: u32,
    began: Instant,
    started: SystemTime,
    rings: Rings,
    host: Host,
    requests: Talk,
    answers: Talk,
    /// Bytes for the agent.
    out: VecDeque<u8>,
    opened: Vec<File>,
    launched: Vec<Child>,
    /// When answers are waited for no longer.
    farewell: Option<Instant>,
    is_input_over: bool,
}

/// One direction of the conversation, and the fault that meddles with it.
struct Talk {
    meddle: Option<Meddle>,
    lengths: Lengths,
    memory: Memory,
    waiting: BytesMut,
}

/// Serves until the end.
pub(super) fn run(fault: &'static HostFault, start: &Start, raw: Raw) -> Ended {
    let ring = usize::try_from(raw.capacity()).unwrap_or(usize::MAX);
    let talk = |meddle, lengths| Talk {
        meddle,
        lengths,
        memory: Memory { ring, ..Memory::default() },
        waiting: BytesMut::new(),
    };
    let mut service = Service {
        fault,
        start,
        agent: iaspec_shm::parent_pid(),
        began: Instant::now(),
        started: SystemTime::now(),
        rings: Rings::new(raw, fault.ring),
        host: Host::new(),
        requests: talk(fault.request, fault.lengths),
        answers: talk(fault.answer, Lengths::Checked),
        out: VecDeque::new(),
        opened: Vec::new(),
        launched: Vec::new(),
        farewell: None,
        is_input_over: false,
    };
    loop {
        if let Some(code) = service.turn().unwrap_or(Some(1)) {
            return Ended::Code(service.end(code));
        }
    }
}

impl Service<'_> {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// One round; the code that the host ends with, if it does.
    fn turn(&mut self) -> Result<Option<u8>, Broken> {
        if let Some(code) = self.look_at_agent()? {
            return Ok(Some(code));
        }
        while let Some(task) = self.host.take_task() {
            if let Some(code) = self.perform(task)? {
                return Ok(Some(code));
            }
        }
        if self.host.is_stalled() {
            let until = self.host.deadline().unwrap_or_default();
            thread::sleep(until.saturating_sub(self.now()));
            self.host.handle_timeout(self.now());
            return Ok(None);
        }
        let moved = self.write()? + self.read()?;
        if let Some(harm) = self.requests.memory.harm.take() {
            if harm != hostile::WATCH_AGENT {
                return self.harm(harm).map(Some);
            }
            self.watch_agent()?;
        }
        self.host.handle_timeout(self.now());
        self.collect();
        self.launched.retain_mut(|child| !matches!(child.try_wait(), Ok(Some(_))));
        if moved == 0 {
            self.rest();
        }
        Ok(None)
    }

    /// Whether the agent is gone, or asks for the end and that is reached.
    fn look_at_agent(&mut self) -> Result<Option<u8>, Broken> {
        if iaspec_shm::parent_pid() != self.agent {
            if self.fault.orphaned == Orphaned::LiveOn {
                thread::sleep(OVERDUE);
            }
            return Ok(Some(1));
        }
        let state = match self.rings.state() {
            None if !self.fault.ring.credulous => return Err(Broken),
            state => state.unwrap_or(State::Attached),
        };
        if state >= State::Closing {
            match self.fault.closing {
                Closing::Ignore => thread::sleep(OVERDUE),
                Closing::Vanish => std::process::exit(0),
                Closing::Finish | Closing::Complain | Closing::WaitForAll => self.bid_farewell(),
            }
        }
        let is_done = self.is_input_over && self.is_all_said() && !self.host.is_stalled();
        let is_late = self.farewell.is_some_and(|farewell| farewell <= Instant::now());
        Ok((is_done || is_late).then_some(u8::from(self.fault.closing == Closing::Complain)))
    }

    fn is_all_said(&mut self) -> bool {
        let is_waiting = self.fault.closing == Closing::WaitForAll && self.host.deadline().is_some();
        self.out.is_empty() && self.host.output().is_empty() && !is_waiting
    }

    fn bid_farewell(&mut self) {
        if self.farewell.is_none() {
            let patience = if self.fault.closing == Closing::WaitForAll { OVERDUE } else { FAREWELL };
            self.farewell = Some(Instant::now() + patience);
            if self.fault.closing != Closing::WaitForAll {
                self.host.finish();
            }
        }
    }

    /// Moves what the product says to what goes out.
    fn collect(&mut self) {
        while self.out.len() < PIECE {
            let bytes = self.host.output();
            let count = bytes.len().min(PIECE);
            if count == 0 {
                return;
            }
            let mut passed = Vec::new();
            self.answers.pass(&bytes[..count], |bytes| passed.extend_from_slice(bytes));
            self.host.handle_sent(count);
            self.out.extend(passed);
        }
    }

    fn write(&mut self) -> Result<usize, Broken> {
        self.collect();
        if self.rings.is_output_closed() && !self.out.is_empty() {
            self.out.clear();
            self.host.stop_answering();
            return Ok(1);
        }
        let (first, _) = self.out.as_slices();
        let written = self.rings.put(&first[..first.len().min(PIECE)])?;
        self.out.drain(..written);
        Ok(written)
    }

    fn read(&mut self) -> Result<usize, Broken> {
        if self.is_input_over || !self.host.is_reading() {
            return Ok(0);
        }
        let is_closed = self.rings.is_input_closed()
            || (self.fault.closing != Closing::Ignore && self.rings.state() >= Some(State::Closing));
        let bytes = self.rings.take(PIECE)?;
        if bytes.is_empty() && is_closed {
            self.is_input_over = true;
            self.bid_farewell();
            return Ok(1);
        }
        let now = self.now();
        let mut passed = Vec::new();
        self.requests.pass(&bytes, |bytes| passed.extend_from_slice(bytes));
        if !passed.is_empty() {
            self.host.handle_input(&passed, now);
        }
        Ok(bytes.len())
    }

    /// Does harm to the agent, and lives on.
    fn harm(&mut self, harm: i32) -> Result<u8, Broken> {
        self.collect();
        self.out.extend(hostile::last_words(harm).unwrap_or_default());
        while !self.out.is_empty() && self.write()? > 0 {}
        hostile::harm(harm, &self.rings.raw);
        hostile::linger(self.agent);
        Ok(1)
    }

    /// Publishes messages at the moments at which an agent falls asleep, and answers whether it lost one.
    fn watch_agent(&mut self) -> Result<(), Broken> {
        while !self.out.is_empty() {
            self.write()?;
        }
        let lost = watching::publish(&mut self.rings, self.agent)?;
        self.out.extend(watching::verdict(lost));
        Ok(())
    }

    /// Waits until there is something to do.
    fn rest(&mut self) {
        let due = self.host.deadline().map(|due| due.saturating_sub(self.now()));
        let farewell = self.farewell.map(|farewell| farewell.saturating_duration_since(Instant::now()));
        let apart = self.out.is_empty() || self.rings.writes_apart();
        let most = if apart { self.fault.ring.watch } else { GLANCE };
        let most = [due, farewell].into_iter().flatten().fold(most, Duration::min);
        let is_reading = self.host.is_reading() && !self.is_input_over;
        if !self.out.is_empty() {
            self.rings.wait_for_room(most);
        } else if is_reading {
            self.rings.wait_for_bytes(most);
        } else {
            thread::sleep(most.min(GLANCE));
        }
    }

    fn perform(&mut self, task: Task) -> Result<Option<u8>, Broken> {
        let outcome = match task {
            Task::Report => self.report().map(Outcome::Report),
            Task::OpenFile(path) => self.open(Path::new(&path)).map(|()| Outcome::Done),
            Task::Launch(time) => self.launch(time).map(Outcome::Child),
            Task::Exit(code) => {
                self.say_what_fits()?;
                std::process::exit(code);
            }
            Task::Abort => {
                self.say_what_fits()?;
                abort();
            }
            Task::GiveUp(_) => {
                self.say_what_fits()?;
                return Ok(Some(1));
            }
        };
        let now = self.now();
        self.host.handle_outcome(outcome.map_err(|error| error.to_string()), now);
        Ok(None)
    }

    fn say_what_fits(&mut self) -> Result<(), Broken> {
        while self.write()? > 0 {}
        Ok(())
    }

    fn report(&self) -> std::io::Result<String> {
        let report = Report::of(self.start, self.started, self.rings.raw.capacity())?;
        let mut value = serde_json::to_value(report)?;
        if let (Some(change), Some(fields)) = (self.fault.report, value.as_object_mut()) {
            change(fields);
        }
        Ok(value.to_string())
    }

    fn open(&mut self, path: &Path) -> std::io::Result<()> {
        if self.fault.opening == Opening::Untouched {
            return path.metadata().map(drop);
        }
        let file = open_existing(path)?;
        match self.fault.opening {
            Opening::Kept | Opening::Untouched => self.opened.push(file),
            Opening::Closed => drop(file),
            Opening::Last => self.opened = vec![file],
            Opening::Writable => {
                self.opened.push(File::options().read(true).write(true).open(path).unwrap_or(file));
            }
        }
        Ok(())
    }

    fn launch(&mut self, time: Duration) -> std::io::Result<i32> {
        let time = match self.fault.launching {
            Launching::Hasty => Duration::from_secs(time.as_secs() / 1000),
            Launching::Slow => time * 10,
            _ => time,
        };
        let child = Sleeper::start_as(time, |command| match self.fault.launching {
            Launching::Apart => {
                command.process_group(0);
            }
            Launching::Tied => end_with_this_thread(command),
            _ => {}
        })?;
        let told = if self.fault.launching == Launching::Misnamed { std::process::id() } else { child.id() };
        self.launched.push(child);
        i32::try_from(told).map_err(std::io::Error::other)
    }

    fn end(mut self, code: u8) -> u8 {
        self.rings.close();
        if self.fault.launching != Launching::Left {
            for child in &mut self.launched {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
        self.rings.set_closed();
        code
    }
}

impl Talk {
    /// Takes bytes, and gives on what the fault makes of them.
    fn pass(&mut self, bytes: &[u8], mut on: impl FnMut(&[u8])) {
        let Some(meddle) = self.meddle else { return on(bytes) };
        self.waiting.extend_from_slice(bytes);
        let mut out = Vec::new();
        self.pass_over();
        while let Some(message) = whole(&mut self.waiting) {
            self.memory.more = starts_with_whole(&self.waiting);
            meddle(message, &mut self.memory, &mut out);
            self.pass_over();
        }
        if number(&self.waiting, 0) < 0 {
            // The host shall see what no message begins with.
            out.push(self.waiting.split().to_vec());
        }
        out.iter().for_each(|message| on(message));
    }

    /// Takes off what has a negative length, with its command, where that is the fault.
    fn pass_over(&mut self) {
        let passes = self.lengths == Lengths::PassedOver;
        while passes && self.waiting.len() >= 8 && number(&self.waiting, 0) < 0 {
            let _ = self.waiting.split_to(8);
        }
    }
}

fn starts_with_whole(bytes: &[u8]) -> bool {
    usize::try_from(number(bytes, 0)).is_ok_and(|size| bytes.len() >= 8 && bytes.len() - 8 >= size)
}

/// Takes the message off that is there.
fn whole(waiting: &mut BytesMut) -> Option<Message> {
    starts_with_whole(waiting).then(|| {
        let size = usize::try_from(number(waiting, 0)).unwrap_or(0);
        let frame = waiting.split_to(8 + size);
        Message { target: None, command: number(&frame, 4), data: frame[8..].to_vec() }
    })
}
