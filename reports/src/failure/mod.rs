//! One case that did not pass, for a reader: what it shows, which clause demands that, what was expected
//! and what came, field by field, what the subject logged, and how to run it alone.

mod bytes;

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use iaspec_harness::event::{CaseResult, ClauseText, Exchange, Happening};
use iaspec_harness::verdict::{Outcome, Problem};

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

    /// A text in lines that are not too long; words with hyphens, such as names and GUIDs, stay whole.
    fn fill(self, text: &str, first: &str, rest: &str) -> String {
        let options = textwrap::Options::new(self.width)
            .initial_indent(first)
            .subsequent_indent(rest)
            .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit)
            .word_splitter(textwrap::WordSplitter::NoHyphenation)
            .word_separator(textwrap::WordSeparator::AsciiSpace);
        textwrap::fill(text, options)
    }

    fn colour(self, colour: AnsiColor) -> Style {
        self.style(Style::new().fg_color(Some(colour.into())))
    }
}

/// What went wrong, in one line: the reason, or the step and summary of the first problem; and what an entry under
/// `expect` has to do with it.
pub(crate) fn summary(result: &CaseResult) -> String {
    let problem = || result.problems.first().map(|problem| format!("{}: {}", problem.step, problem.summary));
    let what = result.reason.clone().or_else(problem);
    what.into_iter().chain(result.remark()).collect::<Vec<_>>().join("; ")
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
    writeln!(out)?;
    writeln!(out, "{style}{}{style:#} {}{}", result.outcome.name(), result.case, repetition(result))?;
    writeln!(out, "{}", layout.fill(&result.title, "  ", "  "))?;
    cited(out, result, clauses, layout)?;
    if let Some(reason) = &result.reason {
        writeln!(out, "{}", layout.fill(reason, "  ", "  "))?;
    }
    if let Some(remark) = result.remark() {
        writeln!(out, "{}", layout.fill(&remark, "  ", "  "))?;
    }
    for problem in &result.problems {
        write_problem(out, problem, layout)?;
    }
    conversation(out, result, layout)?;
    log(out, result, "the subject logged meanwhile", layout)?;
    if let Some(rerun) = &result.rerun {
        writeln!(out, "  again: {rerun}")?;
    }
    Ok(())
}

/// The clauses that are broken, with their texts, and the others by name. Where the case broke the subject rather than a
/// clause, the one that it is about stands first.
fn cited(out: &mut impl Write, result: &CaseResult, clauses: &Clauses, layout: Layout) -> io::Result<()> {
    let (broken, others) = broken(result);
    let verb = if result.problems.is_empty() { "tests" } else { "breaks" };
    for id in broken {
        let text = match clauses.get(id) {
            Some(clause) => {
                format!("{verb} {id} ({}) {}: {}", clause.tier.name(), clause.title, clause.text)
            }
            None => format!("{verb} {id}"),
        };
        writeln!(out, "{}", layout.fill(&text, "  ", "    "))?;
    }
    if !others.is_empty() {
        writeln!(out, "{}", layout.fill(&format!("cites {} too", others.join(", ")), "  ", "    "))?;
    }
    Ok(())
}

/// The clauses that a result shows to be broken, and the others that its case cites.
fn broken(result: &CaseResult) -> (Vec<&str>, Vec<&str>) {
    let of_problems: Vec<&str> =
        result.problems.iter().filter_map(|problem| problem.clause.as_deref()).collect();
    let main = result.clauses.first().map(String::as_str);
    let is_broken = |id: &str| match of_problems.is_empty() {
        true => main == Some(id),
        false => of_problems.contains(&id),
    };
    result.clauses.iter().map(String::as_str).partition(|id| is_broken(id))
}

/// How many exchanges are shown: the last ones.
const EXCHANGES: usize = 16;

