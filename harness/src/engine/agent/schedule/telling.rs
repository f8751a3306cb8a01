//! Schedules about a host that announces bytes and room: an agent that sleeps must be woken, and bells ring after counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::sync::mpsc;
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

/// How long a witness may take to notice that it was woken, before the host is looked at.
const QUICK: Duration = Duration::from_millis(10);

/// A thread that sleeps on a bell when it is asked to.
struct Witness {
    thread: i32,
    tell: mpsc::Sender<u32>,
    state: Arc<AtomicU32>,
    raw: Raw,
    half: Half,
}

/// The states of a witness.
const ABOUT_TO_SLEEP: u32 = 1;
const WOKEN: u32 = 2;

impl Witness {
    /// Starts the thread.
    fn start(raw: &Raw, half: Half) -> Result<Self, Found> {
        let (tell, told) = mpsc::channel::<u32>();
        let (name, named) = mpsc::channel();
        let state = Arc::new(AtomicU32::new(WOKEN));
        let (shared, memory) = (Arc::clone(&state), raw.clone());
        thread::spawn(move || {
            let _ = name.send(rustix::thread::gettid().as_raw_nonzero().get());
            while let Ok(value) = told.recv() {
                shared.store(ABOUT_TO_SLEEP, Ordering::SeqCst);
                memory.sleep(half.0, half.1, value, SLEEP);
                shared.store(WOKEN, Ordering::SeqCst);
            }
        });
        let thread = named.recv().map_err(|_| Found::slow("a thread that sleeps", "it ended"))?;
        Ok(Self { thread, tell, state, raw: raw.clone(), half })
    }

    /// Has it sleep on the bell as it is now, and returns once it does; false if the bell has rung meanwhile.
    fn falls_asleep(&self) -> bool {
        self.state.store(0, Ordering::SeqCst);
        if self.tell.send(self.raw.bell(self.half.0, self.half.1)).is_err() {
            return false;
        }
        let began = Instant::now();
        loop {
            match self.state.load(Ordering::SeqCst) {
                WOKEN => return false,
                ABOUT_TO_SLEEP if is_thread_asleep(self.thread) => return !self.is_woken(),
                _ if began.elapsed() > PATIENCE => return false,
                _ => thread::yield_now(),
            }
        }
    }

    fn is_woken(&self) -> bool {
        self.state.load(Ordering::SeqCst) == WOKEN
    }

    /// Wakes it, if it still sleeps.
    fn wake(&self) {
        while !self.is_woken() {
            self.raw.wake(self.half.0, self.half.1);
            thread::yield_now();
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.wake();
    }
}

/// What the host does before it announces a change; the agent says that it waits some time after it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Cue {
    /// The agent waits from the beginning.
    Before,
    /// The request is published.
    Published,
    /// The host says that it sleeps no more.
    Awake,
    /// The host has made room.
    Read,
}

/// How long after each cue the host announces the change, as far as it is known, and in how many rounds the cue was seen.
struct Leads([Duration; 4], u32);

/// So many cues must be seen, unless that takes too long: on a busy machine most come while the harness does not look.
const CUES: u32 = 1500;
const SEEN_WITHIN: Duration = Duration::from_secs(10);

impl Leads {
    /// When to act in a round: a cue, and a time after it that is spread evenly around the usual one.
    fn next(&self, round: u32) -> (Cue, Duration) {
        let cue = [Cue::Before, Cue::Published, Cue::Awake, Cue::Read][round as usize % 4];
        let share = (f64::from(round) * 0.618_033_988_749_895).fract();
        (cue, self.0[cue as usize].mul_f64(1.25 * share))
    }

    /// The host announced the change so long after that cue. A host that took longer than usual was often kept from the processor, so that
    /// counts for less.
    fn learn(&mut self, cue: Cue, lead: Duration) {
        let known = &mut self.0[cue as usize];
        *known = if lead < *known { (*known * 3 + lead) / 4 } else { *known + *known / 16 };
        *known = (*known).max(Duration::from_nanos(200));
    }
}

