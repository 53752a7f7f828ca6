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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_between_characters() {
        assert_eq!(cut("short".to_owned(), 5), "short");
        assert_eq!(cut("ääääää".to_owned(), 8), "ää…");
    }
}
