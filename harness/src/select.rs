//! Which cases a pattern means: globs over case names.

use globset::{Glob, GlobBuilder, GlobMatcher};

/// A pattern over case names. `*` and `?` stay within a part between slashes, `**` crosses them; nothing
/// else is special (contracts, names and results).
///
/// ```
/// use iaspec_harness::select::Pattern;
/// let pattern = Pattern::new("codec/**").unwrap();
/// assert!(pattern.matches("codec/strings/empty"));
/// assert!(!Pattern::new("codec/*").unwrap().matches("codec/strings/empty"));
/// ```
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    matcher: GlobMatcher,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// A sentence for people, when it is empty or far too long.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("an empty pattern matches no case".to_owned());
        }
        let mut escaped = String::with_capacity(text.len());
        for c in text.chars() {
            if matches!(c, '[' | ']' | '{' | '}' | '!' | '\\') {
                escaped.push('\\');
            }
            escaped.push(c);
        }
        let glob: Glob = GlobBuilder::new(&escaped)
            .literal_separator(true)
            .backslash_escape(true)
            .build()
            .map_err(|error| format!("`{text}` is no pattern: {}", error.kind()))?;
        Ok(Self { text: text.to_owned(), matcher: glob.compile_matcher() })
    }

    /// The pattern as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it means the case of a name.
    pub fn matches(&self, name: &str) -> bool {
        self.matcher.is_match(name)
    }

    /// Whether it means a case by its name or by the name it had before.
    pub fn matches_either(&self, name: &str, was: Option<&str>) -> bool {
        self.matches(name) || was.is_some_and(|was| self.matches(was))
    }
}
