//! How long a case waits on purpose, as far as its text tells: those that wait long start first.

use std::time::Duration;

use super::super::conversation::Stumble;
use crate::vectors::TranscriptCase;
use crate::vectors::transcript::Step;
use crate::vectors::transcript::op::ErrorKind;
use crate::vectors::transcript::step::walk;

/// The shortest wait that counts. Most cases have none, and stay in the order of the corpus.
const LEAST: Duration = Duration::from_millis(500);

/// The time that a case spends waiting at least; branches that go on at the same time count one after the other.
pub(super) fn of(case: &TranscriptCase) -> Duration {
    let mut sum = Duration::ZERO;
    let mut timeouts = Vec::new();
    walk(case.steps(), &mut |step| {
        sum += of_step(step);
        let timeout = step.does.as_ref().and_then(|op| op.value.timeout());
        if let (Some(label), Some(timeout)) = (&step.label, timeout) {
            timeouts.push((label.value.0.as_str(), timeout.0));
        }
        let awaited = step.fails.as_ref().is_some_and(|kinds| kinds.0.contains(&ErrorKind::Timeout));
        if let (Some(label), true) = (&step.result, awaited) {
            let told = timeouts.iter().rev().find(|(name, _)| *name == label.value.0);
            sum += told.map_or(Duration::ZERO, |(_, timeout)| *timeout);
        }
    });
    if sum < LEAST { Duration::ZERO } else { sum }
}

/// Whether a harness that was late can be the reason of a failure: something came too late, or anything went wrong in a case
/// that waits on purpose, since it may have gone on too late from there. What no delay explains, such as memory that was
/// taken, it cannot; and the subject would have taken it already when the case is tried again.
pub(super) fn can_be_to_blame(case: &TranscriptCase, stumble: &Stumble) -> bool {
    !stumble.timeless && (stumble.late || !of(case).is_zero())
}

fn of_step(step: &Step) -> Duration {
    let quiet = step.quiet.as_ref().map_or(Duration::ZERO, |quiet| quiet.lasts.0);
    let (ends_after, _) = step.end_times();
    let not_before = step.not_before.as_ref().map(|time| time.value).or(ends_after);
    let pause = step.pace.as_ref().and_then(|pace| pace.pause).map_or(Duration::ZERO, |pause| pause.0);
    quiet + not_before.map_or(Duration::ZERO, |time| time.0) + pause
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{Corpus, CorpusFiles};
    use crate::verdict::Problem;

    fn case<'a>(corpus: &'a Corpus, name: &str) -> &'a TranscriptCase {
        let mut cases = corpus.transcripts.iter().flat_map(|transcript| &transcript.cases);
        cases.find(|case| case.name == name).unwrap_or_else(|| panic!("no case {name}"))
    }

    #[test]
    fn cases_that_wait_are_known_by_their_steps() {
        let (corpus, _) = Corpus::load(&CorpusFiles::embedded());
        let of = |name: &str| super::of(case(&corpus, name));
        assert_eq!(of("meta/root_path/v2-get-root-path"), Duration::ZERO);
        // Quiet for 100 ms, an end not before 1,400 ms.
        assert_eq!(of("handshake/timeout/silent"), Duration::from_millis(1500));
        assert!(of("client/timeouts/of-its-own") >= Duration::from_secs(1));
    }

    #[test]
    fn what_a_late_harness_can_be_the_reason_of_is_what_has_to_do_with_time() {
        let (corpus, _) = Corpus::load(&CorpusFiles::embedded());
        let problem = Problem {
            step: "agent a".to_owned(),
            summary: "the connection was closed (FIN) instead".to_owned(),
            expected: String::new(),
            actual: String::new(),
            clause: None,
            bytes: None,
        };
        let stumble = |late| Stumble { problem: problem.clone(), late, timeless: false };
        let untimed = case(&corpus, "meta/root_path/v2-get-root-path");
        assert!(can_be_to_blame(untimed, &stumble(true)));
        assert!(!can_be_to_blame(untimed, &stumble(false)));
        // The end may have come because the second half of the handshake was sent too late.
        let timed = case(&corpus, "handshake/timeout/late-but-in-time");
        assert!(can_be_to_blame(timed, &stumble(false)));
        assert!(!can_be_to_blame(timed, &Stumble { timeless: true, ..stumble(false) }));
    }
}
