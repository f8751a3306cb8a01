//! Entries for `expect` of a manifest, made from the failures that a run did not expect: the least that would make
//! the same run conformant. Each lacks its reason, and a manifest is refused that has one without.
//!
//! The text of an entry is written as JSON, which YAML takes for the same.

use std::io::{self, Write};

use iaspec_harness::event::CaseResult;
use iaspec_harness::verdict::{Outcome, visible};
use iaspec_harness::waiver;

use crate::record::{Record, Standing, SubjectRecord};

/// What a reader does with the entries.
const HEAD: &str = "\
# Entries for `expect` of a manifest: the failures of a run that it did not expect. Put those that shall be waived
# under `expect:`, before entries whose patterns fit the same cases, and complete each: `reason` says why, and no
# manifest is read with an empty one; `owner` says whom to ask; `until: YYYY-MM-DD`, if given, is the last day.
";

/// Writes the entries; nothing where there is none.
pub(crate) fn render(record: &Record, out: &mut dyn Write) -> io::Result<()> {
    let sections: Vec<String> =
        record.subjects.iter().filter_map(|subject| section(record, subject)).collect();
    if sections.is_empty() {
        return Ok(());
    }
    out.write_all(HEAD.as_bytes())?;
    if let Some(gap) = record.gap() {
        writeln!(out, "# {}", comment(&gap))?;
    }
    sections.iter().try_for_each(|section| write!(out, "\n{section}"))
}

/// The entries of a subject; `None` where nothing about it is unexpected.
fn section(record: &Record, subject: &SubjectRecord) -> Option<String> {
    // The repetitions of a case stand side by side.
    let cases = subject.results.chunk_by(|one, next| one.case == next.case);
    let failing = |results: &&[CaseResult]| results.iter().any(|result| is_unexpected(record, result));
    let mut entries: Vec<String> = cases.filter(failing).map(|results| entry(record, results)).collect();
    let errors = subject.tally.errors;
    if errors > 0 {
        entries.push(format!("  # {errors} could not be run at all, which is for mending.\n"));
    }
    let started = &subject.started;
    let head =
        format!("  # {}, role {}, {}\n", comment(&started.subject), started.role, comment(&started.manifest));
    (!entries.is_empty()).then(|| head + &entries.concat())
}

/// Whether a result is a failure that an entry could expect.
fn is_unexpected(record: &Record, result: &CaseResult) -> bool {
    result.outcome != Outcome::Error && record.standing(result) == Standing::Failed
}

/// The entry for a case, by the results of all its repetitions, or why there is none.
fn entry(record: &Record, results: &[CaseResult]) -> String {
    let Some(first) = results.iter().find(|result| is_unexpected(record, result)) else {
        return String::new();
    };
    let same = |result: &CaseResult| is_unexpected(record, result) && result.outcome == first.outcome;
    let alike = results.iter().filter(|result| same(result)).count();
    if alike < results.len() {
        let (case, outcome, all) = (comment(&first.case), first.outcome.name(), results.len());
        return format!(
            "  # {case} came to {outcome} in {alike} of {all} repetitions: a waived case fails each time.\n"
        );
    }
    let pinned = waiver::pin(first).filter(|text| results.iter().all(|result| result.says(text)));
    let mut lines = String::new();
    if let Some(entry) = first.expected.as_ref().and_then(|expected| expected.entry.as_deref()) {
        lines.push_str(&format!("  # In place of what {} says of it.\n", comment(entry)));
    }
    lines.push_str(&format!("  - case: {}\n", scalar(&first.case)));
    lines.push_str(&format!("    outcome: {}\n", first.outcome.name()));
    if let Some(text) = pinned {
        lines.push_str(&format!("    failure: {}\n", scalar(&text)));
    }
    lines.push_str("    reason: \"\"\n    owner: \"\"\n");
    lines
}

/// A text in the quotes of JSON, which are quotes of YAML, too.
fn scalar(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A text for one line of a comment.
fn comment(text: &str) -> String {
    visible(text).replace('\t', " ")
}
