//! One case that did not pass, for a reader: what it shows, which clause demands that, what was expected
//! and what came, field by field, what the subject logged, and how to run it alone.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use iaspec_harness::event::{CaseResult, ClauseText, Exchange, Happening};
use iaspec_harness::format::{ByteDifference, Row};
use iaspec_harness::verdict::{Outcome, Problem};

/// How many rows of a side-by-side view are shown around the first difference.
const MOST_ROWS: usize = 12;

/// How many lines of a subject's log are shown: the last ones.
const LOG_LINES: usize = 12;

/// The columns where there is no terminal.
const PLAIN_WIDTH: usize = 100;

/// The clauses of a run by their names.
pub(crate) type Clauses = BTreeMap<String, ClauseText>;

/// How a case in full is laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// The columns of a line.
    pub(crate) width: usize,
    /// Whether outcomes and differing rows are styled with escape sequences.
    pub(crate) styled: bool,
}

impl Layout {
    fn style(self, style: Style) -> Style {
        if self.styled { style } else { Style::new() }
    }
}

/// What went wrong, in one line: the reason, or the step and summary of the first problem.
pub(crate) fn summary(result: &CaseResult) -> String {
    let problem = || result.problems.first().map(|problem| format!("{}: {}", problem.step, problem.summary));
    result.reason.clone().or_else(problem).unwrap_or_default()
}

/// What tells a repetition from the first, behind the name of its case.
pub(crate) fn repetition(result: &CaseResult) -> String {
    if result.repetition > 1 { format!(" (repetition {})", result.repetition) } else { String::new() }
}

/// The case in one line.
pub(crate) fn line(result: &CaseResult) -> String {
    let style = outcome_style(result.outcome);
    format!("{style}{}{style:#} {}: {}", result.outcome.name(), result.case, summary(result))
}

/// The case in full, without styles, for reports that are no terminal's.
pub(crate) fn plain(result: &CaseResult, clauses: &Clauses) -> String {
    let mut out = Vec::new();
    // Writing to memory cannot fail.
    let _ = write(&mut out, result, clauses, Layout { width: PLAIN_WIDTH, styled: false });
    String::from_utf8_lossy(&out).trim_start_matches('\n').to_owned()
}

/// The case in full, behind an empty line.
pub(crate) fn write(
    out: &mut impl Write,
    result: &CaseResult,
    clauses: &Clauses,
    layout: Layout,
) -> io::Result<()> {
    let style = layout.style(outcome_style(result.outcome));
    let width = layout.width;
    writeln!(out)?;
    writeln!(out, "{style}{}{style:#} {}{}", result.outcome.name(), result.case, repetition(result))?;
    writeln!(out, "  {}", result.title)?;
    for id in &result.clauses {
        match clauses.get(id) {
            Some(clause) => {
                let text = format!("{id} ({}) {}: {}", clause.tier.name(), clause.title, clause.text);
                let options = textwrap::Options::new(width).initial_indent("  ").subsequent_indent("    ");
                writeln!(out, "{}", textwrap::fill(&text, options))?;
            }
            None => writeln!(out, "  {id}")?,
        }
    }
    if let Some(reason) = &result.reason {
        let options = textwrap::Options::new(width).initial_indent("  ").subsequent_indent("  ");
        writeln!(out, "{}", textwrap::fill(reason, options))?;
    }
    for problem in &result.problems {
        write_problem(out, problem, layout)?;
    }
    conversation(out, result, width)?;
    log(out, result)?;
    if let Some(rerun) = &result.rerun {
        writeln!(out, "  again: {rerun}")?;
    }
    Ok(())
}

/// How many exchanges are shown: the last ones.
const EXCHANGES: usize = 16;

/// What happened on the connections, a line each: when, on which, which way, and the first bytes.
fn conversation(out: &mut impl Write, result: &CaseResult, width: usize) -> io::Result<()> {
    let exchanges = &result.conversation;
    if exchanges.is_empty() {
        return Ok(());
    }
    writeln!(out, "  what happened (→ to the subject, ← from it; seconds since the case began):")?;
    let from = exchanges.len().saturating_sub(EXCHANGES);
    if from > 0 {
        writeln!(out, "    … {from} before")?;
    }
    let names = exchanges[from..].iter().map(|exchange| exchange.connection.chars().count());
    let name_width = names.max().unwrap_or(0);
    for exchange in &exchanges[from..] {
        let seconds = exchange.micros as f64 / 1e6;
        let head = format!("    {seconds:>8.3}  {:name_width$}  ", exchange.connection);
        writeln!(out, "{head}{}", happening(exchange, width.saturating_sub(head.chars().count())))?;
    }
    Ok(())
}

/// What happened, in so many columns.
fn happening(exchange: &Exchange, width: usize) -> String {
    let amount = iaspec_harness::hex_text::amount(exchange.count);
    let with_bytes = |what: &str| {
        let head = format!("{what} {amount}: ");
        let shown = exchange.bytes.len() / 2;
        let room = width.saturating_sub(head.chars().count() + 2) / 3;
        let digits = exchange.bytes.as_bytes().chunks(2).take(room.max(1));
        let pairs: Vec<_> = digits.map(|pair| String::from_utf8_lossy(pair).into_owned()).collect();
        let more = if pairs.len() < shown || shown < exchange.count { " …" } else { "" };
        format!("{head}{}{more}", pairs.join(" "))
    };
    match exchange.what {
        Happening::Connected => "→ connected".to_owned(),
        Happening::Sent => with_bytes("→"),
        Happening::Received => with_bytes("←"),
        Happening::Unread => with_bytes("← not asked for,"),
        Happening::HalfClosed => "→ FIN, reading on".to_owned(),
        Happening::Closed => "→ closed".to_owned(),
        Happening::Reset => "→ RST".to_owned(),
        Happening::ClosedBySubject => "← closed (FIN)".to_owned(),
        Happening::ResetBySubject => "← reset (RST)".to_owned(),
    }
}

