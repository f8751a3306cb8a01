//! Schedules of the agent's side of a segment, which bring out wake-ups that a host loses.
//!
//! A host that falls asleep in the wrong order loses what is published between its look and its sleep, a moment of
//! nanoseconds that chance seldom meets. Here a thread keeps the agent's ends over raw access, learns how long the host takes
//! to fall asleep, and publishes again and again from shortly before that moment until shortly after it. It keeps to the
//! contract throughout. That a wake-up was lost is never judged by the clock: every thread of the host must sleep, for many
//! looks in a row, while what it sleeps for has come and its bell has rung.

mod asleep;
mod closing;
mod rounds;
mod telling;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread;
use std::time::{Duration, Instant};

use iaspec_shm::raw::{Flag, Raw};
use iaspec_shm::{Direction, Side};
use tokio::sync::oneshot;

use crate::vectors::transcript::start::Schedule;

/// How long rounds are played, and how many at most.
const PLAYED_FOR: Duration = Duration::from_millis(1500);
const MOST_ROUNDS: u32 = 40_000;

/// A schedule of fewer rounds shows nothing: so many are waited for, so long.
const FEWEST_ROUNDS: u32 = 100;
const PLAYED_FOR_AT_MOST: Duration = Duration::from_secs(60);

/// How long a host may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a thread looks without a pause before it lets others have the processor.
const BUSY: Duration = Duration::from_micros(30);

/// What a schedule has found out about a host.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) expected: String,
    pub(super) actual: String,
    /// Whether it may only have been too slow.
    pub(super) late: bool,
}

impl Found {
    fn wrong(expected: &str, actual: impl Into<String>) -> Self {
        Self { expected: expected.to_owned(), actual: actual.into(), late: false }
    }

    fn slow(expected: &str, actual: impl Into<String>) -> Self {
        Self { expected: expected.to_owned(), actual: actual.into(), late: true }
    }
}

type Played = Result<(), Found>;

/// A schedule at work on a thread of its own; dropped, it ends soon.
pub(super) struct Playing {
    stop: Arc<AtomicBool>,
    outcome: oneshot::Receiver<Played>,
}

