//! What the entries under `expect` of a manifest mean for the cases of a plan.

use std::collections::BTreeSet;

use super::plan::{Plan, SelectionError, means_a_case};
use crate::event::Expected;
use crate::select::Pattern;
use crate::subject::Manifest;
use crate::subject::manifest::Expect;
use crate::terms::Day;

/// Cases by their names, each with the one it had before.
type Names<'a> = [(&'a str, Option<&'a str>)];

/// Finds entries that mean nothing: no case of the subject's role, or only such as earlier entries take.
///
/// # Errors
///
/// The first of them, with its place in the manifest.
pub(super) fn check(manifest: &Manifest, names: &Names<'_>) -> Result<(), SelectionError> {
    // The entry that takes each case.
    let mut taken: Vec<Option<&(Pattern, Expect)>> = vec![None; names.len()];
    for entry in &manifest.expect {
        let (pattern, expect) = entry;
        let wrong = |message: String| {
            SelectionError(format!("{}: under `expect`: {message}", place(manifest, expect)))
        };
        means_a_case(pattern, names, &[manifest.role]).map_err(wrong)?;
        let (mut first_taken, mut takes) = (None, false);
        for ((name, was), taken) in names.iter().zip(&mut taken) {
            if pattern.matches_either(name, *was) {
                match *taken {
                    Some(other) => first_taken = first_taken.or(Some(other)),
                    None => (*taken, takes) = (Some(entry), true),
                }
            }
        }
        if let (Some((_, other)), false) = (first_taken, takes) {
            return Err(wrong(format!(
                "`{}` means only cases that entries before it take, such as `{}` at {}: the first that fits a case \
                 counts; remove one, or put the narrower one first",
                pattern.text(),
                other.case.value,
                place(manifest, other)
            )));
        }
    }
    Ok(())
}

/// What the manifest expects of a case: by the first entry that fits one of its names, as of a day.
pub(super) fn expected(
    manifest: &Manifest,
    name: &str,
    was: Option<&str>,
    today: Option<Day>,
) -> Option<Expected> {
    let (_, expect) = manifest.expect.iter().find(|(pattern, _)| pattern.matches_either(name, was))?;
    let over = |until: Day| today.is_some_and(|today| today > until);
    Some(Expected {
        owner: expect.owner.clone().filter(|owner| !owner.trim().is_empty()),
        until: expect.until,
        expired: expect.until.is_some_and(over),
        failure: expect.failure.as_ref().map(|failure| failure.value.clone()),
        pattern: Some(expect.case.value.clone()),
        entry: Some(place(manifest, expect)),
        ..Expected::new(expect.outcome.value, &expect.reason)
    })
}

/// Sentences about entries that were not put to the test: of the chosen cases that they mean, none ran. `ran` holds
/// the places of the others.
pub(super) fn untested(manifest: &Manifest, plan: &Plan<'_>, ran: &BTreeSet<String>) -> Vec<String> {
    let mut sentences = Vec::new();
    for (pattern, expect) in &manifest.expect {
        let place = place(manifest, expect);
        let expected = plan.cases.iter().filter_map(|planned| planned.expected.as_ref());
        let chosen = expected.filter(|expected| expected.entry.as_ref() == Some(&place)).count();
        let none = match chosen {
            0 => continue,
            1 => "its case did not run".to_owned(),
            many => format!("none of its {many} cases ran"),
        };
        if !ran.contains(&place) {
            let pattern = pattern.text();
            sentences.push(format!("`{pattern}` under `expect` at {place} was not put to the test: {none}"));
        }
    }
    sentences
}

/// Where an entry stands: file, line and column.
fn place(manifest: &Manifest, expect: &Expect) -> String {
    let (line, column) = manifest.source.line_column(expect.case.span.start);
    format!("{}:{line}:{column}", manifest.source.name)
}
