//! Requests that make no sense.

use std::fmt;

use thiserror::Error;

/// The longest message in characters. Some quote what came from outside, and that may be a whole line.
const MAX_MESSAGE: usize = 300;

/// The beginning of a message, where it is long.
pub(crate) fn shortened(mut message: String) -> String {
    if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
        message.truncate(end);
        message.push('…');
    }
    message
}

/// A request that makes no sense, with the path of the member to blame: `value.assemblies[0].name: …`.
#[derive(Debug, Error)]
pub(crate) struct Usage {
    path: String,
    message: String,
}

impl fmt::Display for Usage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.path.is_empty() { "" } else { ": " };
        write!(formatter, "{}{separator}{}", self.path, self.message)
    }
}

impl Usage {
    /// A complaint about the whole of what was read.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { path: String::new(), message: shortened(message.into()) }
    }

    /// The same complaint, seen from what holds `part`: a member's name, or an item's `[index]`.
    pub(crate) fn within(self, part: &str) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        Self { path: format!("{part}{separator}{}", self.path), message: self.message }
    }
}
