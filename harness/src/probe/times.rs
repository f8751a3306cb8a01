//! How long an agent takes, over several connections one after the other.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// How long one thing took, several times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// How often it was measured.
    pub samples: usize,
    /// The middle one, in microseconds; of an even number the larger of the two in the middle.
    #[serde(rename = "median_micros", serialize_with = "micros")]
    pub median: Duration,
    /// The longest, in microseconds.
    #[serde(rename = "worst_micros", serialize_with = "micros")]
    pub worst: Duration,
}

fn micros<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

impl Span {
    /// Of some times; `None` of none.
    pub(super) fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let worst = *times.last()?;
        Some(Self { samples: times.len(), median: times[times.len() / 2], worst })
    }
}

/// How long an agent took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Times {
    /// To accept a connection.
    pub connect: Option<Span>,
    /// From then to the acknowledgement.
    pub acknowledgement: Option<Span>,
    /// The TLS handshake.
    pub tls: Option<Span>,
    /// From Get Agent Root Path to its response.
    pub answer: Option<Span>,
}

/// The times of several connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Collected {
    pub(super) connect: Vec<Duration>,
    pub(super) acknowledgement: Vec<Duration>,
    pub(super) tls: Vec<Duration>,
    pub(super) answer: Vec<Duration>,
}

impl Collected {
    pub(super) fn times(self) -> Times {
        Times {
            connect: Span::of(self.connect),
            acknowledgement: Span::of(self.acknowledgement),
            tls: Span::of(self.tls),
            answer: Span::of(self.answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_the_middle_and_the_longest() {
        let of =
            |millis: &[u64]| Span::of(millis.iter().map(|&millis| Duration::from_millis(millis)).collect());
        let span = |samples, median, worst| {
            Some(Span { samples, median: Duration::from_millis(median), worst: Duration::from_millis(worst) })
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[4]), span(1, 4, 4));
        assert_eq!(of(&[9, 1, 5]), span(3, 5, 9));
        assert_eq!(of(&[9, 1, 5, 7]), span(4, 7, 9));
    }
}
