//! A summary of a run in GitHub's Markdown, for the page of a CI job: the counts, a table of the cases that did
//! not pass, each in full behind a fold, skips by reason, and the clauses that failed.
//!
//! Such pages are limited to a mebibyte, so that rows and folds end at a budget; what is left out is counted.

use std::collections::BTreeMap;
use std::io::{self, Write};

use iaspec_harness::event::{CaseResult, Expected, Tally};
use iaspec_harness::floor::MissingCase;

use crate::characters::visible;
use crate::failure::{self, Clauses};
use crate::record::{self, Record, Standing};

/// How many bytes the table may have.
const TABLE_BUDGET: usize = 200 << 10;

/// How many bytes the folded texts may have.
const DETAILS_BUDGET: usize = 500 << 10;

/// How many bytes the cases below the floor may have.
const FLOOR_BUDGET: usize = 100 << 10;

/// How many characters of a text one cell of a table may have.
const CELL_CHARACTERS: usize = 300;

/// Writes the summary.
pub(crate) fn render(record: &Record, out: &mut dyn Write) -> io::Result<()> {
    let tally = record.tally();
    writeln!(out, "## iaspec: {}\n", headline(&tally, record.run.strict))?;
    if let Some(gap) = record.gap() {
        writeln!(out, "> **{}**\n", escaped(&gap))?;
    }
    let subjects: Vec<String> = record
        .subjects
        .iter()
        .map(|subject| format!("{} (role {})", code(&subject.started.subject), subject.started.role))
        .collect();
    let strict = if record.run.strict { ", strict" } else { "" };
    let run = &record.run;
    writeln!(
        out,
        "iaspec {}, vectors {}{strict}: {}",
        escaped(&run.iaspec),
        code(&run.digest),
        subjects.join(", ")
    )?;
    dialects(out, record)?;
    let shown: Vec<Shown<'_>> = record.results().filter_map(|result| Shown::of(record, result)).collect();
    floor(out, record)?;
    table(out, &shown)?;
    details(out, &shown, &record.clause_texts())?;
    notices(out, record)?;
    timing(out, record)?;
    skips(out, record)?;
    failed_clauses(out, record)
}

/// The readings that manifests leave open.
fn dialects(out: &mut dyn Write, record: &Record) -> io::Result<()> {
    for subject in record.subjects.iter().filter(|subject| !subject.knobs.is_empty()) {
        let knobs: Vec<String> = subject.knobs.iter().map(|knob| escaped(&record::knob(knob))).collect();
        writeln!(out, "\nDialect of {}: {}", code(&subject.started.subject), knobs.join(", "))?;
    }
    Ok(())
}

/// What became of the floor, and the cases that are missing, as many as fit; and whether enough cases ran.
fn floor(out: &mut dyn Write, record: &Record) -> io::Result<()> {
    if let Some(too_few) = record.finished.as_ref().and_then(|run| run.too_few) {
        writeln!(out, "\nToo few cases: {too_few}")?;
    }
    let Some(floor) = record.finished.as_ref().and_then(|run| run.floor.as_ref()) else { return Ok(()) };
    for line in floor.lines() {
        writeln!(out, "\nFloor: {}", escaped(&line))?;
    }
    if floor.missing.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n### Below the floor\n")?;
    let line = |missing: &MissingCase| format!("- {}\n", escaped(&clipped(&missing.line())));
    let left_out = within(out, FLOOR_BUDGET, floor.missing.iter(), line)?;
    if left_out > 0 {
        writeln!(out, "\n{left_out} more not listed here.")?;
    }
    Ok(())
}

/// The counts, those that are always told first.
fn headline(tally: &Tally, strict: bool) -> String {
    let mut words = vec![
        format!("{} passed", tally.passed),
        format!("{} failed", tally.failures(strict)),
        format!("{} skipped", tally.skipped),
    ];
    let others = [
        ("errors", tally.errors),
        ("contract failures", tally.contract),
        ("differences", tally.differences),
        ("warnings", tally.warnings),
        ("expected failures", tally.expected_failures),
        ("unexpected passes", tally.unexpected_passes),
        ("failures other than expected", tally.other_failures),
    ];
    words.extend(
        others.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("{name}: {count}")),
    );
    words.join(", ")
}

/// A result that is shown by itself.
struct Shown<'a> {
    result: &'a CaseResult,
    word: &'static str,
    /// Whether there is more to tell than the row does.
    in_full: bool,
}

impl<'a> Shown<'a> {
    fn of(record: &Record, result: &'a CaseResult) -> Option<Self> {
        let (word, in_full) = match record.standing(result) {
            Standing::Passed | Standing::Skipped => return None,
            Standing::Failed | Standing::Remarked | Standing::Error => (result.outcome.name(), true),
            Standing::ExpectedFailure => ("expected failure", false),
            Standing::UnexpectedPass => ("unexpected pass", false),
        };
        Some(Self { result, word, in_full })
    }

    fn row(&self) -> String {
        let what = match self.word {
            "expected failure" => self.result.expected.as_ref().map(Expected::grounds),
            "unexpected pass" => self.result.remark(),
            _ => Some(failure::summary(self.result)),
        };
        format!(
            "| {} | {}{} | {} | {} |\n",
            self.word,
            code(&self.result.case),
            failure::repetition(self.result),
            escaped(&self.result.clauses.join(", ")),
            escaped(&clipped(&what.unwrap_or_default())),
        )
    }

