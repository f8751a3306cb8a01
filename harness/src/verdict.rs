//! Verdicts: pure functions of what was expected and what was observed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::citation::own;
use crate::clauses::Tier;
use crate::format::{ByteDifference, FieldSpan, Formats, Layer, Row, Undecodable};
use crate::hex_text::{self, amount};
use crate::vectors::CodecCase;
use crate::vectors::codec::{DecodeExpectation, EncodeExpectation};

/// How a case ended (contracts, names and results).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As expected.
    Pass,
    /// A documented or regression clause is broken, which is non-conformance, or a contract clause.
    Fail,
    /// A step of an inferred clause failed: another reading.
    Difference,
    /// A step of a hardening clause failed.
    Warning,
    /// Not supported by the subject.
    Skip,
    /// The harness or the subject could not be run.
    Error,
}

impl Outcome {
    /// What the failure of a step of a tier means.
    pub fn of_failure(tier: Tier) -> Self {
        match tier {
            Tier::D | Tier::R | Tier::C => Outcome::Fail,
            Tier::I => Outcome::Difference,
            Tier::H => Outcome::Warning,
        }
    }

    /// Its name in manifests and reports.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Pass => "pass",
            Outcome::Fail => "fail",
            Outcome::Difference => "difference",
            Outcome::Warning => "warning",
            Outcome::Skip => "skip",
            Outcome::Error => "error",
        }
    }
}

/// What went wrong in one step of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// The step: `encode`, `decode`.
    pub step: String,
    /// What is wrong, in one sentence.
    pub summary: String,
    /// What was expected, in words or as a value.
    pub expected: String,
    /// What came instead.
    pub actual: String,
    /// The clause that this breaks. Where a step names none, [`Clauses::attribute`](crate::clauses::Clauses::attribute)
    /// finds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clause: Option<String>,
    /// The bytes side by side, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<ByteDifference>,
}

/// A codec's answer to one request, already known to be one.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// The `ok` member, as JSON text.
    Ok(&'a str),
    /// The `error` member.
    Error {
        /// Its kind.
        kind: &'a str,
        /// Its message, empty where there is none.
        message: &'a str,
        /// Its offset.
        offset: Option<u64>,
    },
}

impl Answer<'_> {
    fn describe(&self) -> String {
        match self {
            Answer::Ok(text) => clip(text),
            Answer::Error { kind, message, offset } => {
                let offset = offset.map_or(String::new(), |offset| format!(" at offset {offset}"));
                let message = if message.is_empty() { String::new() } else { format!(": {}", clip(message)) };
                format!("error `{}`{offset}{message}", clip(kind))
            }
        }
    }
}

#[derive(Deserialize)]
struct Encoded<'a> {
    #[serde(borrow)]
    hex: std::borrow::Cow<'a, str>,
}

#[derive(Deserialize)]
struct DecodedAnswer<'a> {
    #[serde(borrow)]
    value: &'a serde_json::value::RawValue,
    rest: u64,
}

/// Judges the answer to an `encode` request; `None` is a pass.
pub fn judge_encode(
    case: &CodecCase,
    formats: &Formats,
    expected: &EncodeExpectation,
    answer: Answer<'_>,
) -> Option<Problem> {
    let bytes = match expected {
        EncodeExpectation::Failure(kind) => return judge_failure("encode", kind.name(), answer),
        EncodeExpectation::Bytes(bytes) => bytes,
    };
    let wanted = amount(bytes.len());
    let Answer::Ok(text) = answer else {
        return problem("encode", "the subject refused a valid value", wanted, answer.describe());
    };
    let Ok(Encoded { hex: text }) = serde_json::from_str(text) else {
        return contract("encode", "the answer has no text `hex`", wanted, answer.describe());
    };
    let Ok(actual) = hex_text::decode(&text) else {
        return contract("encode", "the answer's `hex` is not hexadecimal", wanted, clip(&text));
    };
    let difference = formats.byte_difference(&case.type_name, bytes, &actual, case.secrets.as_ref())?;
    let summary = format!("field `{}` differs, first at offset {}", difference.field, difference.offset);
    let found = amount(actual.len());
    Some(Problem { bytes: Some(difference), ..problem("encode", &summary, wanted, found)? })
}

