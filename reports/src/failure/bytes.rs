//! Expected and actual bytes by field: side by side, or stacked where the lines are too short for that.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use iaspec_harness::format::{ByteDifference, Row};

use super::Layout;

/// How many rows are shown around the first difference.
const MOST_ROWS: usize = 12;

/// How wide the column of field names is at least and at most.
const FIELD_WIDTH: (usize, usize) = (5, 28);

/// What stands before a line of a stacked row, in front of its bytes.
const STACKED: [&str; 2] = ["              expected ", "              actual   "];

/// Writes the rows around the first difference, with a mark under its first byte.
pub(super) fn write(out: &mut impl Write, bytes: &ByteDifference, layout: Layout) -> io::Result<()> {
    let first = bytes.rows.iter().position(|row| row.differs);
    let from = first.unwrap_or(0).saturating_sub(MOST_ROWS / 2);
    let rows = &bytes.rows[from..bytes.rows.len().min(from + MOST_ROWS)];
    let table = Table::of(rows, layout);
    if from + bytes.rows_before > 0 {
        writeln!(out, "    … {} before", fields(from + bytes.rows_before))?;
    }
    if table.form == Form::SideBySide {
        let (field, left) = (table.field, table.left);
        writeln!(out, "      offset  {:field$}  {:left$}  actual", "field", "expected")?;
    }
    for (at, row) in rows.iter().enumerate() {
        table.row(out, row)?;
        if Some(from + at) == first {
            table.mark(out, row)?;
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

/// How rows are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Both in one line.
    SideBySide,
    /// Expected above actual, in rows that differ.
    Stacked,
    /// There is nothing to compare with.
    OneSided,
}

/// The columns of rows.
struct Table {
    layout: Layout,
    form: Form,
    field: usize,
    left: usize,
}

impl Table {
    fn of(rows: &[Row], layout: Layout) -> Self {
        let widest = |width: &dyn Fn(&Row) -> usize| rows.iter().map(width).max().unwrap_or(0);
        let field = widest(&|row| row.field.chars().count()).clamp(FIELD_WIDTH.0, FIELD_WIDTH.1);
        let left = widest(&|row| cells(row).0.chars().count()).max("expected".len());
        let right = widest(&|row| cells(row).1.chars().count()).max("actual".len());
        let one_sided = rows.iter().all(|row| row.actual.is_empty() && row.actual_text.is_empty());
        let form = if one_sided {
            Form::OneSided
        } else if head_width(field) + left + 2 + right <= layout.width {
            Form::SideBySide
        } else {
            Form::Stacked
        };
        Self { layout, form, field, left }
    }

    fn row(&self, out: &mut impl Write, row: &Row) -> io::Result<()> {
        let (field, left) = (self.field, self.left);
        let mark = if row.differs { ">" } else { " " };
        let plain = if row.decrypted { "~" } else { " " };
        let head = format!("    {mark}{plain}{:>6}  {:field$}", row.offset, row.field);
        let (expected, actual) = cells(row);
        let style = |style: Style| if row.differs { self.layout.style(style) } else { Style::new() };
        let bold = style(Style::new().bold());
        let good = style(Style::new().fg_color(Some(AnsiColor::Green.into())));
        let bad = style(Style::new().fg_color(Some(AnsiColor::Red.into())));
        match self.form {
            Form::SideBySide => {
                writeln!(out, "{bold}{head}{bold:#}  {good}{expected:left$}{good:#}  {bad}{actual}{bad:#}")
            }
            Form::Stacked if row.differs => {
                writeln!(out, "{bold}{}{bold:#}", head.trim_end())?;
                let lines = |lead, hex: &str, text: &str| self.stacked(lead, hex, text);
                writeln!(out, "{good}{}{good:#}", lines(STACKED[0], &row.expected, &row.expected_text))?;
                writeln!(out, "{bad}{}{bad:#}", lines(STACKED[1], &row.actual, &row.actual_text))
            }
            Form::Stacked | Form::OneSided => {
                let lines = self.stacked(&format!("{head}  "), &row.expected, &row.expected_text);
                writeln!(out, "{lines}")
            }
        }
    }

    /// Bytes and what they mean behind some text: in one line if that is wide enough, else in two; of the bytes as many
    /// as fit.
    fn stacked(&self, lead: &str, hex: &str, text: &str) -> String {
        let column = lead.chars().count();
        let room = self.layout.width.saturating_sub(column);
        let whole = cell(hex, text);
        if hex.is_empty() || whole.chars().count() <= room {
            return format!("{lead}{whole}");
        }
        let hex = shortened(hex, room);
        if text.is_empty() {
            return format!("{lead}{hex}");
        }
        let text = format!("({text})");
        let indent = column.min(self.layout.width.saturating_sub(text.chars().count()));
        format!("{lead}{hex}\n{:indent$}{text}", "")
    }

    /// Marks the first byte that differs in the row just written. A field of one byte needs no mark.
    fn mark(&self, out: &mut impl Write, row: &Row) -> io::Result<()> {
        let Some(column) = first_difference(&row.expected, &row.actual) else { return Ok(()) };
        let room = self.layout.width.saturating_sub(STACKED[1].chars().count());
        if self.form == Form::Stacked && column + 2 > shortened(&row.actual, room).chars().count() + 3 {
            return Ok(());
        }
        let before = match self.form {
            Form::SideBySide => head_width(self.field) + self.left + 2,
            Form::Stacked => STACKED[1].chars().count(),
            Form::OneSided => return Ok(()),
        };
        let style = self.layout.colour(AnsiColor::Red);
        writeln!(out, "{style}{:before$}{:column$}^^{style:#}", "", "")
    }
}

/// The columns before the bytes of a row.
fn head_width(field: usize) -> usize {
    "    >~".len() + 6 + 2 + field + 2
}

/// The column of the first byte, of two lines of them in hexadecimal, in which they differ.
fn first_difference(expected: &str, actual: &str) -> Option<usize> {
    let several = |text: &str| text.contains(' ');
    if actual.is_empty() || expected == actual || !(several(expected) || several(actual)) {
        return None;
    }
    let same = expected.chars().zip(actual.chars()).take_while(|(a, b)| a == b);
    let (mut column, mut start) = (0, 0);
    for (c, _) in same {
        column += 1;
        if c == ' ' {
            start = column;
        }
    }
    // One that ends early differs behind its last byte.
    let ends = expected.chars().count().min(actual.chars().count()) == column;
    Some(if ends { column + 1 } else { start })
}

/// As many of some bytes in hexadecimal as fit in so many columns, and how many more there are.
fn shortened(hex: &str, room: usize) -> String {
    if hex.chars().count() <= room {
        return hex.to_owned();
    }
    let (shown, more) = match hex.split_once(" …") {
        Some((shown, more)) if more.ends_with(" more") => (shown, more.trim_end_matches(" more")),
        _ => (hex, "0"),
    };
    let hidden: usize = more.parse().unwrap_or(0);
    let words: Vec<&str> = shown.split(' ').collect();
    let fit = |kept: usize| format!("{} …{} more", words[..kept].join(" "), hidden + words.len() - kept);
    let kept = (1..words.len()).rev().find(|kept| fit(*kept).chars().count() <= room);
    fit(kept.unwrap_or(1))
}

fn fields(count: usize) -> String {
    format!("{count} {}", if count == 1 { "field" } else { "fields" })
}

fn cells(row: &Row) -> (String, String) {
    (cell(&row.expected, &row.expected_text), cell(&row.actual, &row.actual_text))
}

fn cell(hex: &str, text: &str) -> String {
    // `0 (none)` inside of parentheses is `0, none`.
    let named = text.strip_suffix(')').and_then(|text| text.split_once(" ("));
    let text = named.map_or_else(|| text.to_owned(), |(number, name)| format!("{number}, {name}"));
    match (hex.is_empty(), text.is_empty()) {
        (true, true) => "-".to_owned(),
        (false, true) => hex.to_owned(),
        (true, false) => format!("({text})"),
        (false, false) => format!("{hex}  ({text})"),
    }
}

#[cfg(test)]
mod tests {
    use super::{first_difference, shortened};

    #[test]
    fn bytes_that_do_not_fit_are_counted() {
        assert_eq!(shortened("01 02 03 04 05", 14), "01 02 03 04 05");
        assert_eq!(shortened("01 02 03 04 05 06", 16), "01 02 03 …3 more");
        assert_eq!(shortened("01 02 03 04 05 …14 more", 17), "01 02 03 …16 more");
        assert_eq!(shortened("01 02 03 04", 1), "01 …3 more");
    }

    #[test]
    fn the_mark_stands_under_the_first_byte_that_differs() {
        assert_eq!(first_difference("d0 07 00 00", "d1 07 00 00"), Some(0));
        assert_eq!(first_difference("d0 07 00 00", "d0 07 10 00"), Some(6));
        assert_eq!(first_difference("d0 07 00 00", "d0 07 01 00"), Some(6));
    }

    #[test]
    fn bytes_that_are_missing_are_marked_where_they_belong() {
        assert_eq!(first_difference("d0 07 00 00", "d0 07"), Some(6));
        assert_eq!(first_difference("d0 07", "d0 07 00 00"), Some(6));
    }

    #[test]
    fn a_single_byte_and_a_missing_field_need_no_mark() {
        assert_eq!(first_difference("0a", "0b"), None);
        assert_eq!(first_difference("0a 0b", ""), None);
    }
}