impl Playing {
    /// Begins a schedule with an attached host of which nobody holds the ends.
    ///
    /// # Errors
    ///
    /// No thread can be started.
    pub(super) fn begin(schedule: Schedule, raw: Raw, host: i32) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (tell, outcome) = oneshot::channel();
        let player = Player { raw, host, stop: Arc::clone(&stop), token: 0 };
        thread::Builder::new().name("schedule".to_owned()).spawn(move || {
            // Whoever asked may have gone.
            let _ = tell.send(player.play(schedule));
        })?;
        Ok(Self { stop, outcome })
    }

    /// Waits for what comes of it.
    pub(super) async fn outcome(&mut self) -> Played {
        let lost = || Err(Found::slow("the schedule is played to its end", "its thread ended"));
        (&mut self.outcome).await.unwrap_or_else(|_| lost())
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The agent's side of a segment.
struct Player {
    raw: Raw,
    host: i32,
    stop: Arc<AtomicBool>,
    /// That of the last request.
    token: i32,
}

/// The ring to the host, and the one from it.
const THERE: Direction = Direction::AgentToHost;
const BACK: Direction = Direction::HostToAgent;

impl Player {
    fn play(mut self, schedule: Schedule) -> Played {
        match schedule {
            Schedule::BytesAsItFallsAsleep => self.bytes_as_it_falls_asleep(),
            Schedule::RoomAsItFallsAsleep => self.room_as_it_falls_asleep(),
            Schedule::SeldomRung => self.looked_at_often(),
            Schedule::AsleepForBytes => self.tells((BACK, Side::Producer)),
            Schedule::AsleepForRoom => self.tells((THERE, Side::Consumer)),
            Schedule::BellsOfBytes => self.rings_in_order((BACK, Side::Producer)),
            Schedule::BellsOfRoom => self.rings_in_order((THERE, Side::Consumer)),
            Schedule::AsleepAtTheEnd => self.closes(),
        }
    }

    /// Adds one to a bell of this side, and wakes the host if that waits (contract: publish).
    fn ring(&self, ring: Direction, side: Side) {
        self.raw.ring(ring, side, false);
        fence(Ordering::SeqCst);
        let rings = self.raw.flag(ring, side, Flag::Rings) == 1;
        if rings && self.raw.flag(ring, peer(side), Flag::Waits) != 0 {
            self.raw.wake(ring, side);
        }
    }

    /// Stores bytes after those in the ring to the host; they must fit.
    fn store(&self, bytes: &[u8]) -> u64 {
        let written = self.raw.counter(THERE, Side::Producer);
        self.raw.store(THERE, written, bytes);
        written + bytes.len() as u64
    }

    fn publish(&self, written: u64) {
        self.raw.set_counter(THERE, Side::Producer, written);
        self.ring(THERE, Side::Producer);
    }

    /// Bytes that the host has sent and this side has not read.
    fn unread(&self) -> u64 {
        self.raw.counter(BACK, Side::Producer).wrapping_sub(self.raw.counter(BACK, Side::Consumer))
    }

    /// Reads bytes that are there, without making room.
    fn peek(&self, count: usize) -> Vec<u8> {
        self.raw.fetch(BACK, self.raw.counter(BACK, Side::Consumer), count)
    }

    /// Makes room of what was read.
    fn release(&self, count: u64) {
        let read = self.raw.counter(BACK, Side::Consumer).wrapping_add(count);
        self.raw.set_counter(BACK, Side::Consumer, read);
        self.ring(BACK, Side::Consumer);
    }

    /// An echo of nothing (101) with a token of its own: 12 bytes.
    fn request(&mut self) -> [u8; 12] {
        self.token = self.token.wrapping_add(1);
        let mut frame = [4, 0, 0, 0, 101, 0, 0, 0, 0, 0, 0, 0];
        frame[8..].copy_from_slice(&self.token.to_le_bytes());
        frame
    }

    /// The answer to the last request: length 5, command, token, status 0.
    fn answer(&self) -> [u8; 13] {
        let mut frame = [5, 0, 0, 0, 101, 0, 0, 0, 0, 0, 0, 0, 0];
        frame[8..12].copy_from_slice(&self.token.to_le_bytes());
        frame
    }

    /// Takes the answer, which is there.
    fn take_answer(&self) -> Played {
        let answer = self.answer();
        let bytes = self.peek(answer.len());
        if bytes != answer {
            let expected =
                format!("the answer to request {}: {}", self.token, crate::hex_text::encode(&answer));
            return Err(Found::wrong(&expected, crate::hex_text::encode(&bytes)));
        }
        self.release(answer.len() as u64);
        Ok(())
    }

    /// Waits, busily at first, until something is so; false when that takes too long or nobody wants to know.
    fn until(&self, patience: Duration, ready: impl Fn() -> bool) -> bool {
        let began = Instant::now();
        loop {
            if ready() {
                return true;
            }
            let passed = began.elapsed();
            if passed >= patience || self.stop.load(Ordering::Relaxed) {
                return ready();
            }
            if passed > Duration::from_millis(5) {
                thread::sleep(Duration::from_micros(200));
            } else if passed > BUSY {
                thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
    }

    /// Why an answer did not come.
    fn silent(&self) -> Found {
        let expected = format!("the answer to request {}", self.token);
        let actual = format!("none within {}", crate::terms::TimeSpan(PATIENCE));
        match crate::subject::memory::is_alive(self.host) {
            true => Found::slow(&expected, actual),
            false => Found::wrong(&expected, "the host has ended"),
        }
    }
}

/// The other side of a ring.
fn peer(side: Side) -> Side {
    match side {
        Side::Producer => Side::Consumer,
        Side::Consumer => Side::Producer,
    }
}
