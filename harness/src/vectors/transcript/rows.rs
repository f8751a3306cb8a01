//! Rows: one transcript, repeated over a table.
//!
//! Rows are filled in before the transcript is read: `{row: COLUMN}` may stand wherever a value may, and what is
//! wrong with a value is shown where it stands in the table.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::finding::Finding;
use crate::vectors::codec::Identifier;
use crate::vectors::former::FormerName;
use crate::yaml::{Node, Source, Spot, Value, from_node};

/// The most rows of a transcript.
pub(super) const MOST_ROWS: usize = 1000;

/// The most YAML values that a transcript has after its rows are filled in; a long text counts as several.
pub(super) const MOST_NODES: usize = 200_000;

/// Of how many bytes a text counts as one value more.
const TEXT_UNIT: usize = 64;

/// Members of a transcript that are the same for all rows.
const FIXED: [&str; 3] = ["id", "was", "rows"];

/// A transcript with one row filled in.
pub(super) struct Filled {
    /// The row's name; `None` where there are no rows.
    pub(super) row: Option<String>,
    /// What the row was before, where it says so.
    pub(super) was: Option<Spot<FormerName>>,
    /// The transcript.
    pub(super) node: Node,
}

/// The transcript once for each of its rows, or once where it has none, with what is wrong about the table.
pub(super) fn fill(source: &Arc<Source>, entry: &Node) -> (Vec<Filled>, Vec<Finding>) {
    let mut filler =
        Filler { source, findings: Vec::new(), used: BTreeSet::new(), budget: MOST_NODES, in_cell: false };
    let rows = match entry.entries().iter().find(|(key, _)| key.text() == Some("rows")) {
        None => None,
        Some((key, rows)) => match filler.table(key, rows) {
            Some(rows) => Some(rows),
            None => return (Vec::new(), filler.findings),
        },
    };
    let mut filled = Vec::new();
    match rows {
        None => {
            filled.extend(filler.entry(entry, None).map(|node| Filled { row: None, was: None, node }));
        }
        Some(rows) => {
            for row in &rows {
                let node = filler.entry(entry, Some(row));
                let (name, was) = (row.name.clone(), row.was.clone());
                filled.extend(node.map(|node| Filled { row: Some(name), was, node }));
                if filler.budget == 0 {
                    break;
                }
            }
            filler.unused(&rows);
        }
    }
    (filled, filler.findings)
}

/// A row as written.
struct Row<'a> {
    name: String,
    key: &'a Node,
    was: Option<Spot<FormerName>>,
    columns: Vec<&'a (Node, Node)>,
}

/// The member of a row that is no column.
const WAS: &str = "was";

impl Row<'_> {
    fn column(&self, name: &str) -> Option<&Node> {
        self.columns.iter().find(|(key, _)| key.text() == Some(name)).map(|(_, value)| value)
    }

    fn names(&self) -> BTreeSet<&str> {
        self.columns.iter().filter_map(|(key, _)| key.text()).collect()
    }
}

struct Filler<'a> {
    source: &'a Arc<Source>,
    findings: Vec<Finding>,
    used: BTreeSet<String>,
    budget: usize,
    /// Whether what is read is a cell of the table.
    in_cell: bool,
}

