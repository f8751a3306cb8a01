//! A probe that looks whether its agent loses wake-ups: it publishes messages exactly while the agent falls asleep, and looks
//! at the agent's threads. None of this is judged by the clock.

use std::thread;
use std::time::{Duration, Instant};

use iaspec_shm::raw::{Flag, Raw};
use iaspec_shm::{Direction, Side};

use super::ends::{Broken, Rings};
use crate::host::Start;

/// How many messages are published; the case that asks for it counts them.
const MESSAGES: u32 = 3000;

/// A message that nobody asked for: no data, command 200.
const MESSAGE: [u8; 8] = [0, 0, 0, 0, 200, 0, 0, 0];

/// How long an agent may take before its threads are looked at.
const QUICK: Duration = Duration::from_millis(10);

/// How long it may take at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// So many looks in a row must find it asleep, with such a pause between two.
const LOOKS: u32 = 12;
const PAUSE: Duration = Duration::from_millis(2);

/// Whether a segment is as an agent creates one: nothing is counted, closed or waited for, and only its side rings.
pub(super) fn is_fresh(start: &Start) -> bool {
    let Ok(raw) = Raw::open(&start.shared_memory) else { return false };
    let rings = [Direction::AgentToHost, Direction::HostToAgent];
    let sides = [Side::Producer, Side::Consumer];
    let halves = rings.into_iter().flat_map(|ring| sides.map(|side| (ring, side)));
    halves.into_iter().all(|(ring, side)| {
        let is_agents = (ring == Direction::AgentToHost) == (side == Side::Producer);
        let rings = raw.flag(ring, side, Flag::Rings);
        raw.counter(ring, side) == 0
            && raw.flag(ring, side, Flag::Closed) == 0
            && raw.flag(ring, side, Flag::Waits) == 0
            && (rings == 0 || (is_agents && rings == 1))
    })
}

/// Publishes all messages; true if the agent slept on while one was there for it.
pub(super) fn publish(rings: &mut Rings, agent: u32) -> Result<bool, Broken> {
    let mut usual = Duration::from_micros(30);
    let mut is_lost = false;
    for round in 0..MESSAGES {
        let read = Instant::now();
        let share = (f64::from(round) * 0.618_033_988_749_895).fract();
        let wait = usual.mul_f64(0.5 + share);
        if round % 3 == 0 {
            until(Duration::from_millis(2), || rings.is_agent_waiting());
            if rings.is_agent_waiting() {
                usual = (usual * 7 + read.elapsed().min(usual * 3)) / 8;
            }
        } else {
            while read.elapsed() < wait {
                std::hint::spin_loop();
            }
        }
        while rings.put(&MESSAGE)? < MESSAGE.len() {
            thread::yield_now();
        }
        if !until(QUICK, || rings.is_all_read()) {
            is_lost |= sleeps_on(agent, || !rings.is_all_read());
            until(PATIENCE, || rings.is_all_read());
        }
    }
    Ok(is_lost)
}

/// The answer (command 900, token 7): status 0, or an exception.
pub(super) fn verdict(is_lost: bool) -> Vec<u8> {
    let data = match is_lost {
        false => [&7_i32.to_le_bytes()[..], &[0]].concat(),
        true => {
            let (kind, what) = ("LostWakeUp", "the agent slept on while a message was there");
            let text = |text: &str| [&[u8::try_from(text.len()).unwrap_or(0)], text.as_bytes()].concat();
            [&7_i32.to_le_bytes()[..], &[1], &text(kind), &text(what)].concat()
        }
    };
    let length = i32::try_from(data.len()).unwrap_or(0);
    [&length.to_le_bytes()[..], &900_i32.to_le_bytes(), &data].concat()
}

fn until(patience: Duration, ready: impl Fn() -> bool) -> bool {
    let began = Instant::now();
    while !ready() {
        let passed = began.elapsed();
        if passed >= patience {
            return false;
        }
        if passed > Duration::from_millis(5) {
            thread::sleep(Duration::from_micros(200));
        } else if passed > Duration::from_micros(30) {
            thread::yield_now();
        } else {
            std::hint::spin_loop();
        }
    }
    true
}

/// Whether every thread of a process sleeps, look after look, while something stays as it is.
fn sleeps_on(pid: u32, still: impl Fn() -> bool) -> bool {
    (0..LOOKS).all(|_| {
        thread::sleep(PAUSE);
        still() && is_asleep(pid)
    })
}

fn is_asleep(pid: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.flatten().all(|thread| {
        let text = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        text.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('S'))
    })
}
