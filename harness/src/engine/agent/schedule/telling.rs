//! Schedules about a host that tells of bytes and room: an agent that sleeps must be woken, and bells ring after counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering, fence};
use std::thread;
use std::time::{Duration, Instant};

use iaspec_shm::raw::{Flag, Raw};
use iaspec_shm::{Direction, Side};

use super::asleep::{is_thread_asleep, sleeps_on};
use super::{FEWEST_ROUNDS, Found, PATIENCE, PLAYED_FOR, PLAYED_FOR_AT_MOST, Played, Player, peer};

/// A half of a ring control that the host writes.
pub(super) type Half = (Direction, Side);

/// How long a witness sleeps that nobody wakes.
const SLEEP: Duration = Duration::from_secs(30);

/// How long what has told may take to be found out, at most, before the host is looked at.
const QUICK: Duration = Duration::from_millis(10);

/// A thread that sleeps on a bell.
pub(super) struct Witness {
    thread: Arc<AtomicI32>,
    woken: Arc<AtomicBool>,
    raw: Raw,
    half: Half,
}

impl Witness {
    /// Goes to sleep on the bell as it is now, and returns once it sleeps; `None` if the bell has rung meanwhile.
    pub(super) fn asleep(raw: &Raw, half: Half) -> Option<Self> {
        let (thread, woken) = (Arc::new(AtomicI32::new(0)), Arc::new(AtomicBool::new(false)));
        let value = raw.bell(half.0, half.1);
        let witness = Self { thread, woken, raw: raw.clone(), half };
        let (thread, woken, raw) = (Arc::clone(&witness.thread), Arc::clone(&witness.woken), raw.clone());
        thread::spawn(move || {
            thread.store(rustix::thread::gettid().as_raw_nonzero().get(), Ordering::SeqCst);
            raw.sleep(half.0, half.1, value, SLEEP);
            woken.store(true, Ordering::SeqCst);
        });
        let began = Instant::now();
        while !witness.sleeps() {
            if witness.is_woken() || began.elapsed() > PATIENCE {
                return None;
            }
            thread::yield_now();
        }
        Some(witness)
    }

    pub(super) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::SeqCst)
    }

    fn sleeps(&self) -> bool {
        let thread = self.thread.load(Ordering::SeqCst);
        thread != 0 && is_thread_asleep(thread) && !self.is_woken()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        while !self.is_woken() {
            self.raw.wake(self.half.0, self.half.1);
            thread::yield_now();
        }
    }
}

impl Player {
    /// Whether the host has handled all and sleeps, or rests.
    fn handled(&self) -> bool {
        let there = super::THERE;
        let read = self.raw.counter(there, Side::Consumer) == self.raw.counter(there, Side::Producer);
        read && self.unread() >= 13
    }

    /// An agent that sleeps, or says that it does before a count has changed, is woken.
    pub(super) fn tells(&mut self, half: Half) -> Played {
        let began = Instant::now();
        let (mut rounds, mut judged) = (0_u32, 0_u32);
        let mut usual = Duration::from_micros(20);
        let wakes = self.raw.flag(half.0, half.1, Flag::Rings) == 1;
        while began.elapsed() < PLAYED_FOR || (judged < FEWEST_ROUNDS && began.elapsed() < PLAYED_FOR_AT_MOST)
        {
            rounds += 1;
            let Some(witness) = Witness::asleep(&self.raw, half) else { continue };
            let before = self.raw.counter(half.0, half.1);
            let request = self.request();
            let written = self.store(&request);
            // In each fourth round it says so from the beginning.
            let share = (f64::from(rounds) * 0.618_033_988_749_895).fract();
            let wait = (!rounds.is_multiple_of(4)).then(|| usual.mul_f64(1.2 * share));
            let say = |waits| self.raw.set_flag(half.0, peer(half.1), Flag::Waits, waits);
            say(u32::from(wait.is_none()));
            fence(Ordering::SeqCst);
            let published = Instant::now();
            self.publish(written);
            if let Some(wait) = wait {
                while published.elapsed() < wait {
                    std::hint::spin_loop();
                }
                say(1);
                fence(Ordering::SeqCst);
            }
            // Whoever sees no change now may fall asleep.
            let is_owed = wait.is_none() || self.raw.counter(half.0, half.1) == before;
            if !self.until(PATIENCE, || self.handled()) {
                return Err(self.silent());
            }
            usual = (usual * 7 + published.elapsed().min(usual * 4)) / 8;
            if is_owed && wakes {
                judged += 1;
                self.woken(&witness, half, wait)?;
            }
            say(0);
            drop(witness);
            self.take_answer()?;
            if !wakes && rounds >= FEWEST_ROUNDS {
                return Ok(());
            }
        }
        if judged >= FEWEST_ROUNDS {
            return Ok(());
        }
        Err(Found::slow(
            &format!("{FEWEST_ROUNDS} rounds that show something"),
            format!("{judged} of {rounds}"),
        ))
    }

