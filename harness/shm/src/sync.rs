//! What the ring stands on: atomics, the full fence, and bells that can be slept on.
//!
//! The model checker compiles the ring over its own versions of the same names.

use std::time::Duration;

pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use crate::platform;

/// A counter in shared memory that grows with each event, and that the other side may sleep on.
#[repr(transparent)]
pub(crate) struct Bell(AtomicU32);

impl Bell {
    /// How often it has rung, modulo 2^32.
    pub(crate) fn value(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// Adds one ring, without waking anybody.
    pub(crate) fn advance(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    /// Wakes whoever sleeps on it, in any process, and tells how many that were.
    pub(crate) fn wake(&self) -> usize {
        platform::futex_wake(&self.0)
    }

    /// Sleeps until woken or `timeout` is over; not at all if it has rung since it read `value`. May end early.
    pub(crate) fn sleep(&self, value: u32, timeout: Duration) {
        platform::futex_wait(&self.0, value, timeout);
    }
}
