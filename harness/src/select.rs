//! Which cases a pattern means: globs over case names.

/// The longest pattern that is taken, in characters.
const LONGEST: usize = 1000;

/// How many characters a name may differ in from what was written to be what was meant.
const FARTHEST: usize = 6;

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
    tokens: Vec<Token>,
    /// Whether it means just the name that it is.
    is_name: bool,
}

#[derive(Clone, Copy, Debug)]
enum Token {
    /// This character.
    Literal(char),
    /// `?`: any character but a slash.
    One,
    /// `*`: any number of characters but slashes.
    Part,
    /// `**`: any number of characters.
    Deep,
    /// `**/` in place of whole parts: nothing, or anything that ends with a slash.
    Folders,
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
        let length = text.chars().count();
        if length > LONGEST {
            return Err(format!("a pattern has at most {LONGEST} characters, this one has {length}"));
        }
        let tokens = tokens(text);
        let is_name = tokens.iter().all(|token| matches!(token, Token::Literal(_)));
        Ok(Self { text: text.to_owned(), tokens, is_name })
    }

    /// The pattern as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it means the case of a name.
    pub fn matches(&self, name: &str) -> bool {
        // A name on its own, as in the command that runs one case again.
        if self.is_name {
            return self.text == name;
        }
        let name: Vec<char> = name.chars().collect();
        // After each token: the places of the name that the pattern so far can have come to.
        let mut reached = vec![false; name.len() + 1];
        reached[0] = true;
        for token in &self.tokens {
            reached = token.advance(&reached, &name);
        }
        reached[name.len()]
    }

    /// Whether it means a case by its name or by the name it had before.
    pub fn matches_either(&self, name: &str, was: Option<&str>) -> bool {
        self.matches(name) || was.is_some_and(|was| self.matches(was))
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut begins_part = true;
    while let Some(first) = rest.chars().next() {
        let (token, length) = if begins_part && rest.starts_with("**/") {
            (Token::Folders, 3)
        } else if rest.starts_with("**") {
            (Token::Deep, 2)
        } else {
            match first {
                '*' => (Token::Part, 1),
                '?' => (Token::One, 1),
                other => (Token::Literal(other), other.len_utf8()),
            }
        };
        tokens.push(token);
        begins_part = rest[..length].ends_with('/');
        rest = &rest[length..];
    }
    tokens
}

impl Token {
    fn advance(self, reached: &[bool], name: &[char]) -> Vec<bool> {
        let mut next = vec![false; reached.len()];
        let mut begun = false;
        for (at, was_reached) in reached.iter().copied().enumerate() {
            let before = at.checked_sub(1).map(|before| (name[before], reached[before], next[before]));
            begun |= was_reached;
            next[at] = match (self, before) {
                (Token::Literal(wanted), Some((c, from, _))) => from && c == wanted,
                (Token::One, Some((c, from, _))) => from && c != '/',
                (Token::Literal(_) | Token::One, None) => false,
                (Token::Part, before) => was_reached || before.is_some_and(|(c, _, on)| on && c != '/'),
                (Token::Deep, _) => begun,
                (Token::Folders, before) => was_reached || begun && before.is_some_and(|(c, ..)| c == '/'),
            };
        }
        next
    }
}

/// Why a pattern means no case, with what may have been meant instead; nothing where it means one. A name stands with the
/// one that the case had before.
///
/// ```
/// use iaspec_harness::select::{Pattern, no_match};
/// let names = [("codec/strings/empty", None)];
/// let why = |text| no_match(&Pattern::new(text).unwrap(), &names);
/// assert_eq!(why("codec/**"), None);
/// let meant = "`codec/strings/emtpy` matches no case; did you mean `codec/strings/empty`?";
/// assert_eq!(why("codec/strings/emtpy").unwrap(), meant);
/// assert_eq!(why("codec/").unwrap(), "`codec/` matches no case; `codec/**` means all below it");
/// ```
pub fn no_match(pattern: &Pattern, names: &[(&str, Option<&str>)]) -> Option<String> {
    if names.iter().any(|(name, was)| pattern.matches_either(name, *was)) {
        return None;
    }
    Some(format!("`{}` matches no case{}", pattern.text(), hint(pattern, names)))
}

/// What may have been meant by a pattern that means no case.
pub(crate) fn hint(pattern: &Pattern, names: &[(&str, Option<&str>)]) -> String {
    let text = pattern.text();
    let inside = format!("{}/", text.trim_end_matches('/'));
    if names.iter().any(|(name, _)| name.starts_with(&inside)) {
        return format!("; `{inside}**` means all below it");
    }
    let near = names.iter().map(|(name, _)| (strsim::damerau_levenshtein(text, name), *name)).min();
    let near = near.filter(|(distance, _)| *distance <= FARTHEST);
    near.map_or(String::new(), |(_, name)| format!("; did you mean `{name}`?"))
}