    /// Looks whether a witness was woken, once the host has nothing more to do.
    fn woken(&self, witness: &Witness, half: Half, wait: Option<Duration>) -> Played {
        if self.until(QUICK, || witness.is_woken()) || !sleeps_on(self.host, || !witness.is_woken()) {
            // One that is still about to wake it has the time to do so.
            self.until(PATIENCE, || witness.is_woken() || sleeps_on(self.host, || !witness.is_woken()));
        }
        if witness.is_woken() {
            return Ok(());
        }
        let what = match half.1 {
            Side::Producer => "bytes that it published",
            Side::Consumer => "room that it made",
        };
        let when = if wait.is_none() { "slept" } else { "had said that it waits, before the count changed" };
        let expected = format!("an agent that sleeps is woken for {what}");
        Err(Found::wrong(&expected, format!("the agent {when}, the host told of {what}, and woke nobody")))
    }

    /// Each change of a count is followed by a ring of its bell, and none rings before.
    pub(super) fn rings_in_order(&mut self, half: Half) -> Played {
        let began = Instant::now();
        let mut rounds = 0_u32;
        while began.elapsed() < PLAYED_FOR || (rounds < FEWEST_ROUNDS && began.elapsed() < PLAYED_FOR_AT_MOST)
        {
            rounds += 1;
            let witness = if rounds.is_multiple_of(2) { Witness::asleep(&self.raw, half) } else { None };
            self.raw.set_flag(half.0, peer(half.1), Flag::Waits, u32::from(witness.is_some()));
            let (bell, before) = (self.raw.bell(half.0, half.1), self.raw.counter(half.0, half.1));
            let request = self.request();
            let written = self.store(&request);
            self.publish(written);
            self.ring_follows(half, bell, before)?;
            self.raw.set_flag(half.0, peer(half.1), Flag::Waits, 0);
            if !self.until(PATIENCE, || self.handled()) {
                return Err(self.silent());
            }
            if !self.until(QUICK, || self.raw.bell(half.0, half.1) != bell)
                && sleeps_on(self.host, || self.raw.bell(half.0, half.1) == bell)
            {
                let expected = "the bell grows by one each time that its count changes";
                let after = self.raw.counter(half.0, half.1);
                return Err(Found::wrong(
                    expected,
                    format!("the count went from {before} to {after}, the bell stayed at {bell}"),
                ));
            }
            self.take_answer()?;
        }
        if rounds >= FEWEST_ROUNDS {
            return Ok(());
        }
        Err(Found::slow(&format!("{FEWEST_ROUNDS} rounds"), rounds.to_string()))
    }

    /// Watches bell and count until one changes: the count must be the first.
    fn ring_follows(&self, half: Half, bell: u32, before: u64) -> Played {
        let early = AtomicBool::new(false);
        self.until(PATIENCE, || {
            let rang = self.raw.bell(half.0, half.1) != bell;
            let changed = self.raw.counter(half.0, half.1) != before;
            early.fetch_or(rang && !changed, Ordering::Relaxed);
            rang || changed
        });
        if early.into_inner() {
            let expected = "the count is stored first, then its bell rings";
            return Err(Found::wrong(expected, format!("the bell rang while the count was still {before}")));
        }
        Ok(())
    }
}