impl Filler<'_> {
    fn report(&mut self, at: &Node, message: impl Into<String>) {
        self.findings.push(Finding::new(self.source, at.visible_span(), message));
    }

    /// The rows of the table, as far as they are rows; `None` when it is no table.
    fn table<'n>(&mut self, key: &Node, rows: &'n Node) -> Option<Vec<Row<'n>>> {
        let Value::Map(entries) = &rows.value else {
            self.report(rows, "expected rows by name: `rows: {NAME: {COLUMN: VALUE}}`");
            return None;
        };
        if entries.is_empty() || entries.len() > MOST_ROWS {
            self.report(key, format!("`rows` has 1 to {MOST_ROWS} rows, not {}", entries.len()));
            return None;
        }
        let mut table = Vec::new();
        for (key, row) in entries {
            let name = match from_node::<Spot<Identifier>>(key) {
                Ok(Spot { value: Identifier(name), .. }) => name,
                Err(error) => {
                    self.findings.push(Finding::typed(self.source, &error));
                    continue;
                }
            };
            let Value::Map(columns) = &row.value else {
                self.report(row, format!("row `{name}`: expected its columns: `{name}: {{COLUMN: VALUE}}`"));
                continue;
            };
            let is_column = |(key, _): &&(Node, Node)| key.text() != Some(WAS);
            let columns = columns.iter().filter(is_column).collect();
            let was = row.get(WAS).and_then(|was| match from_node(was) {
                Ok(was) => Some(was),
                Err(error) => {
                    self.findings.push(Finding::typed(self.source, &error));
                    None
                }
            });
            table.push(Row { name, key, was, columns });
        }
        self.same_columns(&table);
        Some(table)
    }

    fn same_columns(&mut self, table: &[Row<'_>]) {
        let Some(first) = table.first() else { return };
        let wanted = first.names();
        for row in &table[1..] {
            let names = row.names();
            let lacking: Vec<_> = wanted.difference(&names).copied().collect();
            let more: Vec<_> = names.difference(&wanted).copied().collect();
            let quoted =
                |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let what = match (lacking.is_empty(), more.is_empty()) {
                (true, true) => continue,
                (false, true) => format!("lacks {}", quoted(&lacking)),
                (true, false) => format!("has {} beside them", quoted(&more)),
                (false, false) => format!("lacks {} and has {}", quoted(&lacking), quoted(&more)),
            };
            let message =
                format!("row `{}` has other columns than row `{}`: it {what}", row.name, first.name);
            self.report(row.key, message);
        }
    }

    /// Columns that no step uses.
    fn unused(&mut self, table: &[Row<'_>]) {
        let unused: Vec<&Node> = table
            .first()
            .into_iter()
            .flat_map(|row| row.columns.iter())
            .map(|(key, _)| key)
            .filter(|key| !key.text().is_some_and(|name| self.used.contains(name)))
            .collect();
        for key in unused {
            let name = key.text().unwrap_or_default();
            self.report(key, format!("nothing uses the column `{name}`; a step does with `{{row: {name}}}`"));
        }
    }

    /// The transcript with a row filled in; `None`, with a finding, where that cannot be done.
    fn entry(&mut self, entry: &Node, row: Option<&Row<'_>>) -> Option<Node> {
        let before = self.findings.len();
        let mut filled = Vec::with_capacity(entry.entries().len());
        for (key, value) in entry.entries() {
            if key.text() == Some("rows") {
                continue;
            }
            let fixed = key.text().is_some_and(|name| FIXED.contains(&name));
            let value = if fixed { value.clone() } else { self.node(value, row)? };
            filled.push((key.clone(), value));
        }
        let complete = self.findings.len() == before;
        complete.then_some(Node { span: entry.span, value: Value::Map(filled) })
    }

    /// The node with the row filled in; `None` once the transcript is too large.
    fn node(&mut self, node: &Node, row: Option<&Row<'_>>) -> Option<Node> {
        let cost = 1 + node.text().map_or(0, |text| text.len() / TEXT_UNIT);
        let Some(left) = self.budget.checked_sub(cost) else {
            self.budget = 0;
            let message =
                format!("with its rows filled in, the transcript has more than {MOST_NODES} values");
            self.report(node, message);
            return None;
        };
        self.budget = left;
        let value = match &node.value {
            Value::List(items) => {
                Value::List(items.iter().map(|item| self.node(item, row)).collect::<Option<_>>()?)
            }
            Value::Map(entries) => match entries.as_slice() {
                [(key, column)] if key.text() == Some("row") => return self.cell(column, row),
                entries => {
                    let filled =
                        entries.iter().map(|(key, value)| Some((key.clone(), self.node(value, row)?)));
                    Value::Map(filled.collect::<Option<_>>()?)
                }
            },
            scalar => scalar.clone(),
        };
        Some(Node { span: node.span, value })
    }

    /// What stands in a column of the row; a blank, with a finding, where there is no such column.
    fn cell(&mut self, column: &Node, row: Option<&Row<'_>>) -> Option<Node> {
        let blank = Node { span: column.span, value: Value::Null };
        let Some(name) = column.text() else {
            self.report(column, "`row` names a column");
            return Some(blank);
        };
        let Some(row) = row else {
            let message = match self.in_cell {
                true => "a value of a row cannot name a column of the row",
                false => "there are no `rows` whose column this could be",
            };
            self.report(column, message);
            return Some(blank);
        };
        self.used.insert(name.to_owned());
        match row.column(name) {
            Some(cell) => {
                self.in_cell = true;
                let filled = self.node(cell, None);
                self.in_cell = false;
                filled
            }
            None => {
                self.report(column, format!("row `{}` has no column `{name}`", row.name));
                Some(blank)
            }
        }
    }
}
