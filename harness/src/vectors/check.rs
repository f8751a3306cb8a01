//! What reading a corpus cannot see: vectors that contradict themselves or the formats.

use crate::finding::{Finding, sorted};
use crate::format::{Undecodable, Wrong};
use crate::hex_text;
use crate::yaml::Span;

use super::codec::{CodecCase, CodecCheck, DecodeExpectation, EncodeExpectation, FailureKind};
use super::{Corpus, CorpusFiles, transcript};

/// Reads a corpus and finds everything wrong with it.
pub fn check(files: &CorpusFiles) -> (Corpus, Vec<Finding>) {
    let (corpus, mut findings) = Corpus::load(files);
    // Formats that cannot be read are findings themselves; without them no case can be judged.
    let unreadable = corpus.formats.iter().next().is_none() && files.under("formats/").next().is_some();
    if !unreadable {
        findings.extend(corpus.codec.iter().flat_map(|case| codec(case, &corpus)));
        findings.extend(corpus.transcripts.iter().flat_map(|found| transcript::mistakes(found, &corpus)));
    }
    (corpus, sorted(findings))
}

/// The findings about one codec case: the harness's interpreter must agree with what the vector says.
fn codec(case: &CodecCase, corpus: &Corpus) -> Vec<Finding> {
    let entry = &case.entry;
    let report = |span: Span, message: String| Finding::new(&case.source, span, message);
    let type_span = entry.type_name.span;
    let unsupported = entry.fails.as_ref().is_some_and(|kind| kind.value == FailureKind::Unsupported);
    let known = corpus.formats.find(&case.type_name).is_some();
    match (known, unsupported) {
        (false, true) => return Vec::new(),
        (true, true) => return vec![report(type_span, format!("type `{}` exists", case.type_name))],
        (false, false) => {
            let help = format!("the types are {}", corpus.formats.type_names().join(", "));
            return vec![report(type_span, format!("there is no type `{}`", case.type_name)).help(help)];
        }
        (true, false) => {}
    }
    let checks = case.checks.iter().filter_map(|check| match check {
        CodecCheck::Encode { value, expected } => encode(case, corpus, value, expected),
        CodecCheck::Decode { bytes, expected } => decode(case, corpus, bytes, expected),
    });
    let mut mistakes: Vec<(Span, String)> = checks.collect();
    // Bytes that encode to something else mostly decode to something else, too: that is one mistake.
    mistakes.dedup_by_key(|(span, _)| *span);
    mistakes.into_iter().map(|(span, message)| report(span, message)).collect()
}

type Mistake = Option<(Span, String)>;

fn encode(
    case: &CodecCase,
    corpus: &Corpus,
    value: &serde_json::Value,
    expected: &EncodeExpectation,
) -> Mistake {
    let entry = &case.entry;
    let value_span = entry.value.as_ref().map_or(entry.id.span, |value| value.span);
    let built = corpus.formats.encode(&case.type_name, value, case.secrets.as_ref());
    match (expected, built) {
        (EncodeExpectation::Bytes(expected), Ok(built)) => {
            let bytes_span = entry.bytes.as_ref().map_or(entry.id.span, |bytes| bytes.span);
            let difference =
                corpus.formats.byte_difference(&case.type_name, &built, expected, case.secrets.as_ref())?;
            let row = difference.rows.iter().rev().find(|row| row.differs && row.field == difference.field);
            let (ours, theirs) = row.map_or(("", ""), |row| (row.expected.as_str(), row.actual.as_str()));
            let message = format!(
                "the bytes disagree with the value: field `{}`, first at offset {}: the value gives [{ours}], the bytes have [{theirs}]",
                difference.field, difference.offset
            );
            Some((bytes_span, message))
        }
        (EncodeExpectation::Bytes(_), Err(error)) => {
            Some((value_span, format!("the value cannot be encoded: {error}")))
        }
        (EncodeExpectation::Failure(FailureKind::Usage), Ok(_)) => {
            Some((value_span, "the value can be encoded, so `fails: usage` is wrong".to_owned()))
        }
        (EncodeExpectation::Failure(FailureKind::Usage), Err(_)) => None,
        (EncodeExpectation::Failure(kind), _) => {
            Some((entry.id.span, format!("encoding cannot end in `fails: {}`", kind.name())))
        }
    }
}

fn decode(case: &CodecCase, corpus: &Corpus, bytes: &[u8], expected: &DecodeExpectation) -> Mistake {
    let entry = &case.entry;
    let span = entry.bytes.as_ref().map_or(entry.id.span, |bytes| bytes.span);
    let outcome = corpus.formats.decode(&case.type_name, bytes, case.secrets.as_ref());
    match (expected, outcome) {
        (DecodeExpectation::Value { value, rest }, Ok(decoded)) => {
            let left = bytes.len() - decoded.used;
            if left != *rest {
                return Some((
                    span,
                    format!("left over: {}; the case says `rest: {rest}`", hex_text::amount(left)),
                ));
            }
            let padding = case.secrets.as_ref().map(|secrets| secrets.padding);
            let difference =
                corpus.formats.value_difference(&case.type_name, value, &decoded.value, padding)?;
            let show = |value: Option<serde_json::Value>| {
                value.map_or("nothing".to_owned(), |value| value.to_string())
            };
            let message = format!(
                "the bytes disagree with the value: field `{}`: the value says {}, the bytes say {}",
                difference.path,
                show(difference.expected),
                show(difference.actual)
            );
            Some((span, message))
        }
        (DecodeExpectation::Value { .. }, Err(error)) => {
            Some((span, format!("the bytes do not decode: {}", why(&error))))
        }
        // `fails: crypto` of an encrypted part that runs past the end, too, of which a codec may say either.
        (
            DecodeExpectation::Malformed { or_crypto: true, .. },
            Err(Undecodable { wrong: Wrong::Crypto, .. }),
        ) if entry.fails.is_some() => None,
        (DecodeExpectation::Malformed { at, .. }, outcome) => {
            malformed(case, *at, span, outcome.err().as_ref())
        }
        (DecodeExpectation::Failure(FailureKind::Crypto), Err(Undecodable { wrong: Wrong::Crypto, .. })) => {
            None
        }
        // The settings of the request are what is wrong: without good ones nothing opens.
        (DecodeExpectation::Failure(FailureKind::Usage), Err(Undecodable { wrong: Wrong::Unknown, .. })) => {
            None
        }
        (DecodeExpectation::Failure(kind), outcome) => {
            let found = outcome.map_or_else(|error| why(&error), |_| "they decode".to_owned());
            Some((span, format!("the case says `fails: {}`, but of these bytes: {found}", kind.name())))
        }
    }
}

fn malformed(case: &CodecCase, at: usize, span: Span, error: Option<&Undecodable>) -> Mistake {
    let at_span = case.entry.malformed.as_ref().map_or(span, |malformed| malformed.at.span);
    match error {
        None => Some((span, "these bytes are not malformed".to_owned())),
        Some(Undecodable { wrong: Wrong::Malformed { at: found, .. }, .. }) if *found == at => None,
        Some(error) => {
            Some((at_span, format!("the case says `at: {at}`, but of these bytes: {}", why(error))))
        }
    }
}

fn why(error: &Undecodable) -> String {
    let place = match error.wrong {
        Wrong::Malformed { at, .. } => format!("malformed at {at}"),
        Wrong::Crypto => "does not decrypt".to_owned(),
        Wrong::Unknown => "cannot be judged".to_owned(),
    };
    format!("{place}, field `{}`: {}", error.path, error.reason)
}
