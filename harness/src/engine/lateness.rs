//! How late the harness itself was, and how much the machine held subjects up: what came too late then may only have been
//! looked at, or done, too late.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::subject::strain;
use crate::terms::TimeSpan;

/// How often the lateness of the harness is measured.
const TICK: Duration = Duration::from_millis(20);

/// How often subjects are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Lateness below this is usual.
const USUAL: Duration = Duration::from_millis(100);

/// A subject that was held up for less of a look is not held up to speak of.
const USUAL_OF_A_LOOK: Duration = Duration::from_millis(40);

/// How many late moments are remembered.
const REMEMBERED: usize = 4096;

/// A machine that takes more than this part of the time from harness or subject lets nothing be said about timing.
const TOO_MUCH: f64 = 0.15;

/// Less than this is never too much: no case waits for so little.
const LEAST: Duration = Duration::from_millis(400);

/// Measures as long as it lives.
#[derive(Debug)]
pub(super) struct Lateness {
    moments: Arc<Mutex<Moments>>,
    ticker: JoinHandle<()>,
    ended: Arc<AtomicBool>,
}

/// What was measured.
#[derive(Debug)]
struct Moments {
    /// When the harness is to measure next: whatever is overdue of that is lateness, too.
    due: Instant,
    late: VecDeque<(Instant, Strain)>,
}

/// How much a machine held up harness and subjects in some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Strain {
    /// How late the harness was, in all.
    pub(super) harness: Duration,
    /// For how long the most hindered subject could not run.
    pub(super) subject: Duration,
}

impl Strain {
    fn plus(self, other: Self) -> Self {
        Self { harness: self.harness + other.harness, subject: self.subject + other.subject }
    }

    /// Whether it took so much of some time that what came too late proves nothing.
    pub(super) fn is_too_much_of(self, time: Duration) -> bool {
        self.harness.max(self.subject) > LEAST.max(time.mul_f64(TOO_MUCH))
    }
}

impl fmt::Display for Strain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = |time: Duration| {
            TimeSpan(Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
        };
        match (self.harness.is_zero(), self.subject.is_zero()) {
            (true, _) => write!(f, "the machine held the subject up for {}", rounded(self.subject)),
            (false, true) => write!(f, "the harness itself was late by {}", rounded(self.harness)),
            (false, false) => {
                let (harness, subject) = (rounded(self.harness), rounded(self.subject));
                write!(
                    f,
                    "the harness itself was late by {harness}, and the machine held the subject up for {subject}"
                )
            }
        }
    }
}

impl Lateness {
    pub(super) fn measured() -> Self {
        let moments = Moments { due: Instant::now() + TICK, late: VecDeque::new() };
        let (moments, ended) = (Arc::new(Mutex::new(moments)), Arc::new(AtomicBool::new(false)));
        let ticker = tokio::spawn(tick(Arc::clone(&moments)));
        let (looks, over) = (Arc::clone(&moments), Arc::clone(&ended));
        // On a thread of its own: it is to look while the harness is late. Without it only the harness is measured.
        let _ = thread::Builder::new().name("strain".to_owned()).spawn(move || look(&looks, &over));
        Self { moments, ticker, ended }
    }

    /// The lateness from a time until now, if it was more than usual; also what is overdue now, after a pause in which
    /// nothing could be measured.
    pub(super) fn since(&self, from: Instant) -> Option<Strain> {
        let moments = lock(&self.moments);
        let seen = moments.late.iter().filter(|(when, _)| *when >= from).map(|(_, strain)| *strain);
        let overdue = Instant::now().saturating_duration_since(moments.due.max(from));
        let overdue = Some(overdue).filter(|late| *late > USUAL).unwrap_or_default();
        let strain = seen.fold(Strain { harness: overdue, ..Strain::default() }, Strain::plus);
        (strain != Strain::default()).then_some(strain)
    }
}

impl Drop for Lateness {
    fn drop(&mut self) {
        self.ticker.abort();
        self.ended.store(true, Ordering::Relaxed);
    }
}

impl Moments {
    fn note(&mut self, strain: Strain) {
        if self.late.len() == REMEMBERED {
            self.late.pop_front();
        }
        self.late.push_back((Instant::now(), strain));
    }
}

fn lock(moments: &Mutex<Moments>) -> MutexGuard<'_, Moments> {
    moments.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn tick(moments: Arc<Mutex<Moments>>) {
    loop {
        let due = Instant::now() + TICK;
        lock(&moments).due = due;
        sleep_until(due).await;
        let late = due.elapsed();
        if late > USUAL {
            lock(&moments).note(Strain { harness: late, ..Strain::default() });
        }
    }
}

fn look(moments: &Mutex<Moments>, over: &AtomicBool) {
    let mut last = std::time::Instant::now();
    while !over.load(Ordering::Relaxed) {
        thread::sleep(LOOK);
        let passed = last.elapsed();
        last = std::time::Instant::now();
        let held_up = strain::held_up(passed);
        if held_up > USUAL_OF_A_LOOK {
            lock(moments).note(Strain { subject: held_up, ..Strain::default() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_blocked_harness_knows_that_it_was() {
        let lateness = Lateness::measured();
        let start = Instant::now();
        tokio::task::yield_now().await;
        std::thread::sleep(Duration::from_millis(800));
        tokio::time::sleep(Duration::from_millis(50)).await;
        let late = lateness.since(start).unwrap();
        assert!(late.harness >= Duration::from_millis(600), "{late:?}");
        assert!(late.is_too_much_of(Duration::from_secs(1)), "{late:?}");
        let little = Strain { harness: Duration::from_millis(128), ..Strain::default() };
        assert!(!little.is_too_much_of(Duration::from_millis(300)), "a short case is not excused by little");
        assert!(!late.is_too_much_of(Duration::from_secs(60)), "{late:?}");
        let after = lateness.since(Instant::now());
        assert_eq!(after.map(|strain| strain.harness).unwrap_or_default(), Duration::ZERO);
    }

    // As after a suspension of the machine, when the deadline of a case is looked at before anything is measured.
    #[tokio::test]
    async fn what_is_overdue_counts_before_it_is_measured() {
        let lateness = Lateness::measured();
        let start = Instant::now();
        tokio::task::yield_now().await;
        std::thread::sleep(Duration::from_millis(400));
        let late = lateness.since(start).unwrap();
        assert!(late.harness >= Duration::from_millis(200), "{late:?}");
    }

    #[test]
    fn strain_says_who_was_held_up() {
        let (none, some) = (Duration::ZERO, Duration::from_millis(1500));
        let shown = |harness, subject| Strain { harness, subject }.to_string();
        assert_eq!(shown(some, none), "the harness itself was late by 1500ms");
        assert_eq!(shown(none, some), "the machine held the subject up for 1500ms");
        assert_eq!(
            shown(some, some),
            "the harness itself was late by 1500ms, and the machine held the subject up for 1500ms"
        );
    }
}