/// What the subject logged last.
pub(crate) fn log(out: &mut impl Write, result: &CaseResult) -> io::Result<()> {
    let Some(log) = &result.log else { return Ok(()) };
    let lines: Vec<&str> = log.lines().collect();
    let skipped = lines.len().saturating_sub(LOG_LINES);
    writeln!(out, "  the subject logged{}:", if skipped > 0 { ", at last" } else { "" })?;
    for line in &lines[skipped..] {
        writeln!(out, "    | {line}")?;
    }
    Ok(())
}

fn write_problem(out: &mut impl Write, problem: &Problem, layout: Layout) -> io::Result<()> {
    let width = layout.width;
    let bold = layout.style(Style::new().bold());
    writeln!(out, "  {bold}{}: {}{bold:#}", problem.step, problem.summary)?;
    for (name, text) in [("expected", &problem.expected), ("actual", &problem.actual)] {
        let options = textwrap::Options::new(width)
            .initial_indent("    ")
            .subsequent_indent("              ")
            .break_words(true);
        writeln!(out, "{}", textwrap::fill(&format!("{name:<9} {text}"), options))?;
    }
    if let Some(bytes) = &problem.bytes {
        write_bytes(out, bytes, layout)?;
    }
    Ok(())
}

/// Expected and actual bytes side by side, a field a row; stacked where the lines are too short for that.
fn write_bytes(out: &mut impl Write, bytes: &ByteDifference, layout: Layout) -> io::Result<()> {
    let one_sided = bytes.rows.iter().all(|row| row.actual.is_empty() && row.actual_text.is_empty());
    let first = bytes.rows.iter().position(|row| row.differs).unwrap_or(0);
    let from = first.saturating_sub(MOST_ROWS / 2);
    let rows = &bytes.rows[from..bytes.rows.len().min(from + MOST_ROWS)];
    let field = rows.iter().map(|row| row.field.chars().count()).max().unwrap_or(0).clamp(5, 28);
    let cells = |row: &Row| (cell(&row.expected, &row.expected_text), cell(&row.actual, &row.actual_text));
    let left = rows.iter().map(|row| cells(row).0.chars().count()).max().unwrap_or(0).max(8);
    let right = rows.iter().map(|row| cells(row).1.chars().count()).max().unwrap_or(0).max(6);
    let side_by_side = !one_sided && 4 + 9 + field + 2 + left + 2 + right <= layout.width;
    if from + bytes.rows_before > 0 {
        writeln!(out, "    … {} before", fields(from + bytes.rows_before))?;
    }
    if side_by_side {
        writeln!(out, "      offset  {:field$}  {:left$}  actual", "field", "expected")?;
    }
    for row in rows {
        let mark = if row.differs { ">" } else { " " };
        let plain = if row.decrypted { "~" } else { " " };
        let (expected, actual) = cells(row);
        let head = format!("    {mark}{plain}{:>6}  {:field$}", row.offset, row.field);
        let style = if row.differs { layout.style(Style::new().bold()) } else { Style::new() };
        if side_by_side {
            writeln!(out, "{style}{head}  {expected:left$}  {actual}{style:#}")?;
        } else if one_sided || !row.differs {
            writeln!(out, "{style}{head}  {expected}{style:#}")?;
        } else {
            writeln!(out, "{style}{head}{style:#}")?;
            writeln!(out, "{style}              expected {expected}{style:#}")?;
            writeln!(out, "{style}              actual   {actual}{style:#}")?;
        }
    }
    let after = bytes.rows.len() - from - rows.len() + bytes.rows_after;
    if after > 0 {
        writeln!(out, "    … {} after", fields(after))?;
    }
    if rows.iter().any(|row| row.decrypted) {
        writeln!(out, "    ~ in the plaintext of the encrypted part")?;
    }
    Ok(())
}

fn fields(count: usize) -> String {
    format!("{count} {}", if count == 1 { "field" } else { "fields" })
}

fn cell(hex: &str, text: &str) -> String {
    match (hex.is_empty(), text.is_empty()) {
        (true, true) => "-".to_owned(),
        (false, true) => hex.to_owned(),
        (true, false) => format!("({text})"),
        (false, false) => format!("{hex}  ({text})"),
    }
}

/// The style of an outcome's name.
pub(crate) fn outcome_style(outcome: Outcome) -> Style {
    let colour = match outcome {
        Outcome::Pass => AnsiColor::Green,
        Outcome::Fail | Outcome::Error => AnsiColor::Red,
        Outcome::Difference => AnsiColor::Magenta,
        Outcome::Warning => AnsiColor::Yellow,
        Outcome::Skip => AnsiColor::BrightBlack,
    };
    Style::new().fg_color(Some(colour.into())).bold()
}
