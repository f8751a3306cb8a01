//! How long a subject took, as reports tell it: handshakes by mode of encryption, and timeouts beside what they are set to.
//!
//! Handshakes are measured when the cases are over and the subject has nothing else to do, one after the other. No
//! verdict depends on any of it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was measured of a subject.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timing {
    /// The subject's name.
    pub subject: String,
    /// Handshakes: of an agent from the call that connects to the end of its acknowledgement, and of TLS behind it; of a
    /// client from the line that tells it to connect to its answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handshakes: Vec<HandshakeTimes>,
    /// Timeouts that fired.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeouts: Vec<TimeoutTimes>,
}

/// Handshakes in one mode of encryption.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HandshakeTimes {
    /// The mode: none, ssl or aes.
    pub encryption: String,
    /// How many were measured.
    pub count: usize,
    /// Half of them took at most this, in microseconds.
    pub median_micros: u64,
    /// Nine of ten took at most this.
    pub p90_micros: u64,
    /// 99 of 100 took at most this.
    pub p99_micros: u64,
    /// All took at most this.
    pub worst_micros: u64,
}

/// How late timeouts of one kind and setting fired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimeoutTimes {
    /// Which timeout, such as `handshake`.
    pub name: String,
    /// What it is set to, in milliseconds.
    pub set_millis: u64,
    /// How many fired while they were watched.
    pub count: usize,
    /// The first of them fired after this, in milliseconds.
    pub shortest_millis: u64,
    /// Half of them fired at this or earlier.
    pub median_millis: u64,
    /// The last of them.
    pub longest_millis: u64,
}

impl Timing {
    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.handshakes.is_empty() && self.timeouts.is_empty()
    }

    /// The same in words, a line each.
    ///
    /// ```
    /// use std::time::Duration;
    /// use iaspec_harness::timing::{HandshakeTimes, Timing};
    /// let times = (1..=100).map(|n| Duration::from_micros(10 * n)).collect();
    /// let timing = Timing { handshakes: HandshakeTimes::of("aes", times).into_iter().collect(), ..Timing::default() };
    /// assert_eq!(timing.lines(), ["handshakes, aes: median 0.50 ms, p90 0.90 ms, p99 0.99 ms, worst 1.00 ms (100)"]);
    /// ```
    pub fn lines(&self) -> Vec<String> {
        let handshakes = self.handshakes.iter().map(|times| {
            let HandshakeTimes { encryption, count, .. } = times;
            format!(
                "handshakes, {encryption}: median {}, p90 {}, p99 {}, worst {} ({count})",
                millis(times.median_micros),
                millis(times.p90_micros),
                millis(times.p99_micros),
                millis(times.worst_micros)
            )
        });
        let timeouts = self.timeouts.iter().map(|times| {
            let TimeoutTimes { name, count, .. } = times;
            let seconds = |millis: u64| format!("{}.{:03} s", millis / 1000, millis % 1000);
            format!(
                "{name} timeout of {}: fired after {} to {}, median {} ({count})",
                seconds(times.set_millis),
                seconds(times.shortest_millis),
                seconds(times.longest_millis),
                seconds(times.median_millis)
            )
        });
        handshakes.chain(timeouts).collect()
    }
}

/// Microseconds as milliseconds with two places, rounded.
fn millis(micros: u64) -> String {
    let hundredths = (micros + 5) / 10;
    format!("{}.{:02} ms", hundredths / 100, hundredths % 100)
}

impl HandshakeTimes {
    /// The percentiles of some times; `None` where there are none.
    pub fn of(encryption: &str, mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let at = |percent| percentile(&times, percent).map(micros);
        Some(Self {
            encryption: encryption.to_owned(),
            count: times.len(),
            median_micros: at(50)?,
            p90_micros: at(90)?,
            p99_micros: at(99)?,
            worst_micros: at(100)?,
        })
    }
}

impl TimeoutTimes {
    /// How late timeouts of a kind fired; `None` where none did.
    pub fn of(name: &str, set: Duration, mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let at = |percent| percentile(&times, percent).map(|time| micros(time) / 1000);
        Some(Self {
            name: name.to_owned(),
            set_millis: micros(set) / 1000,
            count: times.len(),
            shortest_millis: at(0)?,
            median_millis: at(50)?,
            longest_millis: at(100)?,
        })
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// The least of some sorted times that so many percent of them do not exceed (nearest rank).
fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let times: Vec<Duration> = [30, 10, 20].map(Duration::from_millis).to_vec();
        let found = HandshakeTimes::of("none", times).unwrap();
        let seen = (found.count, found.median_micros, found.p90_micros, found.worst_micros);
        assert_eq!(seen, (3, 20_000, 30_000, 30_000));
        assert_eq!(HandshakeTimes::of("none", Vec::new()), None);
    }

    #[test]
    fn timeouts_are_told_beside_their_setting() {
        let times = [2_012, 2_003, 2_250].map(Duration::from_millis).to_vec();
        let found = TimeoutTimes::of("handshake", Duration::from_secs(2), times).unwrap();
        let timing = Timing { timeouts: vec![found], ..Timing::default() };
        let expected = "handshake timeout of 2.000 s: fired after 2.003 s to 2.250 s, median 2.012 s (3)";
        assert_eq!(timing.lines(), [expected]);
    }
}
