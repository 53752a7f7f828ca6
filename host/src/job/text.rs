//! Text that came from a guest or a client, cut to a size that can be stored and shown.

/// At most `bytes_max` bytes, cut between characters, with a mark where it was cut.
pub fn cut(mut text: String, bytes_max: usize) -> String {
    const MARK: &str = "…";
    if text.len() > bytes_max {
        let end = text.floor_char_boundary(bytes_max.saturating_sub(MARK.len()));
        text.truncate(end);
        text.push_str(MARK);
    }
    text
}

/// Which control character a text holds, and where, in a sentence; `None`: it holds none. One that is shown or compared must
/// not move a cursor, nor look the same as another one.
pub fn control_character(text: &str) -> Option<String> {
    let (found, place) = text.chars().zip(1_u64..).find(|(c, _)| c.is_control())?;
    Some(format!("must hold no control characters: the one in place {place} is U+{:04X}", u32::from(found)))
}

/// At most `bytes_max` bytes of a message that quotes what somebody sent, and says after that what was expected: what is cut
/// lies before its last `MEANING_BYTES_MAX`.
pub fn cut_quote(text: &str, bytes_max: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let (end, begin) = (bytes_max.saturating_sub(MEANING_BYTES_MAX + MARK.len()), text.len() - MEANING_BYTES_MAX);
    let (head, tail) = (text.get(..text.floor_char_boundary(end)), text.get(text.ceil_char_boundary(begin)..));
    format!("{}{MARK}{}", head.unwrap_or_default(), tail.unwrap_or_default())
}

/// How long the end of a message may be that says what was expected, bytes: a list of every setting fits.
const MEANING_BYTES_MAX: usize = 240;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_expected_outlives_a_long_quote() {
        let message = |name: &str| format!("unknown field `{name}`, expected `a`");
        assert_eq!(cut_quote(&message("b"), 300), message("b"));
        let cut = cut_quote(&message(&"ü".repeat(999)), 300);
        assert!(cut.len() <= 300 && cut.starts_with("unknown field `ü") && cut.ends_with("ü`, expected `a`"), "{cut}");
    }

    #[test]
    fn a_control_character_is_named_with_its_place() {
        for (text, said) in [
            ("a\nb", "in place 2 is U+000A"),
            ("\u{1b}[2J", "in place 1 is U+001B"),
            ("äö\u{9b}", "in place 3 is U+009B"),
            ("a\u{7f}\0", "in place 2 is U+007F"),
        ] {
            let found = control_character(text);
            assert!(found.as_ref().is_some_and(|found| found.ends_with(said)), "{text:?}: {found:?}");
        }
        assert_eq!(control_character("plain – ünï ✓ \u{2028}\u{200b}"), None);
    }

    #[test]
    fn cuts_between_characters() {
        assert_eq!(cut("short".to_owned(), 5), "short");
        assert_eq!(cut("ääääää".to_owned(), 8), "ää…");
    }
}
