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
    fn cuts_between_characters() {
        assert_eq!(cut("short".to_owned(), 5), "short");
        assert_eq!(cut("ääääää".to_owned(), 8), "ää…");
    }
}
