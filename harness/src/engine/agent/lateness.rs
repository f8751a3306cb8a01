//! How late the harness itself was: on a busy machine what came too late may only have been looked at too late.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// How often it is measured.
const TICK: Duration = Duration::from_millis(20);

/// Lateness below this is usual.
const USUAL: Duration = Duration::from_millis(100);

/// How many late moments are remembered.
const REMEMBERED: usize = 1024;

/// Measures all the time it lives.
#[derive(Debug)]
pub(super) struct Lateness {
    moments: Arc<Mutex<VecDeque<(Instant, Duration)>>>,
    ticker: JoinHandle<()>,
}

impl Lateness {
    pub(super) fn measured() -> Self {
        let moments = Arc::new(Mutex::new(VecDeque::new()));
        let ticker = tokio::spawn(tick(Arc::clone(&moments)));
        Self { moments, ticker }
    }

    /// The worst lateness from a time until now, if it was more than usual.
    pub(super) fn since(&self, from: Instant) -> Option<Duration> {
        let moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        moments.iter().filter(|(when, _)| *when >= from).map(|(_, late)| *late).max()
    }
}

impl Drop for Lateness {
    fn drop(&mut self) {
        self.ticker.abort();
    }
}

async fn tick(moments: Arc<Mutex<VecDeque<(Instant, Duration)>>>) {
    loop {
        let due = Instant::now() + TICK;
        sleep_until(due).await;
        let late = due.elapsed();
        if late > USUAL {
            let mut moments = moments.lock().unwrap_or_else(PoisonError::into_inner);
            if moments.len() == REMEMBERED {
                moments.pop_front();
            }
            moments.push_back((Instant::now(), late));
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
        std::thread::sleep(Duration::from_millis(400));
        tokio::time::sleep(Duration::from_millis(50)).await;
        let late = lateness.since(start).unwrap();
        assert!(late >= Duration::from_millis(200), "{late:?}");
        assert_eq!(lateness.since(Instant::now()), None);
    }
}
