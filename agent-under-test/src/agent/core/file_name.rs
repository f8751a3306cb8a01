//! Names that an updated file may have (MTA-7).

use std::fmt;

use thiserror::Error;

/// The longest name in bytes that common file systems take.
const MAX_BYTES: usize = 255;

/// The name of a file that stays in its folder on any system: no path, no device, nothing that some system
/// changes.
///
/// ```
/// use iaspec_reference::agent::core::FileName;
///
/// assert!(FileName::new("a..b.dll").is_ok());
/// assert!(FileName::new("../a.dll").is_err());
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct FileName(Box<str>);

/// Why a name is refused.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum UnsuitableName {
    /// There is none.
    #[error("is empty")]
    Empty,
    /// More than 255 bytes.
    #[error("is longer than 255 bytes")]
    TooLong,
    /// A separator, a colon or a wildcard, which Windows gives a meaning of their own; or a control character.
    #[error("holds {0:?}")]
    Character(char),
    /// `.`, `..`, or another ending that Windows drops.
    #[error("ends with a dot or a blank")]
    Ending,
    /// A device of Windows, which has its name in every folder, with any extension.
    #[error("names a device of Windows")]
    Device,
}

impl FileName {
    /// Takes a name that is safe.
    ///
    /// # Errors
    ///
    /// [`UnsuitableName`] for the first thing wrong with it.
    pub fn new(name: &str) -> Result<Self, UnsuitableName> {
        let forbidden = |c: char| c.is_control() || r#"/\:*?"<>|"#.contains(c);
        if name.is_empty() {
            return Err(UnsuitableName::Empty);
        }
        if name.len() > MAX_BYTES {
            return Err(UnsuitableName::TooLong);
        }
        if let Some(character) = name.chars().find(|&c| forbidden(c)) {
            return Err(UnsuitableName::Character(character));
        }
        if name.ends_with(['.', ' ']) {
            return Err(UnsuitableName::Ending);
        }
        if is_device(name) { Err(UnsuitableName::Device) } else { Ok(Self(name.into())) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Windows looks at what stands before the first dot, blanks at its end aside.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ').to_ascii_uppercase();
    match stem.as_bytes() {
        b"CON" | b"PRN" | b"AUX" | b"NUL" => true,
        [port @ .., digit] => matches!(port, b"COM" | b"LPT") && digit.is_ascii_digit(),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("a.dll")]
    #[case("a..b.dll")]
    #[case(".hidden")]
    #[case("..a")]
    #[case(" leading blank.dll")]
    #[case("two words.dll")]
    #[case("Ünïcode-名前.dll")]
    #[case("console.dll")]
    #[case("CONx")]
    #[case("COM10.dll")]
    #[case("COM.dll")]
    #[case("xCOM1")]
    #[case("a.con")]
    #[case("~$a;b,c=d'e[1](2){3}%&#@!+-_^.dll")]
    fn good_names(#[case] name: &str) {
        assert_eq!(FileName::new(name).map(|name| name.to_string()), Ok(name.to_owned()));
    }

    #[rstest]
    #[case("", UnsuitableName::Empty)]
    #[case("/", UnsuitableName::Character('/'))]
    #[case("/etc/passwd", UnsuitableName::Character('/'))]
    #[case("../a.dll", UnsuitableName::Character('/'))]
    #[case("a/b.dll", UnsuitableName::Character('/'))]
    #[case(r"..\a.dll", UnsuitableName::Character('\\'))]
    #[case(r"a\b.dll", UnsuitableName::Character('\\'))]
    #[case(r"\\server\share\a.dll", UnsuitableName::Character('\\'))]
    #[case("C:a.dll", UnsuitableName::Character(':'))]
    #[case(r"C:\a.dll", UnsuitableName::Character(':'))]
    #[case("a.dll:stream", UnsuitableName::Character(':'))]
    #[case("a\0.dll", UnsuitableName::Character('\0'))]
    #[case("a\n.dll", UnsuitableName::Character('\n'))]
    #[case("a\x7f", UnsuitableName::Character('\x7f'))]
    #[case("a\u{85}", UnsuitableName::Character('\u{85}'))]
    #[case("a*", UnsuitableName::Character('*'))]
    #[case("a?", UnsuitableName::Character('?'))]
    #[case("a\"", UnsuitableName::Character('"'))]
    #[case("a<", UnsuitableName::Character('<'))]
    #[case("a>", UnsuitableName::Character('>'))]
    #[case("a|", UnsuitableName::Character('|'))]
    #[case(".", UnsuitableName::Ending)]
    #[case("..", UnsuitableName::Ending)]
    #[case("...", UnsuitableName::Ending)]
    #[case("a.dll.", UnsuitableName::Ending)]
    #[case("a.dll ", UnsuitableName::Ending)]
    #[case("CON", UnsuitableName::Device)]
    #[case("con", UnsuitableName::Device)]
    #[case("Prn.txt", UnsuitableName::Device)]
    #[case("AUX.tar.gz", UnsuitableName::Device)]
    #[case("nul.dll", UnsuitableName::Device)]
    #[case("COM0", UnsuitableName::Device)]
    #[case("com9.dll", UnsuitableName::Device)]
    #[case("LPT0.x", UnsuitableName::Device)]
    #[case("lpt5", UnsuitableName::Device)]
    #[case("CON .dll", UnsuitableName::Device)]
    fn refused_names(#[case] name: &str, #[case] expected: UnsuitableName) {
        assert_eq!(FileName::new(name), Err(expected));
    }

    #[test]
    fn the_length_is_counted_in_bytes() {
        assert!(FileName::new(&"a".repeat(255)).is_ok());
        assert_eq!(FileName::new(&"a".repeat(256)), Err(UnsuitableName::TooLong));
        assert_eq!(FileName::new(&"é".repeat(128)), Err(UnsuitableName::TooLong));
    }
}