    /// Behind a fold, in a fence longer than any in the text.
    fn fold(&self, clauses: &Clauses) -> String {
        let text = visible(&failure::plain(self.result, clauses));
        let fence = "`".repeat(longest_run(&text, '`').max(2) + 1);
        let name = html(&visible(&self.result.case)).replace('\n', " ");
        let repetition = failure::repetition(self.result);
        let word = self.word;
        format!(
            "\n<details><summary>{word} <code>{name}</code>{repetition}</summary>\n\n{fence}text\n{text}{fence}\n\n</details>\n"
        )
    }
}

fn table(out: &mut dyn Write, shown: &[Shown<'_>]) -> io::Result<()> {
    if shown.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n| Outcome | Case | Clauses | What |\n|---|---|---|---|")?;
    let left_out = within(out, TABLE_BUDGET, shown.iter(), Shown::row)?;
    if left_out > 0 {
        writeln!(out, "\n{left_out} more not listed here.")?;
    }
    Ok(())
}

fn details(out: &mut dyn Write, shown: &[Shown<'_>], clauses: &Clauses) -> io::Result<()> {
    let in_full = shown.iter().filter(|shown| shown.in_full);
    let left_out = within(out, DETAILS_BUDGET, in_full, |shown| shown.fold(clauses))?;
    if left_out > 0 {
        writeln!(out, "\n{left_out} more not shown in full here.")?;
    }
    Ok(())
}

/// Writes the texts of items up to a number of bytes and tells how many were left out.
fn within<'a, T: 'a>(
    out: &mut dyn Write,
    budget: usize,
    mut shown: impl Iterator<Item = &'a T>,
    text: impl Fn(&T) -> String,
) -> io::Result<usize> {
    let mut left = budget;
    while let Some(next) = shown.next() {
        let text = text(next);
        match left.checked_sub(text.len()) {
            Some(rest) => left = rest,
            None => return Ok(1 + shown.count()),
        }
        out.write_all(text.as_bytes())?;
    }
    Ok(0)
}

fn notices(out: &mut dyn Write, record: &Record) -> io::Result<()> {
    let notices: Vec<_> = record.subjects.iter().flat_map(|subject| &subject.notices).collect();
    if notices.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n### Notices\n")?;
    for notice in notices {
        let word = notice.gravity().name();
        writeln!(out, "- {word}: {}: {}", code(&notice.subject), escaped(&clipped(&notice.message)))?;
    }
    Ok(())
}

/// What was measured, a line each.
fn timing(out: &mut dyn Write, record: &Record) -> io::Result<()> {
    let measured: Vec<_> = record.subjects.iter().filter_map(|subject| subject.timing.as_ref()).collect();
    if measured.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n### Timing\n")?;
    for timing in measured {
        for line in timing.lines() {
            writeln!(out, "- {}: {}", code(&timing.subject), escaped(&line))?;
        }
    }
    Ok(())
}

fn skips(out: &mut dyn Write, record: &Record) -> io::Result<()> {
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for result in record.results().filter(|result| record.standing(result) == Standing::Skipped) {
        *reasons.entry(failure::summary(result)).or_default() += 1;
    }
    if reasons.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n### Skipped\n\n| Cases | Reason |\n|---:|---|")?;
    for (reason, count) in reasons {
        writeln!(out, "| {count} | {} |", escaped(&clipped(&reason)))?;
    }
    Ok(())
}

fn failed_clauses(out: &mut dyn Write, record: &Record) -> io::Result<()> {
    let strict = record.run.strict;
    let texts = record.clause_texts();
    let mut rows = Vec::new();
    for (id, tally) in record.clause_tallies() {
        let failures = tally.failures(strict);
        if failures > 0 {
            let title = texts.get(id).map(|clause| escaped(&clause.title)).unwrap_or_default();
            rows.push(format!("| {} | {title} | {failures} | {} |", escaped(id), tally.passed));
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n### Clauses that failed\n\n| Clause | Title | Failed | Passed |\n|---|---|---:|---:|")?;
    writeln!(out, "{}", rows.join("\n"))
}

/// The start of a text that is too long for a cell.
fn clipped(text: &str) -> String {
    match text.char_indices().nth(CELL_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A text that means itself in a paragraph or a cell.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '\n' | '\t' => escaped.push(' '),
            '<' | '>' | '&' => escaped.push_str(entity(c)),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' | '#' | '!' | '@' | ':' => {
                escaped.push('\\');
                escaped.push(c);
            }
            // It would begin a link by itself.
            '.' if escaped.ends_with("www") => escaped.push_str("\\."),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A text in the font of code, that means itself in a paragraph or a cell.
fn code(text: &str) -> String {
    format!("<code>{}</code>", escaped(text))
}

/// A text that means itself in HTML.
fn html(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match entity(c) {
            "" => html.push(c),
            entity => html.push_str(entity),
        }
    }
    html
}

fn entity(c: char) -> &'static str {
    match c {
        '<' => "&lt;",
        '>' => "&gt;",
        '&' => "&amp;",
        _ => "",
    }
}

/// The length of the longest run of a character.
fn longest_run(text: &str, wanted: char) -> usize {
    text.split(|c| c != wanted).map(str::len).max().unwrap_or(0)
}
