//! The schedule about a host that finishes: an agent that sleeps on either bell is woken for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread;
use std::time::Duration;

use iaspec_shm::raw::{Flag, HeaderField, Raw};
use iaspec_shm::{Side, State};

use super::telling::Half;
use super::{BACK, Found, Played, Player, THERE, peer};
use crate::subject::memory;

/// How long one sleep of a waiter may last: longer than a host has for its end.
const SLEEP: Duration = Duration::from_secs(30);

/// How long a host has to finish, and its agent to notice that it has.
const FINISHES_WITHIN: Duration = Duration::from_secs(5);

impl Player {
    /// Asks the host to finish while a thread sleeps on each of its bells, as an agent does that has nothing else to do.
    pub(super) fn closes(&self) -> Played {
        let halves: [Half; 2] = [(BACK, Side::Producer), (THERE, Side::Consumer)];
        let over = Arc::new(AtomicBool::new(false));
        let waiters = halves.map(|half| Waiter::start(self.raw.clone(), half, Arc::clone(&over)));
        thread::sleep(Duration::from_millis(50));
        self.raw.set_header(HeaderField::State, State::Closing as u32);
        self.ring(THERE, Side::Producer);
        self.ring(BACK, Side::Consumer);
        let ended = self.until(FINISHES_WITHIN, || !memory::is_alive(self.host));
        let noticed = self.until(FINISHES_WITHIN, || {
            !ended || waiters.iter().all(|waiter| waiter.has_noticed.load(Ordering::SeqCst))
        });
        // Who still sleeps was not woken: nobody is left who could.
        let asleep: Vec<&str> = waiters
            .iter()
            .filter(|waiter| !waiter.has_noticed.load(Ordering::SeqCst))
            .map(|waiter| waiter.name())
            .collect();
        over.store(true, Ordering::SeqCst);
        for half in halves {
            self.raw.wake(half.0, half.1);
        }
        let expected = "the end of the host rings both of its bells, and wakes who sleeps on them";
        if !ended {
            return Err(Found::slow("the host finishes", "it runs on"));
        }
        if noticed {
            Ok(())
        } else {
            Err(Found::wrong(expected, format!("nobody was woken who slept on {}", asleep.join(" and on "))))
        }
    }
}

/// A thread that waits by the contract for the end of what the host does in one ring.
struct Waiter {
    half: Half,
    has_noticed: Arc<AtomicBool>,
}

impl Waiter {
    fn start(raw: Raw, half: Half, over: Arc<AtomicBool>) -> Self {
        let has_noticed = Arc::new(AtomicBool::new(false));
        let noticed = Arc::clone(&has_noticed);
        let (ring, side) = half;
        thread::spawn(move || {
            let is_closed = || raw.flag(ring, side, Flag::Closed) != 0 && raw.state() >= State::Closed as u32;
            while !over.load(Ordering::SeqCst) {
                let bell = raw.bell(ring, side);
                raw.set_flag(ring, peer(side), Flag::Waits, 1);
                fence(Ordering::SeqCst);
                if is_closed() {
                    noticed.store(true, Ordering::SeqCst);
                    return;
                }
                raw.sleep(ring, side, bell, SLEEP);
                raw.set_flag(ring, peer(side), Flag::Waits, 0);
            }
        });
        Self { half, has_noticed }
    }

    fn name(&self) -> &'static str {
        match self.half.1 {
            Side::Producer => "the bell of what it writes",
            Side::Consumer => "the bell of what it reads",
        }
    }
}
