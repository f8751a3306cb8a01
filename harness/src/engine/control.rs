//! Positive controls of codec cases: a subject that refuses what is well formed, too, is not credited with a refusal.

use crate::vectors::Corpus;
use crate::vectors::codec::{CodecCase, CodecCheck, DecodeExpectation, EncodeExpectation};
use crate::verdict::{Problem, clip};

use super::reply::Reply;

/// A check of a good case that is asked beside one that has to be refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Control<'a> {
    pub(super) case: &'a CodecCase,
    pub(super) check: &'a CodecCheck,
}

impl<'a> Control<'a> {
    /// The control of a check that expects a refusal: the shortest good one of the same direction, of the same type and
    /// under the same settings where the corpus has one.
    pub(super) fn of(case: &CodecCase, check: &CodecCheck, corpus: &'a Corpus) -> Option<Self> {
        if !is_refusal(check) {
            return None;
        }
        let good =
            corpus.codec.iter().flat_map(|case| case.checks.iter().map(move |check| Self { case, check }));
        let fitting =
            good.filter(|good| !is_refusal(good.check) && is_encode(good.check) == is_encode(check));
        fitting.min_by_key(|good| {
            let (ours, theirs) = (&case.settings, &good.case.settings);
            let key_size = |key: &Option<String>| key.as_ref().map(String::len);
            (
                good.case.type_name != case.type_name,
                theirs.padding != ours.padding,
                key_size(&theirs.key) != key_size(&ours.key),
                size(good.check),
            )
        })
    }

    /// What is wrong with a subject that refuses it.
    pub(super) fn judge(&self, reply: &Reply<'_>) -> Option<Problem> {
        let error = reply.error.as_ref()?;
        let way = if is_encode(self.check) { "encode" } else { "decode" };
        Some(Problem {
            step: way.to_owned(),
            summary: "what is well formed is refused, too, so that the refusal tells nothing".to_owned(),
            expected: format!("{} is taken", self.case.name),
            actual: clip(&format!("error `{}`: {}", error.kind, error.message)),
            clause: None,
            bytes: None,
        })
    }
}

fn is_encode(check: &CodecCheck) -> bool {
    matches!(check, CodecCheck::Encode { .. })
}

fn is_refusal(check: &CodecCheck) -> bool {
    match check {
        CodecCheck::Encode { expected, .. } => !matches!(expected, EncodeExpectation::Bytes(_)),
        CodecCheck::Decode { expected, .. } => !matches!(expected, DecodeExpectation::Value { .. }),
    }
}

/// How long a request for a check is, roughly.
fn size(check: &CodecCheck) -> usize {
    match check {
        CodecCheck::Encode { expected: EncodeExpectation::Bytes(bytes), .. }
        | CodecCheck::Decode { bytes, .. } => bytes.len(),
        CodecCheck::Encode { .. } => usize::MAX,
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic, reason = "in a test, a panic is the verdict")]
mod tests {
    use super::*;
    use crate::vectors::CorpusFiles;

    fn refusals(corpus: &Corpus) -> impl Iterator<Item = (&CodecCase, &CodecCheck)> {
        let checks = corpus.codec.iter().flat_map(|case| case.checks.iter().map(move |check| (case, check)));
        checks.filter(|(_, check)| is_refusal(check))
    }

    #[test]
    fn every_refusal_of_the_corpus_has_a_control_of_its_own_type() {
        let corpus = Corpus::load(&CorpusFiles::embedded()).0;
        let mut count = 0;
        for (case, check) in refusals(&corpus) {
            let control = Control::of(case, check, &corpus).expect("a control");
            assert!(!is_refusal(control.check), "{}", case.name);
            assert_eq!(is_encode(control.check), is_encode(check), "{}", case.name);
            // What no codec knows has none.
            let is_known = corpus.formats.find(&case.type_name).is_some();
            assert!(!is_known || control.case.type_name == case.type_name, "{}", case.name);
            count += 1;
        }
        assert!(count > 100, "{count}");
    }

    #[test]
    fn what_is_taken_has_no_control() {
        let corpus = Corpus::load(&CorpusFiles::embedded()).0;
        let taken = corpus.codec.iter().flat_map(|case| case.checks.iter().map(move |check| (case, check)));
        for (case, check) in taken.filter(|(_, check)| !is_refusal(check)) {
            assert!(Control::of(case, check, &corpus).is_none(), "{}", case.name);
        }
    }

    #[test]
    fn a_control_under_the_same_settings_comes_first() {
        let corpus = Corpus::load(&CorpusFiles::embedded()).0;
        let sealed = |(case, _): &(&CodecCase, &CodecCheck)| case.secrets.is_some();
        for (case, check) in refusals(&corpus).filter(sealed) {
            let control = Control::of(case, check, &corpus).expect("a control");
            assert_eq!(control.case.settings.padding, case.settings.padding, "{}", case.name);
        }
    }
}
