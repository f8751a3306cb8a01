//! Hosts that harm their agent: what the harness has its probe do to agents that are tested.
//!
//! Some misbehave at their start, those of BuildMaster only, so that the other products show what is served all the same.
//! One serves as the probe does, until it is asked by command [`HARM`] to do something that no host does: token, then the
//! number of what.

use std::thread;
use std::time::{Duration, Instant};

use iaspec_shm::raw::{Flag, HeaderField, Raw};
use iaspec_shm::{Direction, Role, Side, State};
use rustix::process::{Signal, getpid, kill_process};

use super::ends::{RIGHT, RingFault, Tells};
use super::{CORRECT, HostFault};
use crate::faults::talk::number;
use crate::host::Start;

/// The command that asks for harm; the probe product of the contract does not know it.
const HARM: i32 = 900;

/// The harm that is none: the host looks whether its agent loses wake-ups.
pub(super) const WATCH_AGENT: i32 = 1000;

/// The product whose hosts misbehave at their start: BuildMaster.
const MEANT: u8 = 2;

/// How long a host lingers that has done harm: longer than any agent may leave it.
const LINGERS: Duration = Duration::from_secs(120);

/// What a probe does.
pub(super) enum Conduct {
    /// It ends at once with this code.
    Ends(u8),
    /// It never attaches.
    Waits,
    /// It serves, in its own way.
    Serves(&'static HostFault),
    /// The same, in a segment that is as one is created.
    Watches(&'static HostFault),
}

const HOSTILE: HostFault = HostFault {
    name: "hostile",
    request: Some(|message, memory, out| {
        if message.command == HARM {
            memory.harm = Some(number(&message.data, 4));
        } else {
            out.push(message.frame());
        }
    }),
    ..CORRECT
};

const SILENT: HostFault = HostFault {
    name: "never-rings",
    rings: false,
    ring: RingFault { publish: Tells::WakesNobody, release: Tells::WakesNobody, ..RIGHT },
    ..CORRECT
};

const DEEP_SLEEPER: HostFault = HostFault {
    name: "sleeps-deeply",
    ring: RingFault { watch: Duration::from_secs(60), ..RIGHT },
    ..CORRECT
};

/// All of them, by the names that the harness uses.
pub(super) const CONDUCTS: &[(&str, Conduct)] = &[
    ("ends_at_once", Conduct::Ends(0)),
    ("refuses", Conduct::Ends(3)),
    ("never_attaches", Conduct::Waits),
    ("never_rings", Conduct::Serves(&SILENT)),
    ("sleeps_deeply", Conduct::Serves(&DEEP_SLEEPER)),
    ("hostile", Conduct::Serves(&HOSTILE)),
    ("watchful", Conduct::Watches(&HOSTILE)),
];

/// Whether a host is one that misbehaves at its start.
pub(super) fn is_meant(start: &Start) -> bool {
    start.agent_type == MEANT
}

/// The bytes that a host writes last that does this harm, where it is done by bytes.
pub(super) fn last_words(harm: i32) -> Option<Vec<u8>> {
    let head = |length: i32| [length.to_le_bytes(), 101_i32.to_le_bytes()].concat();
    match harm {
        1 => Some(head(-1)),
        2 => Some(head(i32::MIN)),
        3 => Some(head(i32::MAX)),
        // Part of a message, of which the rest never comes: 12 says that it is done then.
        4 | 12 => Some([head(100), vec![0x5a; 10]].concat()),
        _ => None,
    }
}

/// Does harm by other means than bytes.
pub(super) fn harm(harm: i32, raw: &Raw) {
    let (there, back) = (Direction::AgentToHost, Direction::HostToAgent);
    // More than the ring holds after what was written: the reader may be ahead of the count that it has published.
    let beyond = u64::from(raw.capacity()) + 1;
    match harm {
        // What it has written runs backwards, or claims more than fits.
        5 => raw.set_counter(back, Side::Producer, 0),
        6 => raw.set_counter(back, Side::Producer, raw.counter(back, Side::Producer).wrapping_add(beyond)),
        // So does what it has read.
        7 => raw.set_counter(there, Side::Consumer, 0),
        8 => raw.set_counter(there, Side::Consumer, raw.counter(there, Side::Producer).wrapping_add(beyond)),
        // It says that it is done, in whole or in part, and lives on.
        9 | 12 => {
            raw.set_flag(back, Side::Producer, Flag::Closed, 1);
            raw.set_flag(there, Side::Consumer, Flag::Closed, 1);
        }
        10 => raw.set_header(HeaderField::State, State::Closed as u32),
        // It stands still, as a process that somebody has stopped.
        11 => {
            let _ = kill_process(getpid(), Signal::STOP);
        }
        _ => {}
    }
    raw.ring_both(Role::Host);
}

/// Lives on and does nothing, as long as the agent lets it.
pub(super) fn linger(agent: u32) {
    let until = Instant::now() + LINGERS;
    while iaspec_shm::parent_pid() == agent && Instant::now() < until {
        thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use iaspec_shm::{Place, Plan, Segment};

    use super::*;

    /// A reader that has read all that was written, and published only part of that.
    #[test]
    fn an_excess_is_one_for_a_reader_ahead_of_its_published_count() {
        let plan = Plan {
            place: Place::Memory,
            capacity: 64,
            session: 1,
            agent_type: 1,
            nonce: [0; 16],
            rings: true,
        };
        let segment = Segment::create(&plan).unwrap();
        let raw = Raw::of(&segment);
        raw.set_counter(Direction::HostToAgent, Side::Producer, 40);
        raw.set_counter(Direction::HostToAgent, Side::Consumer, 10);
        harm(6, &raw);
        let written = raw.counter(Direction::HostToAgent, Side::Producer);
        assert!(written - 40 > u64::from(raw.capacity()), "{written}");
    }
}
