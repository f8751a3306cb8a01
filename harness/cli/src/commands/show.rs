//! `iaspec show`: cases as annotated conversations.

use std::io::{self, Write};
use std::process::ExitCode;

use anstyle::Style;
use iaspec_harness::annotate::{self, Annotated, Block, Entry, Row, Stretch};
use iaspec_harness::select::Pattern;
use iaspec_harness::vectors::{CodecCase, Corpus, TranscriptCase};
use textwrap::{Options, WrapAlgorithm};

use super::{corpus, unknown_cases};
use crate::arguments::Show;
use crate::exit::Failure;

/// The fewest columns where 16 bytes stand in a line; below, there are 8.
const WIDE: usize = 100;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

pub(crate) fn show(arguments: &Show) -> Result<ExitCode, Failure> {
    let corpus = corpus(&arguments.vectors)?;
    let patterns: Vec<Pattern> = arguments
        .cases
        .iter()
        // The mode of encryption that a result has behind its name changes nothing that is shown.
        .map(|text| Pattern::new(text.split_once('@').map_or(text.as_str(), |(name, _)| name)))
        .collect::<Result<_, _>>()
        .map_err(Failure::usage)?;
    let unknown = unknown_cases(&corpus, &patterns);
    if !unknown.is_empty() {
        return Err(Failure::usages(unknown));
    }
    let wanted =
        |name: &str, was: Option<&str>| patterns.iter().any(|pattern| pattern.matches_either(name, was));
    let codec = corpus.codec.iter().filter(|case| wanted(&case.name, case.was.as_deref()));
    let transcripts = corpus.transcripts.iter().flat_map(|transcript| &transcript.cases);
    let transcripts = transcripts.filter(|case| wanted(&case.name, case.was.as_deref()));
    let width = arguments.width.columns();
    let mut out = anstream::stdout().lock();
    let mut page = Page { out: &mut out, width, corpus: &corpus };
    for (place, case) in codec.map(Case::Codec).chain(transcripts.map(Case::Transcript)).enumerate() {
        if place > 0 {
            writeln!(page.out)?;
        }
        page.case(&case.annotated(&corpus))?;
    }
    Ok(ExitCode::SUCCESS)
}

enum Case<'a> {
    Codec(&'a CodecCase),
    Transcript(&'a TranscriptCase),
}

impl Case<'_> {
    fn annotated(&self, corpus: &Corpus) -> Annotated {
        match self {
            Case::Codec(case) => annotate::codec_case(case, &corpus.formats),
            Case::Transcript(case) => annotate::conversation(case, &corpus.formats),
        }
    }
}

/// Lays cases out in lines of so many columns.
struct Page<'a, W> {
    out: &'a mut W,
    width: usize,
    corpus: &'a Corpus,
}

