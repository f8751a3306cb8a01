//! Entries for `expect` of a manifest, made from the failures that a run did not expect: the least that would make
//! the same run conformant. Each lacks its reason, and a manifest is refused that has one without.

use std::io::{self, Write};

use iaspec_harness::event::CaseResult;
use iaspec_harness::verdict::{Outcome, visible};
use iaspec_harness::waiver;
use serde::Serialize;

use crate::record::{Record, Standing, SubjectRecord};

/// What a reader does with the entries.
const HEAD: &str = "\
# Entries for `expect` of a manifest: the failures of a run that it did not expect. Put those that shall be waived
# under `expect:`, before entries whose patterns fit the same cases, and complete each: `reason` says why, and no
# manifest is read with an empty one; `owner` says whom to ask; `until: YYYY-MM-DD`, if given, is the last day.
";

/// Writes the entries; nothing where there is none.
pub(crate) fn render(record: &Record, out: &mut dyn Write) -> io::Result<()> {
    let sections = record.subjects.iter().filter_map(|subject| section(record, subject).transpose());
    let sections = sections.collect::<io::Result<Vec<String>>>()?;
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
fn section(record: &Record, subject: &SubjectRecord) -> io::Result<Option<String>> {
    // The repetitions of a case stand side by side.
    let cases = subject.results.chunk_by(|one, next| one.case == next.case);
    let failing = |results: &&[CaseResult]| results.iter().any(|result| is_unexpected(record, result));
    let entries = cases.filter(failing).map(|results| entry(record, results));
    let mut entries = entries.collect::<io::Result<Vec<String>>>()?;
    let errors = subject.tally.errors;
    if errors > 0 {
        entries.push(format!("  # {errors} could not be run at all, which is for mending.\n"));
    }
    let started = &subject.started;
    let head =
        format!("  # {}, role {}, {}\n", comment(&started.subject), started.role, comment(&started.manifest));
    Ok((!entries.is_empty()).then(|| head + &entries.concat()))
}

/// Whether a result is a failure that an entry could expect.
fn is_unexpected(record: &Record, result: &CaseResult) -> bool {
    result.outcome != Outcome::Error && record.standing(result) == Standing::Failed
}

/// The entry for a case, by the results of all its repetitions, or why there is none.
fn entry(record: &Record, results: &[CaseResult]) -> io::Result<String> {
    let Some(first) = results.iter().find(|result| is_unexpected(record, result)) else {
        return Ok(String::new());
    };
    let same = |result: &CaseResult| is_unexpected(record, result) && result.outcome == first.outcome;
    let alike = results.iter().filter(|result| same(result)).count();
    if alike < results.len() {
        let (case, outcome, all) = (comment(&first.case), first.outcome.name(), results.len());
        return Ok(format!(
            "  # {case} came to {outcome} in {alike} of {all} repetitions: a waived case fails each time.\n"
        ));
    }
    let pinned = waiver::pin(first).filter(|text| results.iter().all(|result| result.says(text)));
    let mut lines = String::new();
    if let Some(entry) = first.expected.as_ref().and_then(|expected| expected.entry.as_deref()) {
        lines.push_str(&format!("  # In place of what {} says of it.\n", comment(entry)));
    }
    let entry = Entry {
        case: &first.case,
        outcome: first.outcome.name(),
        failure: pinned.as_deref(),
        reason: "",
        owner: "",
    };
    let written = serde_yaml::to_string(&[entry]).map_err(io::Error::other)?;
    written.lines().for_each(|line| lines.push_str(&format!("  {line}\n")));
    Ok(lines)
}

/// What an entry says, to be completed.
#[derive(Serialize)]
struct Entry<'a> {
    case: &'a str,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a str>,
    reason: &'a str,
    owner: &'a str,
}

/// A text for one line of a comment.
fn comment(text: &str) -> String {
    visible(text).replace('\t', " ")
}
