//! Characters that a report's format does not allow, or that would act on a terminal, made visible.

/// Replaces each control character by the symbol for it (`␛` for escape), each other character that XML 1.0
/// forbids or discourages by `U+FFFD`; line feeds and tabs stay.
pub(crate) fn visible(text: &str) -> String {
    text.chars().map(visible_character).collect()
}

fn visible_character(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\x7f' => '\u{2421}',
        '\u{80}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn control_characters_become_their_symbols() {
        assert_eq!(visible("a\0\t\n\r\x1b[1m\x7f"), "a\u{2400}\t\n\u{240d}\u{241b}[1m\u{2421}");
    }

    #[test]
    fn characters_that_xml_forbids_are_replaced() {
        assert_eq!(visible("\u{85}\u{fffe}\u{ffff}é\u{10ffff}"), "\u{fffd}\u{fffd}\u{fffd}é\u{10ffff}");
    }
}
