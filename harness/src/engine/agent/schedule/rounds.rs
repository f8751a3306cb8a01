//! Schedules about a host that falls asleep: something comes exactly while it does.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use iaspec_shm::Side;
use iaspec_shm::raw::Flag;

use super::asleep::sleeps_on;
use super::{
    BACK, FEWEST_ROUNDS, Found, MOST_ROUNDS, PATIENCE, PLAYED_FOR, PLAYED_FOR_AT_MOST, Played, Player, THERE,
};
use crate::terms::TimeSpan;

/// How long a host may take for an answer before it is looked at whether it sleeps.
const QUICK: Duration = Duration::from_millis(10);

/// How many times the way to sleep is measured.
const MEASURED: u32 = 40;

/// A host whose flag is not seen within this falls asleep in some other way.
const AWAKE: Duration = Duration::from_millis(5);

/// What a burst of the room's schedule has: messages of 17 bytes.
const BURST: i32 = 400;
const BURST_MESSAGE: u64 = 17;

/// How many looks at an agent that never rings are measured, and how long three quarters of them may take at most: the
/// contract says 2 ms, a busy machine some more.
const LOOKS: usize = 80;
const LOOK_WITHIN: Duration = Duration::from_millis(8);

/// When to act in each round, as a time after the moment at which the host has done its work.
struct Sweep {
    /// How long it takes to fall asleep.
    usual: Duration,
    rounds: u32,
    began: Instant,
}

impl Sweep {
    fn new(usual: Duration) -> Self {
        Self { usual, rounds: 0, began: Instant::now() }
    }

    /// The next moment: from half of the usual time to half as much more, evenly spread by steps of the golden ratio.
    fn next(&mut self) -> Duration {
        self.rounds += 1;
        let share = (f64::from(self.rounds) * 0.618_033_988_749_895).fract();
        self.usual.mul_f64(0.5 + share)
    }

    /// Whether that was enough.
    fn is_over(&self) -> bool {
        let time = self.began.elapsed();
        let enough = self.rounds >= MOST_ROUNDS || time >= PLAYED_FOR;
        enough && (self.rounds >= FEWEST_ROUNDS || time >= PLAYED_FOR_AT_MOST)
    }

    /// What a schedule that is over has shown.
    fn shown(&self) -> Played {
        if self.rounds >= FEWEST_ROUNDS {
            return Ok(());
        }
        let expected = format!("{FEWEST_ROUNDS} rounds within {}", TimeSpan(PLAYED_FOR_AT_MOST));
        Err(Found::slow(&expected, format!("{}", self.rounds)))
    }
}

/// Lets time pass without a sleep.
fn pass(time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        std::hint::spin_loop();
    }
}

impl Player {
    /// Asks, and takes the answer; the host has done so when this returns.
    fn exchange(&mut self) -> Played {
        let written = {
            let request = self.request();
            self.store(&request)
        };
        self.publish(written);
        self.hear()
    }

    /// Waits for the answer to what is published, and takes it.
    fn hear(&self) -> Played {
        let there = || self.unread() >= 13;
        if !self.until(QUICK, there) && sleeps_on(self.host, || !there()) {
            let expected = "a host that is woken, or does not fall asleep, once bytes are published and the bell has rung";
            let actual =
                format!("request {} was published as the host fell asleep, and it sleeps", self.token);
            return Err(Found::wrong(expected, actual));
        }
        if !self.until(PATIENCE, there) {
            return Err(self.silent());
        }
        self.take_answer()
    }

    /// How long a host takes from the end of its work until its flag says that it waits.
    fn way_to_sleep(
        &mut self,
        flag: (iaspec_shm::Direction, Side),
        work: fn(&mut Self) -> Played,
    ) -> Result<Duration, Found> {
        let mut times = Vec::new();
        for _ in 0..MEASURED {
            work(self)?;
            let done = Instant::now();
            if self.until(AWAKE, || self.raw.flag(flag.0, flag.1, Flag::Waits) != 0) {
                times.push(done.elapsed());
            }
        }
        times.sort_unstable();
        let usual = times.get(times.len() / 2).copied().unwrap_or(Duration::from_micros(100));
        Ok(usual.max(Duration::from_micros(2)))
    }

    /// Publishes a request while the host, which waits for bytes, falls asleep.
    pub(super) fn bytes_as_it_falls_asleep(&mut self) -> Played {
        let usual = self.way_to_sleep((THERE, Side::Consumer), Self::exchange)?;
        let mut sweep = Sweep::new(usual);
        while !sweep.is_over() && !self.stop.load(Ordering::Relaxed) {
            let request = self.request();
            let written = self.store(&request);
            let wait = sweep.next();
            if sweep.rounds.is_multiple_of(3) {
                // As soon as it says that it waits.
                self.until(AWAKE, || self.raw.flag(THERE, Side::Consumer, Flag::Waits) != 0);
                pass(Duration::from_nanos(u64::from(sweep.rounds % 64) * 20));
            } else {
                pass(wait);
            }
            self.publish(written);
            self.hear()?;
        }
        sweep.shown()
    }