/// Judges the answer to a `decode` request; `None` is a pass.
pub fn judge_decode(
    case: &CodecCase,
    formats: &Formats,
    bytes: &[u8],
    expected: &DecodeExpectation,
    answer: Answer<'_>,
) -> Option<Problem> {
    match expected {
        DecodeExpectation::Failure(kind) => judge_failure("decode", kind.name(), answer),
        DecodeExpectation::Malformed { or_crypto: true, .. }
            if matches!(answer, Answer::Error { kind: "crypto", .. }) =>
        {
            None
        }
        DecodeExpectation::Malformed { at, or_later, .. } => {
            judge_malformed(case, formats, bytes, (*at, *or_later), answer)
        }
        DecodeExpectation::Value { value, rest } => judge_value(case, formats, bytes, (value, *rest), answer),
    }
}

fn judge_value(
    case: &CodecCase,
    formats: &Formats,
    bytes: &[u8],
    (value, rest): (&Json, usize),
    answer: Answer<'_>,
) -> Option<Problem> {
    let Answer::Ok(text) = answer else {
        let wanted = format!("{}, {} left over", clip(&value.to_string()), amount(rest));
        let field = refused_field(case, formats, bytes, answer)
            .map_or(String::new(), |path| format!(" at field `{path}`"));
        return problem(
            "decode",
            &format!("the subject refused valid bytes{field}"),
            wanted,
            answer.describe(),
        );
    };
    let parsed: Result<DecodedAnswer<'_>, _> = serde_json::from_str(text);
    let Ok(found) = parsed else {
        let wanted = "a `value` and the number `rest`".to_owned();
        return contract(
            "decode",
            "the answer has no `value` or no number `rest`",
            wanted,
            answer.describe(),
        );
    };
    let Ok(actual) = serde_json::from_str::<Json>(found.value.get()) else {
        return contract(
            "decode",
            "the answer's `value` is not JSON",
            clip(&value.to_string()),
            answer.describe(),
        );
    };
    let padding = case.secrets.as_ref().map(|secrets| secrets.padding);
    if let Some(difference) = formats.value_difference(&case.type_name, value, &actual, padding) {
        let show = |value: Option<Json>| value.map_or("nothing".to_owned(), |value| clip(&value.to_string()));
        let summary = format!("field `{}` is read wrongly", difference.path);
        let found = problem("decode", &summary, show(difference.expected), show(difference.actual))?;
        return Some(Problem { bytes: beside(case, formats, value, bytes, &actual), ..found });
    }
    if found.rest != rest as u64 {
        let summary = "another number of bytes is left over";
        return problem("decode", summary, format!("rest {rest}"), format!("rest {}", found.rest));
    }
    None
}

/// The field at the offset that a refusal names.
fn refused_field(case: &CodecCase, formats: &Formats, bytes: &[u8], answer: Answer<'_>) -> Option<String> {
    let Answer::Error { offset: Some(offset), .. } = answer else { return None };
    let fields = match formats.decode(&case.type_name, bytes, case.secrets.as_ref()) {
        Ok(decoded) => decoded.fields,
        Err(error) => error.fields,
    };
    let holds = |field: &&FieldSpan| {
        field.layer == Layer::Wire && (field.range.start as u64..field.range.end as u64).contains(&offset)
    };
    fields.iter().find(holds).map(|field| field.path.clone())
}

/// The given bytes beside those that the subject's value would have.
fn beside(
    case: &CodecCase,
    formats: &Formats,
    value: &Json,
    bytes: &[u8],
    actual: &Json,
) -> Option<ByteDifference> {
    let secrets = case.secrets.as_ref();
    let theirs = formats.encode(&case.type_name, actual, secrets).ok()?;
    let ours = formats.encode(&case.type_name, value, secrets).unwrap_or_else(|_| bytes.to_vec());
    formats.byte_difference(&case.type_name, &ours, &theirs, secrets)
}

