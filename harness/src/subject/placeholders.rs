//! Placeholders in a manifest's words: `{port}`, `{state_dir}`, `{otter_root|xml}`.

use std::collections::BTreeMap;
use std::fmt;

/// Every placeholder of the contract.
pub const NAMES: [&str; 21] = [
    "host",
    "port",
    "versions",
    "encryption",
    "aes_key",
    "cert_pem",
    "key_pem",
    "handshake_timeout_ms",
    "handshake_timeout_s",
    "session_timeout_ms",
    "max_concurrent_handshakes",
    "allowed_addresses",
    "otter_root",
    "buildmaster_root",
    "hedgehog_root",
    "update_dir",
    "probe_host",
    "ring_capacity",
    "shm_dir",
    "state_dir",
    "config",
];

/// The placeholder of a name, if there is one.
pub fn named(name: &str) -> Option<&'static str> {
    NAMES.into_iter().find(|known| *known == name)
}

/// Those that may have no value.
const OPTIONAL: [&str; 5] = ["aes_key", "cert_pem", "key_pem", "allowed_addresses", "ring_capacity"];

/// How a value is written into its surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    None,
    Xml,
    Json,
}

impl Escape {
    /// What stands for it in a placeholder.
    fn suffix(self) -> &'static str {
        match self {
            Escape::None => "",
            Escape::Xml => "|xml",
            Escape::Json => "|json",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Placeholder { name: String, escape: Escape },
}

/// A text with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

/// The values of placeholders, by name.
pub type Values = BTreeMap<&'static str, String>;

/// As it was written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}"))?,
                Piece::Placeholder { name, escape } => write!(f, "{{{name}{}}}", escape.suffix())?,
            }
        }
        Ok(())
    }
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    ///
    /// A sentence for people: a brace that is not closed, a name or an escape that does not exist.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                literal.push_str(brace);
                rest = after;
                continue;
            }
            let inside = (brace == "{").then(|| rest.split_once('}')).flatten();
            let Some((word, after)) = inside else {
                let at = text.len() - rest.len() - 1;
                let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
                let line = text[line..].lines().next().unwrap_or_default();
                return Err(format!("a single `{brace}` in `{line}`; write `{brace}{brace}` for a brace"));
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(placeholder(word)?);
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self(pieces))
    }

    /// A text without placeholders, whatever braces it has.
    pub fn literal(text: &str) -> Self {
        Self(vec![Piece::Literal(text.to_owned())])
    }

    /// Whether it is just this text.
    pub fn is_literal(&self, text: &str) -> bool {
        matches!(self.0.as_slice(), [Piece::Literal(literal)] if literal == text)
    }

    /// The names it mentions.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Placeholder { name, .. } => Some(name.as_str()),
            Piece::Literal(_) => None,
        })
    }

    /// The text with values in place.
    ///
    /// # Errors
    ///
    /// The name of a placeholder that has no value here and is not optional.
    pub fn render(&self, values: &Values) -> Result<String, String> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Placeholder { name, escape } => match values.get(name.as_str()) {
                    Some(value) => text.push_str(&escape.apply(value)),
                    None if OPTIONAL.contains(&name.as_str()) => {}
                    None => return Err(name.clone()),
                },
            }
        }
        Ok(text)
    }

    /// Whether it holds nothing but an optional placeholder without a value.
    fn is_dropped(&self, values: &Values) -> bool {
        let [Piece::Placeholder { name, .. }] = self.0.as_slice() else { return false };
        OPTIONAL.contains(&name.as_str()) && values.get(name.as_str()).is_none_or(String::is_empty)
    }
}

fn placeholder(word: &str) -> Result<Piece, String> {
    let (name, escape) = match word.split_once('|') {
        None => (word, Escape::None),
        Some((name, "xml")) => (name, Escape::Xml),
        Some((name, "json")) => (name, Escape::Json),
        Some((_, other)) => {
            return Err(format!("`{{{word}}}`: there is no escape `{other}`; there are xml and json"));
        }
    };
    if NAMES.contains(&name) {
        Ok(Piece::Placeholder { name: name.to_owned(), escape })
    } else {
        Err(format!("there is no placeholder `{{{name}}}`; write `{{{{` for a brace"))
    }
}

impl Escape {
    fn apply(self, value: &str) -> String {
        match self {
            Escape::None => value.to_owned(),
            Escape::Xml => value
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
                .replace('"', "&quot;")
                .replace('\'', "&apos;"),
            // The inside of a JSON string: what serde_json writes, without its quotes.
            Escape::Json => {
                let quoted = serde_json::Value::from(value).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
        }
    }
}

/// The words of a command with values in place. A word that holds nothing but an optional placeholder
/// without a value is dropped, and the word before it too if that begins with `-`.
///
/// # Errors
///
/// The name of a placeholder that has no value here.
pub fn render_command(words: &[Template], values: &Values) -> Result<Vec<String>, String> {
    let mut rendered: Vec<String> = Vec::with_capacity(words.len());
    for word in words {
        if word.is_dropped(values) {
            if rendered.last().is_some_and(|before| before.starts_with('-')) {
                rendered.pop();
            }
        } else {
            rendered.push(word.render(values)?);
        }
    }
    Ok(rendered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(words: &[&str], values: &[(&'static str, &str)]) -> Result<Vec<String>, String> {
        let words: Vec<Template> =
            words.iter().map(|word| Template::parse(word)).collect::<Result<_, _>>()?;
        render_command(&words, &values.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
    }

    #[test]
    fn values_stand_where_the_placeholders_were() {
        let words = render(
            &["agent", "--listen={host}:{port}", "{{literal}}"],
            &[("host", "127.0.0.1"), ("port", "9")],
        );
        assert_eq!(words.unwrap(), ["agent", "--listen=127.0.0.1:9", "{literal}"]);
    }

    #[test]
    fn an_empty_optional_word_is_dropped_with_its_option() {
        assert_eq!(render(&["a", "--aes-key", "{aes_key}", "b"], &[]).unwrap(), ["a", "b"]);
        assert_eq!(render(&["a", "key", "{aes_key}", "b"], &[("aes_key", "")]).unwrap(), ["a", "key", "b"]);
        assert_eq!(render(&["a", "--key={aes_key}"], &[]).unwrap(), ["a", "--key="]);
    }

    #[test]
    fn a_required_placeholder_without_a_value_is_an_error() {
        assert_eq!(render(&["a", "{port}"], &[]).unwrap_err(), "port");
    }

    #[test]
    fn escapes_fit_the_surroundings() {
        let values = [("otter_root", "a<\"&'b\\")];
        assert_eq!(render(&["{otter_root|xml}"], &values).unwrap(), ["a&lt;&quot;&amp;&apos;b\\"]);
        assert_eq!(render(&["{otter_root|json}"], &values).unwrap(), ["a<\\\"&'b\\\\"]);
    }

    #[test]
    fn mistakes_are_named() {
        let message = |text: &str| Template::parse(text).unwrap_err();
        assert_eq!(message("{prot}"), "there is no placeholder `{prot}`; write `{{` for a brace");
        assert_eq!(
            message("{port|html}"),
            "`{port|html}`: there is no escape `html`; there are xml and json"
        );
        assert_eq!(message("x } y"), "a single `}` in `x } y`; write `}}` for a brace");
        assert_eq!(message("x {port"), "a single `{` in `x {port`; write `{{` for a brace");
    }
}