/// Looks without a pause until something is so, for a while: what comes between two looks would be missed.
fn watch(ready: impl Fn() -> bool) {
    /// Longer than it takes to wake a host that has a processor to itself.
    const AWAKE: Duration = Duration::from_micros(300);
    let began = Instant::now();
    while !ready() && began.elapsed() < AWAKE {
        std::hint::spin_loop();
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
        let mut leads = Leads([Duration::from_micros(20); 4], 0);
        let witness = Witness::start(&self.raw, half)?;
        if self.raw.flag(half.0, half.1, Flag::Rings) != 1 {
            // It is looked at, and wakes nobody.
            return Ok(());
        }
        let goes_on = |judged: u32, cues: u32| {
            let time = began.elapsed();
            time < PLAYED_FOR
                || (cues < CUES && time < SEEN_WITHIN)
                || (judged < FEWEST_ROUNDS && time < PLAYED_FOR_AT_MOST)
        };
        while goes_on(judged, leads.1) && !self.stop.load(Ordering::Relaxed) {
            rounds += 1;
            if !witness.falls_asleep() {
                continue;
            }
            let (cue, wait) = leads.next(rounds);
            let is_owed = self.round(half, cue, wait, &mut leads)?;
            if is_owed {
                judged += 1;
                self.woken(&witness, half, cue)?;
            }
            self.raw.set_flag(half.0, peer(half.1), Flag::Waits, 0);
            witness.wake();
            self.take_answer()?;
        }
        if judged >= FEWEST_ROUNDS {
            return Ok(());
        }
        Err(Found::slow(
            &format!("{FEWEST_ROUNDS} rounds that show something"),
            format!("{judged} of {rounds}"),
        ))
    }

    /// Asks, and says some time after a cue that the agent waits; true if the agent has to be woken.
    fn round(&mut self, half: Half, cue: Cue, wait: Duration, leads: &mut Leads) -> Result<bool, Found> {
        let before = self.raw.counter(half.0, half.1);
        let request = self.request();
        let changed = || self.raw.counter(half.0, half.1) != before;
        let written = self.store(&request);
        let asleep = (super::THERE, Side::Consumer);
        let read = self.raw.counter(asleep.0, asleep.1);
        let say = |waits| {
            self.raw.set_flag(half.0, peer(half.1), Flag::Waits, waits);
            fence(Ordering::SeqCst);
        };
        say(u32::from(cue == Cue::Before));
        self.publish(written);
        if cue != Cue::Before {
            let cued = || match cue {
                Cue::Awake => self.raw.flag(asleep.0, asleep.1, Flag::Waits) == 0,
                Cue::Read => self.raw.counter(asleep.0, asleep.1) != read,
                Cue::Before | Cue::Published => true,
            };
            watch(|| cued() || changed());
            let is_cued = cued() && !changed();
            let cue_came = Instant::now();
            while cue_came.elapsed() < wait && !changed() {
                std::hint::spin_loop();
            }
            say(1);
            let is_owed = !changed();
            watch(changed);
            if is_cued && changed() {
                leads.1 += 1;
                leads.learn(cue, cue_came.elapsed());
            }
            self.until(PATIENCE, || self.handled());
            return if self.handled() { Ok(is_owed) } else { Err(self.silent()) };
        }
        if self.until(PATIENCE, || self.handled()) { Ok(true) } else { Err(self.silent()) }
    }

    /// Looks whether a witness was woken, once the host has nothing more to do.
    fn woken(&self, witness: &Witness, half: Half, cue: Cue) -> Played {
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
        let when =
            if cue == Cue::Before { "slept" } else { "had said that it waits, before the count changed" };
        let expected = format!("an agent that sleeps is woken for {what}");
        Err(Found::wrong(&expected, format!("the agent {when}, the host announced {what}, and woke nobody")))
    }

    /// Each change of a count is followed by a ring of its bell, and none rings before.
    pub(super) fn rings_in_order(&mut self, half: Half) -> Played {
        let began = Instant::now();
        let mut rounds = 0_u32;
        let witness = Witness::start(&self.raw, half)?;
        let goes_on = |rounds: u32| {
            let time = began.elapsed();
            time < PLAYED_FOR
                || (rounds < CUES && time < SEEN_WITHIN)
                || (rounds < FEWEST_ROUNDS && time < PLAYED_FOR_AT_MOST)
        };
        while goes_on(rounds) && !self.stop.load(Ordering::Relaxed) {
            rounds += 1;
            // A host that wakes somebody takes longer between what it does first and what it does last.
            let sleeps = rounds.is_multiple_of(2) && witness.falls_asleep();
            self.raw.set_flag(half.0, peer(half.1), Flag::Waits, u32::from(sleeps));
            let (bell, before) = (self.raw.bell(half.0, half.1), self.raw.counter(half.0, half.1));
            let request = self.request();
            let written = self.store(&request);
            self.publish(written);
            self.ring_follows(half, bell, before)?;
            self.raw.set_flag(half.0, peer(half.1), Flag::Waits, 0);
            witness.wake();
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
        watch(|| {
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
