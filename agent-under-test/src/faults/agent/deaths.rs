//! Faults of what an agent does when a host has died: what its clients are told, and what becomes of the segment (RTE-8, RTE-9).

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::thread;
use std::time::Duration;

use super::products::{is_opened, opens, session};
use crate::faults::fault::{CORRECT, Fault};
use crate::faults::relay::Cut;
use crate::faults::talk::{Message, number};

/// By how much clients are told too late.
const TOO_LATE: Duration = Duration::from_secs(10);

/// How often it is looked for segments.
const LOOK: Duration = Duration::from_millis(1);

/// Where a segment tells its state (contract, section 2), and the state of a host that has finished.
const STATE: u64 = 0x1c;
const CLOSED: u32 = 3;

/// Whether a request has the probe product die.
fn kills(message: &Message) -> bool {
    (106..=107).contains(&message.command)
}

pub(super) const FAULTS: &[Fault] = &[
    // ------------------------------------------------------------------ what clients are told
    Fault {
        name: "one-client-is-told-of-a-death",
        agent_ended: Some(|facts, wire| {
            let is_first = facts.around.count(&format!("told in {}", session(facts))) == 0;
            wire.finish_client = facts.bound.is_none() || is_first;
        }),
        response: Some(|message, _, wire| wire.tell(&message)),
        ..CORRECT
    },
    Fault {
        name: "what-a-dead-host-had-sent-is-lost",
        request: Some(|message, facts, wire| {
            facts.count += usize::from(kills(&message));
            wire.ask(&message);
        }),
        response: Some(|message, facts, wire| {
            if facts.count == 0 {
                wire.tell(&message);
            }
        }),
        ..CORRECT
    },
    Fault {
        name: "clients-are-told-of-a-death-too-late",
        agent_ended: Some(|facts, wire| {
            if facts.bound.is_some() {
                facts.count = usize::try_from(wire.now.as_millis()).unwrap_or(0).max(1);
            } else {
                wire.finish_client = true;
            }
        }),
        response: Some(|message, _, wire| wire.tell(&message)),
        deadline: Some(|facts, _| {
            let died_at = u64::try_from(facts.count).ok().filter(|millis| *millis > 0)?;
            Some(Duration::from_millis(died_at) + TOO_LATE)
        }),
        ..CORRECT
    },
    Fault {
        name: "dead-sessions-are-found-again",
        request: Some(|message, facts, wire| {
            if opens(&message, facts) {
                facts.numbers.push(number(&message.data, 1));
            }
            wire.ask(&message);
        }),
        response: Some(|mut message, facts, wire| {
            let asked = facts.numbers.first().copied().filter(|asked| *asked != 0);
            if is_opened(&message, facts)
                && let Some((product, asked)) = facts.bound.map(|(product, _)| product).zip(asked)
                && facts.around.counts().contains_key(&format!("dead {product} {asked}"))
            {
                message.data = asked.to_le_bytes().to_vec();
            }
            wire.tell(&message);
        }),
        agent_ended: Some(|facts, wire| {
            if let Some((product, session)) = facts.bound {
                facts.around.count(&format!("dead {product} {session}"));
            }
            wire.finish_client = true;
        }),
        ..CORRECT
    },
    Fault {
        name: "a-death-takes-other-sessions-along",
        request: Some(|message, facts, wire| {
            let deaths = facts.around.counts().get("deaths").copied().unwrap_or(0);
            if facts.bound.is_some() && deaths > facts.count {
                wire.cut = Some(Cut::Close);
            } else {
                wire.ask(&message);
            }
        }),
        response: Some(|message, facts, wire| {
            if is_opened(&message, facts) {
                facts.count = facts.around.counts().get("deaths").copied().unwrap_or(0);
            }
            wire.tell(&message);
        }),
        agent_ended: Some(|facts, wire| {
            if facts.bound.is_some() {
                facts.around.count("deaths");
            }
            wire.finish_client = true;
        }),
        ..CORRECT
    },
    // ------------------------------------------------------------------ what becomes of segments
    Fault {
        name: "segments-of-hosts-that-crashed-stay",
        beside: Some(|_| keep_segments(|segment| segment.state != CLOSED)),
        ..CORRECT
    },
    Fault {
        name: "a-segment-stays-until-the-next-one",
        beside: Some(|_| keep_segments(|segment| segment.is_newest)),
        ..CORRECT
    },
    Fault {
        name: "every-second-segment-stays",
        beside: Some(|_| keep_segments(|segment| segment.number % 2 == 1)),
        ..CORRECT
    },
];

/// A segment of this process, as somebody sees it who keeps it open.
struct Seen {
    /// How many there were before it.
    number: usize,
    is_newest: bool,
    /// What its header says of it.
    state: u32,
}

/// Keeps segments that this process makes as long as a rule says so, and looks for ever.
fn keep_segments(stays: fn(&Seen) -> bool) {
    let mut kept: HashMap<u64, (usize, File)> = HashMap::new();
    let (mut known, mut count) = (std::collections::HashSet::new(), 0);
    loop {
        for entry in std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten() {
            let path = entry.path();
            let target = std::fs::read_link(&path).unwrap_or_default();
            if target.to_string_lossy().starts_with("/memfd:")
                && let Ok(file) = File::open(&path)
                && let Some(inode) = file.metadata().ok().map(|metadata| metadata.ino())
                && known.insert(inode)
            {
                kept.insert(inode, (count, file));
                count += 1;
            }
        }
        kept.retain(|_, (number, file)| {
            stays(&Seen { number: *number, is_newest: *number + 1 == count, state: field(file, STATE) })
        });
        thread::sleep(LOOK);
    }
}

/// A number of a segment's header.
fn field(segment: &File, place: u64) -> u32 {
    let mut bytes = [0; 4];
    segment.read_exact_at(&mut bytes, place).map_or(0, |()| u32::from_le_bytes(bytes))
}