    /// Makes room while the host, which has more to say than fits, falls asleep.
    pub(super) fn room_as_it_falls_asleep(&mut self) -> Played {
        let mut sweep = Sweep::new(Duration::from_micros(20));
        let mut usual = Vec::new();
        while !sweep.is_over() && !self.stop.load(Ordering::Relaxed) {
            self.ask_for_burst();
            self.drain_burst(&mut sweep, &mut usual)?;
        }
        sweep.shown()
    }

    /// Burst (103) of messages without a value: token, count, size.
    fn ask_for_burst(&mut self) {
        self.token = self.token.wrapping_add(1);
        let mut frame = vec![12, 0, 0, 0, 103, 0, 0, 0];
        for number in [self.token, BURST, 0] {
            frame.extend(number.to_le_bytes());
        }
        let written = self.store(&frame);
        self.publish(written);
    }

    /// Reads a burst; whenever the ring is full, room is made at a moment of the sweep.
    fn drain_burst(&mut self, sweep: &mut Sweep, usual: &mut Vec<Duration>) -> Played {
        let capacity = u64::from(self.raw.capacity());
        let mut left = BURST_MESSAGE * u64::from(BURST.unsigned_abs());
        while left > 0 {
            let wanted = left.min(capacity);
            self.filled(wanted)?;
            let filled = Instant::now();
            self.check_burst(left, wanted)?;
            if left > wanted {
                let waits = || self.raw.flag(BACK, Side::Producer, Flag::Waits) != 0;
                if usual.len() < 40 {
                    if self.until(AWAKE, waits) {
                        usual.push(filled.elapsed());
                        let mut sorted = usual.clone();
                        sorted.sort_unstable();
                        sweep.usual = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
                    }
                } else if sweep.rounds.is_multiple_of(3) {
                    self.until(AWAKE, waits);
                }
                let wait = sweep.next();
                pass(wait.saturating_sub(filled.elapsed()));
            }
            self.release(wanted);
            left -= wanted;
        }
        Ok(())
    }

    /// Waits until so many bytes are there.
    fn filled(&self, wanted: u64) -> Played {
        let there = || self.unread() >= wanted;
        if !self.until(QUICK, there) && sleeps_on(self.host, || !there()) {
            let expected =
                "a host that is woken, or does not fall asleep, once there is room and the bell has rung";
            let actual = format!(
                "room was made as the host fell asleep, and it sleeps with {} of {wanted} bytes in the ring",
                self.unread()
            );
            return Err(Found::wrong(expected, actual));
        }
        if self.until(PATIENCE, there) { Ok(()) } else { Err(self.silent()) }
    }

    /// Looks whether the next bytes are those of the burst.
    fn check_burst(&self, left: u64, wanted: u64) -> Played {
        let all = BURST_MESSAGE * u64::from(BURST.unsigned_abs());
        let begin = all - left;
        let bytes = self.peek(usize::try_from(wanted).unwrap_or_default());
        let differs = bytes.iter().zip(begin..).find(|(byte, at)| **byte != self.byte_of_burst(*at));
        match differs {
            None => Ok(()),
            Some((byte, at)) => Err(Found::wrong(
                &format!("byte {at} of the burst: {:02x}", self.byte_of_burst(at)),
                format!("{byte:02x}"),
            )),
        }
    }

    /// Length 9, command 103, token, status 0, sequence number.
    fn byte_of_burst(&self, at: u64) -> u8 {
        let sequence = i32::try_from(at / BURST_MESSAGE).unwrap_or_default();
        let mut frame = [9, 0, 0, 0, 103, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        frame[8..12].copy_from_slice(&self.token.to_le_bytes());
        frame[13..].copy_from_slice(&sequence.to_le_bytes());
        usize::try_from(at % BURST_MESSAGE).ok().and_then(|at| frame.get(at).copied()).unwrap_or_default()
    }

    /// An agent that never rings is looked at every 2 ms.
    pub(super) fn looked_at_often(&mut self) -> Played {
        let mut times = Vec::new();
        for round in 0..LOOKS {
            // It has looked last at another moment of its pause each time.
            std::thread::sleep(Duration::from_micros(500 + 100 * (round as u64 % 10)));
            let request = self.request();
            let written = self.store(&request);
            let published = Instant::now();
            self.publish(written);
            if !self.until(PATIENCE, || self.unread() >= 13) {
                return Err(self.silent());
            }
            times.push(published.elapsed());
            self.take_answer()?;
        }
        times.sort_unstable();
        let quarter = times.get(LOOKS / 4).copied().unwrap_or_default();
        if quarter <= LOOK_WITHIN {
            return Ok(());
        }
        let expected = format!(
            "a look every 2 ms, so that a quarter of {LOOKS} requests is answered within {}",
            TimeSpan(LOOK_WITHIN)
        );
        let micros = quarter.as_micros();
        Err(Found::slow(
            &expected,
            format!("three quarters took {}.{:03} ms and more", micros / 1000, micros % 1000),
        ))
    }
}
