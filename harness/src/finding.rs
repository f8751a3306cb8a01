//! What is wrong in a file that people write (vectors, clauses, formats, manifests), and where.

use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::yaml::{Source, Span, TypedError};

/// One mistake in a file: what, and the text it is about.
#[derive(Clone, Debug)]
pub struct Finding {
    source: Arc<Source>,
    span: Span,
    message: String,
    help: Option<String>,
}

impl Finding {
    /// A finding about a stretch of a source.
    pub fn new(source: &Arc<Source>, span: Span, message: impl Into<String>) -> Self {
        Self { source: Arc::clone(source), span, message: message.into(), help: None }
    }

    /// The finding for a node that is not of the expected type.
    pub fn typed(source: &Arc<Source>, error: &TypedError) -> Self {
        Self::new(source, error.span(), error.message.clone())
    }

    /// Adds a sentence that tells the way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The file's name, line and column (from 1).
    pub fn place(&self) -> (&str, usize, usize) {
        let (line, column) = self.source.line_column(self.span.start);
        (&self.source.name, line, column)
    }

    /// The order in which findings are shown: by file, then by place.
    pub fn order(&self) -> (&str, usize) {
        (&self.source.name, self.span.start)
    }

    /// One line: `FILE:LINE:COLUMN: what is wrong`.
    pub fn line(&self) -> String {
        let (file, line, column) = self.place();
        format!("{file}:{line}:{column}: {}", self.message)
    }

    /// The finding with the text it points at, in the manner of compilers.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let title = Level::ERROR.primary_title(self.message.as_str());
        let place = AnnotationKind::Primary.span(self.visible_range());
        let snippet =
            Snippet::source(self.source.text.as_str()).path(self.source.name.as_str()).annotation(place);
        let mut group = title.element(snippet);
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group]).to_string()
    }

    /// The span as a range that ends on the first line and lies within the text.
    fn visible_range(&self) -> std::ops::Range<usize> {
        let text = &self.source.text;
        let mut start = self.span.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = start.saturating_add(self.span.len.max(1)).min(text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        start..end.min(line_end).max(start)
    }
}

/// Findings in the order of files and places, without repetitions.
pub fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|a, b| a.order().cmp(&b.order()).then_with(|| a.message.cmp(&b.message)));
    findings.dedup_by(|a, b| a.order() == b.order() && a.message == b.message);
    findings
}