fn judge_malformed(
    case: &CodecCase,
    formats: &Formats,
    bytes: &[u8],
    (at, or_later): (usize, bool),
    answer: Answer<'_>,
) -> Option<Problem> {
    let summary = match answer {
        Answer::Error { kind: "malformed", offset: Some(offset), .. } => {
            let last = if or_later { bytes.len() } else { at };
            if (at as u64..=last as u64).contains(&offset) {
                return None;
            }
            "the malformed field is named at another offset"
        }
        Answer::Error { kind: "malformed", offset: None, .. } => "the error has no number `offset`",
        Answer::Error { .. } => "malformed bytes got another error",
        Answer::Ok(_) => "malformed bytes were accepted",
    };
    let reading = formats.decode(&case.type_name, bytes, case.secrets.as_ref()).err();
    let field = reading.as_ref().map_or(String::new(), |error| format!(", field `{}`", error.path));
    let why = reading.as_ref().map_or(String::new(), |error| format!(": {}", error.reason));
    let later = if or_later { " or later" } else { "" };
    let wanted = format!("error `malformed` at offset {at}{later}{field}{why}");
    let found = problem("decode", summary, wanted, answer.describe())?;
    let found = match answer {
        // An offset that is wrong is a decoder's mistake (DAT-5), all else the driver's.
        Answer::Error { kind: "malformed", offset: Some(_), .. } | Answer::Ok(_) => found,
        Answer::Error { .. } => breaking(found, own::CODEC_ERRORS),
    };
    Some(Problem { bytes: reading.map(|error| annotated(bytes, &error, at)), ..found })
}

/// How many fields before a malformed one are shown.
const FIELDS_BEFORE: usize = 32;

/// Malformed bytes as a one-sided view: the fields before the wrong one, and the rest under its name.
fn annotated(bytes: &[u8], error: &Undecodable, at: usize) -> ByteDifference {
    let wire = |field: &&FieldSpan| field.layer == Layer::Wire && field.range.end <= at;
    let row = |offset: usize, field: &str, part: &[u8], text: &str| Row {
        offset,
        decrypted: false,
        field: field.to_owned(),
        expected: hex_text::encode(&part[..part.len().min(16)]),
        expected_text: text.to_owned(),
        actual: String::new(),
        actual_text: String::new(),
        differs: false,
    };
    let rows_before = error.fields.iter().filter(wire).count().saturating_sub(FIELDS_BEFORE);
    let mut rows: Vec<Row> = error
        .fields
        .iter()
        .filter(wire)
        .skip(rows_before)
        .map(|field| row(field.range.start, &field.path, &bytes[field.range.clone()], &field.text))
        .collect();
    rows.push(row(at, &error.path, bytes.get(at..).unwrap_or_default(), &error.reason));
    ByteDifference {
        offset: at,
        field: error.path.clone(),
        expected_length: bytes.len(),
        actual_length: bytes.len(),
        rows_before,
        rows,
        rows_after: 0,
        clauses: Vec::new(),
        whole: Vec::new(),
    }
}

fn judge_failure(step: &str, kind: &str, answer: Answer<'_>) -> Option<Problem> {
    match answer {
        Answer::Error { kind: found, .. } if found == kind => None,
        Answer::Error { .. } => {
            let found =
                problem(step, "the error is of another kind", format!("error `{kind}`"), answer.describe());
            found.map(|problem| breaking(problem, own::CODEC_ERRORS))
        }
        Answer::Ok(_) => {
            problem(step, "what must be refused was accepted", format!("error `{kind}`"), answer.describe())
        }
    }
}

fn breaking(problem: Problem, clause: &str) -> Problem {
    Problem { clause: Some(clause.to_owned()), ..problem }
}

/// An answer that does not have the shape which the contract demands of a codec.
fn contract(step: &str, summary: &str, expected: String, actual: String) -> Option<Problem> {
    problem(step, summary, expected, actual).map(|problem| breaking(problem, own::CODEC_ANSWERS))
}

fn problem(step: &str, summary: &str, expected: String, actual: String) -> Option<Problem> {
    let (step, summary) = (step.to_owned(), summary.to_owned());
    Some(Problem { step, summary, expected, actual, clause: None, bytes: None })
}

/// The first 200 characters of something a subject said, with control characters made visible.
pub fn clip(text: &str) -> String {
    let mut shown: String = visible(&text.chars().take(200).collect::<String>());
    if text.chars().nth(200).is_some() {
        shown.push_str(&format!("… ({} bytes)", text.len()));
    }
    shown
}

/// Text with control characters written as escapes, so that no terminal obeys a subject, and no text shows
/// as another: those that hide or turn the direction of text count too.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let hides = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        if hides || c.is_control() && c != '\t' {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}