/// What happened on the connections, a line each: when, on which, which way, and the first bytes.
fn conversation(out: &mut impl Write, result: &CaseResult, layout: Layout) -> io::Result<()> {
    let exchanges = &result.conversation;
    if exchanges.is_empty() {
        return Ok(());
    }
    let width = layout.width;
    let is_told = exchanges.iter().any(|exchange| exchange.what == Happening::Told);
    let told = if is_told { ", ⇒ told, ⇐ answered" } else { "" };
    writeln!(out, "  what happened (→ sent, ← came{told}; seconds into the case):")?;
    let from = exchanges.len().saturating_sub(EXCHANGES);
    if from > 0 {
        writeln!(out, "    … {from} before")?;
    }
    let names = exchanges[from..].iter().map(|exchange| exchange.connection.chars().count());
    let name_width = names.max().unwrap_or(0);
    for exchange in &exchanges[from..] {
        let seconds = exchange.micros as f64 / 1e6;
        let head = format!("    {seconds:>8.3}  {:name_width$}  ", exchange.connection);
        let style = layout.style(exchange_style(exchange.what));
        let what = happening(exchange, width.saturating_sub(head.chars().count()));
        writeln!(out, "{head}{style}{what}{style:#}")?;
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
    let with_text = |what: &str| {
        let room = width.saturating_sub(what.chars().count() + 1).max(8);
        let is_long = exchange.text.chars().count() > room;
        let kept: String = exchange.text.chars().take(if is_long { room - 1 } else { room }).collect();
        format!("{what} {kept}{}", if is_long { "…" } else { "" })
    };
    match exchange.what {
        Happening::Told => with_text("⇒"),
        Happening::Answered => with_text("⇐"),
        Happening::ConnectedBySubject => "← connected".to_owned(),
        Happening::Connected => "→ connected".to_owned(),
        Happening::HostReceived => with_bytes("⇢ reached it,"),
        Happening::HostSent => with_bytes("⇠ it sent,"),
        Happening::Sent => with_bytes("→"),
        Happening::Received => with_bytes("←"),
        Happening::Unread => with_bytes("← unread,"),
        Happening::HalfClosed => "→ FIN, reading on".to_owned(),
        Happening::Closed => "→ closed".to_owned(),
        Happening::Reset => "→ RST".to_owned(),
        Happening::ClosedBySubject => "← closed (FIN)".to_owned(),
        Happening::ResetBySubject => "← reset (RST)".to_owned(),
        Happening::Unopened => "← what cannot be decrypted".to_owned(),
    }
}

/// What the subject did stands out from what the harness did.
fn exchange_style(what: Happening) -> Style {
    match what {
        Happening::Connected
        | Happening::Told
        | Happening::Sent
        | Happening::HalfClosed
        | Happening::Closed
        | Happening::HostReceived
        | Happening::HostSent
        | Happening::Reset => Style::new().dimmed(),
        Happening::Received
        | Happening::Answered
        | Happening::ConnectedBySubject
        | Happening::ClosedBySubject
        | Happening::ResetBySubject
        | Happening::Unopened => Style::new(),
        Happening::Unread => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
    }
}

/// What the subject logged last, under a heading.
pub(crate) fn log(
    out: &mut impl Write,
    result: &CaseResult,
    heading: &str,
    layout: Layout,
) -> io::Result<()> {
    let Some(log) = &result.log else { return Ok(()) };
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let skipped = lines.len().saturating_sub(LOG_LINES);
    writeln!(out, "  {heading}{}:", if skipped > 0 { ", at last" } else { "" })?;
    let dimmed = layout.style(Style::new().dimmed());
    for line in &lines[skipped..] {
        for row in layout.fill(line, "    | ", "    |   ").lines() {
            writeln!(out, "{dimmed}{row}{dimmed:#}")?;
        }
    }
    Ok(())
}

fn write_problem(out: &mut impl Write, problem: &Problem, layout: Layout) -> io::Result<()> {
    let bold = layout.style(Style::new().bold());
    let head = layout.fill(&format!("{}: {}", problem.step, problem.summary), "  ", "    ");
    writeln!(out, "{bold}{head}{bold:#}")?;
    let sides =
        [("expected", &problem.expected, AnsiColor::Green), ("actual", &problem.actual, AnsiColor::Red)];
    for (name, text, colour) in sides {
        let style = layout.colour(colour);
        let line = layout.fill(&format!("{name:<9} {text}"), "    ", "              ");
        writeln!(out, "{style}{line}{style:#}")?;
    }
    if let Some(bytes) = &problem.bytes {
        bytes::write(out, bytes, layout)?;
    }
    Ok(())
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
