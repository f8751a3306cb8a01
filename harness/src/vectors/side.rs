//! From which side a case looks at its clauses: a subject that is offered what is right, or what is wrong.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::transcript::data::{Frame, WireItem};
use super::transcript::entry::Party;
use super::transcript::op::Op;
use super::transcript::step::{Kind, Step, walk};
use super::{CodecCase, TranscriptCase};
use crate::yaml::Spot;

/// The side from which a case tests its clauses.
///
/// A fault on the good side breaks what the clause demands of a proper exchange, one on the wrong side takes what the
/// clause forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The subject is offered what is right and has to serve it.
    Good,
    /// The subject is offered what is malformed, forbidden, broken off or late, and has to refuse it, report it, or stay
    /// silent.
    Wrong,
}

impl Side {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Wrong => "wrong",
        }
    }
}

impl CodecCase {
    /// The side from which the case tests a codec: wrong where it has to report an error.
    pub fn side(&self) -> Side {
        match self.entry.malformed.is_some() || self.entry.fails.is_some() {
            true => Side::Wrong,
            false => Side::Good,
        }
    }
}

impl TranscriptCase {
    /// The side from which the case tests a party.
    pub fn side(&self, tested: Party) -> Side {
        // Connections that the client has ended: that the agent ends them, too, is no refusal.
        let mut ended: BTreeSet<&str> = BTreeSet::new();
        let mut wrong = false;
        walk(self.steps(), &mut |step| {
            wrong |= is_wrong(step, tested, &ended);
            if let (Some(Kind::Actor(Party::Client, name)), true) = (step.kind(), ends(step)) {
                ended.insert(&name.value.0);
            }
        });
        if wrong { Side::Wrong } else { Side::Good }
    }
}

/// Whether a client ends its connection with this step.
fn ends(step: &Step) -> bool {
    let told_to = matches!(step.does.as_ref().map(|op| &op.value), Some(Op::Close(_)));
    step.shutdown.is_some() || step.reset.is_some() || step.closes.is_some() || told_to
}

/// Whether a step offers the tested party something wrong, or has it refuse something.
fn is_wrong(step: &Step, tested: Party, ended: &BTreeSet<&str>) -> bool {
    match step.kind() {
        Some(Kind::Actor(party, name)) if party == tested => match party {
            Party::Agent => {
                step.quiet.is_some() || step.closes.is_some() && !ended.contains(name.value.0.as_str())
            }
            Party::Client => step.quiet.is_some(),
            Party::Host => step.quiet.is_some() || starts_wrongly(step),
        },
        Some(Kind::Actor(..)) => offers_wrong(step),
        Some(Kind::Result(_)) => tested == Party::Client && step.fails.is_some(),
        Some(Kind::Subject(subject)) => subject.refuses.is_some(),
        _ => false,
    }
}

/// Whether a host is started with something wrong.
fn starts_wrongly(step: &Step) -> bool {
    match step.does.as_ref().map(|op| &op.value) {
        Some(Op::Start(start)) => start.wrong.is_some(),
        _ => false,
    }
}

/// Whether the played side offers something that no proper peer would.
fn offers_wrong(step: &Step) -> bool {
    let false_length = |frame: &Spot<Frame>| match &frame.value {
        Frame::Fields(fields) => fields.length.is_some(),
        Frame::Hex(_) => false,
    };
    let damaged = |item: &Spot<WireItem>| {
        !matches!(item.value, WireItem::Hex(_)) && item.value.tls_handshake().is_none()
    };
    step.breaks.is_some()
        || step.reset.is_some()
        || step.frames.as_ref().is_some_and(|frames| frames.value.iter().any(false_length))
        || step.wire.as_ref().is_some_and(|wire| wire.value.0.iter().any(damaged))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{Corpus, CorpusFiles};

    fn side(name: &str, tested: Party) -> Side {
        let (corpus, _) = Corpus::load(&CorpusFiles::embedded());
        let mut cases = corpus.transcripts.iter().flat_map(|transcript| &transcript.cases);
        cases.find(|case| case.name == name).unwrap_or_else(|| panic!("no case {name}")).side(tested)
    }

    #[test]
    fn a_case_is_of_the_wrong_side_where_the_subject_has_to_refuse_or_endure() {
        assert_eq!(side("meta/root_path/v2-get-root-path", Party::Agent), Side::Good);
        assert_eq!(side("meta/root_path/v2-get-root-path", Party::Client), Side::Good);
        assert_eq!(side("handshake/timeout/silent", Party::Agent), Side::Wrong, "the agent ends it");
        assert_eq!(side("client/timeouts/of-its-own", Party::Client), Side::Wrong, "the result is an error");
        assert_eq!(side("host/report/names-the-host:otter", Party::Host), Side::Good);
    }

    #[test]
    fn a_codec_case_is_of_the_wrong_side_where_an_error_must_come() {
        let (corpus, _) = Corpus::load(&CorpusFiles::embedded());
        let of = |file: &'static str| corpus.codec.iter().filter(move |case| case.name.starts_with(file));
        assert!(of("codec/strings_malformed/").all(|case| case.side() == Side::Wrong));
        assert!(of("codec/integers/").any(|case| case.side() == Side::Good));
    }
}
