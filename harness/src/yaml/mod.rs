//! YAML with positions: text → [`Node`] tree → typed values that remember where they stood.
//!
//! Reading happens in two steps, so that one wrong case does not hide the others of its file, and so
//! that everything a person reads about a mistake points at the text that made it:
//!
//! 1. [`parse`] turns a [`Source`] into a tree of [`Node`]s, each with its [`Span`];
//! 2. [`from_node`] turns any part of the tree into a `serde` type. A [`Spot`] in that type keeps the
//!    span of what it was read from.
//!
//! ```
//! use iaspec_harness::yaml::{Source, Spot, from_node, parse};
//!
//! #[derive(serde::Deserialize)]
//! struct Case { id: Spot<String> }
//!
//! let source = Source::new("demo.yaml", "id: first-case\n");
//! let case: Case = from_node(&parse(&source).unwrap()).unwrap();
//! assert_eq!(case.id.value, "first-case");
//! assert_eq!(source.line_column(case.id.span.start), (1, 5));
//! ```

mod node;
mod typed;

pub use node::{Node, Value, parse};
pub use typed::{Spot, TypedError, from_node};

use std::sync::Arc;

/// A text that findings can point into, under the name its reader knows it by.
#[derive(Debug)]
pub struct Source {
    /// The path shown to people.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// A source of the given name and text, ready to be shared by everything read from it.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into() })
    }

    /// Line and column (both from 1, the column in characters) of a byte offset.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &self.text[..end];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// A stretch of a [`Source`], in bytes. Block mappings and sequences have length 0: their start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Number of bytes.
    pub len: usize,
}