impl<W: Write> Page<'_, W> {
    fn case(&mut self, case: &Annotated) -> io::Result<()> {
        self.wrapped(&case.name, BOLD, "", "  ")?;
        self.wrapped(&case.title, Style::new(), "  ", "  ")?;
        let widest = case.facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let mut before = "";
        for (name, text) in &case.facts {
            // A word that goes on stands once.
            let label = if *name == before { "" } else { name };
            let indent = " ".repeat(widest + 4);
            self.wrapped(text, Style::new(), &format!("  {label:<widest$}  "), &indent)?;
            before = name;
        }
        for id in &case.clauses {
            let text = match self.corpus.clauses.get(id) {
                Some(clause) => format!("{id} ({}) {}: {}", clause.tier.name(), clause.title, clause.text),
                None => id.clone(),
            };
            self.wrapped(&text, DIM, "  ", "    ")?;
        }
        case.entries.iter().try_for_each(|entry| self.entry(entry))?;
        if case
            .entries
            .iter()
            .flat_map(|entry| &entry.blocks)
            .flat_map(|block| &block.rows)
            .any(|row| row.at_least)
        {
            writeln!(self.out)?;
            self.wrapped(
                "12+: at offset 12 or behind it, since the run decides a length before",
                DIM,
                "  ",
                "  ",
            )?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        let indent = "  ".repeat(entry.depth.min(6));
        writeln!(self.out)?;
        self.wrapped(&entry.head, BOLD, &format!("{indent}{}. ", entry.number), &format!("{indent}    "))?;
        let inner = format!("{indent}    ");
        for note in &entry.notes {
            self.wrapped(note, Style::new(), &inner, &format!("{inner}  "))?;
        }
        entry.blocks.iter().try_for_each(|block| self.block(block, &inner))
    }

    fn block(&mut self, block: &Block, indent: &str) -> io::Result<()> {
        self.wrapped(&block.title, Style::new().underline(), indent, &format!("{indent}  "))?;
        let offsets: Vec<String> = block.rows.iter().map(offset).collect();
        let widest = offsets.iter().map(String::len).max().unwrap_or(0).max(4);
        for (row, offset) in block.rows.iter().zip(&offsets) {
            self.row(row, &format!("{indent}{offset:>widest$}  "))?;
        }
        if block.more > 0 {
            writeln!(self.out, "{indent}… {} fields more", block.more)?;
        }
        if block.rows.iter().any(|row| row.decrypted) {
            self.wrapped("~ in the plaintext of the encrypted part", DIM, indent, indent)?;
        }
        Ok(())
    }

    /// A field: offset, bytes, and beside them name and meaning.
    fn row(&mut self, row: &Row, lead: &str) -> io::Result<()> {
        let in_a_line = if self.width < WIDE { 8 } else { 16 };
        let hex = hex_lines(&row.stretch, in_a_line);
        let column = 3 * in_a_line - 1;
        let text =
            if row.text.is_empty() { row.field.clone() } else { format!("{}: {}", row.field, row.text) };
        let left = lead.chars().count();
        let room = self.width.saturating_sub(left + column + 2).max(8);
        let words = textwrap::wrap(&text, wrapping(room));
        for line in 0..hex.len().max(words.len()) {
            let hex = hex.get(line).map_or("", String::as_str);
            let words = words.get(line).map_or("", |words| words.trim_end());
            let lead = if line == 0 { lead.to_owned() } else { " ".repeat(left) };
            let padding = " ".repeat(if words.is_empty() { 0 } else { column + 2 - hex.chars().count() });
            writeln!(self.out, "{DIM}{lead}{DIM:#}{hex}{padding}{words}")?;
        }
        Ok(())
    }

    /// A text in a style, wrapped behind an indent.
    fn wrapped(&mut self, text: &str, style: Style, first: &str, rest: &str) -> io::Result<()> {
        let options = wrapping(self.width).initial_indent(first).subsequent_indent(rest);
        for (place, line) in textwrap::wrap(text, options).iter().enumerate() {
            let indent = if place == 0 { first } else { rest };
            let words = line.strip_prefix(indent).unwrap_or(line);
            writeln!(self.out, "{indent}{style}{words}{style:#}")?;
        }
        Ok(())
    }
}

/// Lines of at most so many columns. The other algorithm makes some longer for an evener look.
fn wrapping<'a>(columns: usize) -> Options<'a> {
    Options::new(columns).break_words(true).wrap_algorithm(WrapAlgorithm::FirstFit)
}

/// The offset of a row, marked where it is a lower bound or one of a plaintext.
fn offset(row: &Row) -> String {
    let decrypted = if row.decrypted { "~" } else { "" };
    let at_least = if row.at_least { "+" } else { " " };
    format!("{decrypted}{}{at_least}", row.offset)
}

/// The bytes of a field, so many a line; what is left out is counted.
fn hex_lines(stretch: &Stretch, in_a_line: usize) -> Vec<String> {
    let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    match stretch {
        Stretch::Open(Some(length)) if *length <= in_a_line => vec![vec!["??"; *length].join(" ")],
        Stretch::Open(Some(length)) => vec![format!("?? … {length} bytes")],
        Stretch::Open(None) => vec!["?? …".to_owned()],
        Stretch::Known { start, length } => {
            let mut lines: Vec<String> = start.chunks(in_a_line).map(digits).collect();
            if *length > start.len() {
                lines.push(format!("… {} more", length - start.len()));
            }
            lines
        }
    }
}
