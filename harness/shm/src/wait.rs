//! How long and in which way an end waits, and how another thread ends that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::layout::Side;
use crate::memory::RingMemory;
use crate::ring::Half;

/// How long a wait may take, and for how much of it the processor may be kept busy.
///
/// A wait first looks again and again, for at most its spin; then it sleeps until the peer rings. A peer that does not
/// ring is looked at every 1.5 ms.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    deadline: Option<Instant>,
    spin: Duration,
}

impl Wait {
    /// The spin of a wait that was not told another: longer than a quick answer takes, shorter than it takes to fall
    /// asleep and wake up.
    pub const DEFAULT_SPIN: Duration = Duration::from_micros(20);

    /// Until something happens.
    #[must_use]
    pub const fn forever() -> Self {
        Self { deadline: None, spin: Self::DEFAULT_SPIN }
    }

    /// Until that moment at most.
    #[must_use]
    pub const fn until(deadline: Instant) -> Self {
        Self { deadline: Some(deadline), ..Self::forever() }
    }

    /// For that long at most, from now on; without end if that is beyond what clocks can tell.
    #[must_use]
    pub fn at_most(time: Duration) -> Self {
        Self { deadline: Instant::now().checked_add(time), ..Self::forever() }
    }

    /// The same with another spin; zero goes to sleep at once.
    #[must_use]
    pub const fn spin(self, spin: Duration) -> Self {
        Self { spin, ..self }
    }

    pub(crate) fn remaining(&self, now: Instant) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(now))
    }

    /// Looks until `ready` or the spin is over, less and less often: each look takes the cache line from a peer that may
    /// be about to write to it, and who looks too soon finds one short message at a time.
    pub(crate) fn spin_until(&self, ready: impl Fn() -> bool) -> bool {
        /// Pauses between looks, at most.
        const LONGEST: u32 = 8;
        if self.spin.is_zero() {
            return false;
        }
        let began = Instant::now();
        let spin = self.remaining(began).map_or(self.spin, |remaining| remaining.min(self.spin));
        let mut pauses = 1;
        loop {
            for _ in 0..pauses {
                std::hint::spin_loop();
            }
            if ready() {
                return true;
            }
            // The clock takes longer to read than a ring to look at.
            if pauses < LONGEST {
                pauses *= 2;
            } else if began.elapsed() >= spin {
                return false;
            }
        }
    }
}

/// What an end and its interrupters share within the process.
#[derive(Debug, Default)]
pub(crate) struct Interruption {
    requested: AtomicBool,
    asleep: AtomicBool,
}

impl Interruption {
    pub(crate) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    /// Whether there was a request, which is thereby met.
    pub(crate) fn take(&self) -> bool {
        self.requested.load(Ordering::Relaxed) && self.requested.swap(false, Ordering::SeqCst)
    }

    /// Runs what may fall asleep; it must look at [`is_requested`](Self::is_requested) before it does.
    pub(crate) fn while_asleep(&self, sleep: impl FnOnce()) {
        self.asleep.store(true, Ordering::SeqCst);
        sleep();
        self.asleep.store(false, Ordering::SeqCst);
    }
}

/// Ends the waits of one [`Sender`](crate::Sender) or [`Receiver`](crate::Receiver) from another thread.
#[derive(Clone)]
pub struct Interrupter {
    pub(crate) interruption: Arc<Interruption>,
    pub(crate) memory: RingMemory,
    /// The side whose waits are ended.
    pub(crate) side: Side,
}

impl Interrupter {
    /// Ends the blocking call under way, or else the next one, with [`Error::Interrupted`](crate::Error::Interrupted).
    /// Several before that end but one.
    pub fn interrupt(&self) {
        /// How long a sleeper is given to wake up before it is woken again, in case it was just about to fall asleep.
        const PATIENCE: Duration = Duration::from_micros(50);
        self.interruption.requested.store(true, Ordering::SeqCst);
        while self.interruption.asleep.load(Ordering::SeqCst) && self.interruption.is_requested() {
            other_half(&self.memory, self.side).bell.wake();
            std::thread::sleep(PATIENCE);
        }
    }
}

impl std::fmt::Debug for Interrupter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Interrupter").field("side", &self.side).finish_non_exhaustive()
    }
}

pub(crate) fn own_half(memory: &RingMemory, side: Side) -> &Half {
    match side {
        Side::Producer => memory.producer(),
        Side::Consumer => memory.consumer(),
    }
}

pub(crate) fn other_half(memory: &RingMemory, side: Side) -> &Half {
    match side {
        Side::Producer => memory.consumer(),
        Side::Consumer => memory.producer(),
    }
}
