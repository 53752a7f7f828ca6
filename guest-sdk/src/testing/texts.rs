//! Texts as a real host judges and shows them: control characters, names, sizes, JSON that some readers can't read.

use super::bounds::NESTING_MAX;

/// At most so many bytes, cut between characters, with a mark where it was cut.
pub(crate) fn cut(text: &str, bytes_max: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes_max.saturating_sub(MARK.len()));
    [text.get(..end).unwrap_or_default(), MARK].concat()
}

/// Which control character a text holds, and where, in a sentence without its subject.
pub(crate) fn control_character(text: &str) -> Option<String> {
    let (found, place) = text.chars().zip(1_u64..).find(|(c, _)| c.is_control())?;
    Some(format!("must hold no control characters: the one in place {place} is U+{:04X}", u32::from(found)))
}

/// Whether it is text of 1 to so many bytes without control characters.
pub(crate) fn is_short_text(text: &str, bytes_max: usize) -> bool {
    !text.is_empty() && text.len() <= bytes_max && control_character(text).is_none()
}

/// Exactly, in the largest unit that divides it.
pub(crate) fn size(bytes: u64) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let divides = |(_, power): &&(&str, u32)| bytes > 0 && bytes.is_multiple_of(1 << power);
    match units.iter().find(divides) {
        Some((unit, power)) => format!("{}{unit}", bytes >> power),
        None => format!("{bytes}B"),
    }
}

/// What in JSON that this crate has written is no use to most readers, in a sentence without its subject. Numbers and texts it
/// writes have nothing of the kind.
pub(crate) fn stumbling_block(json: &str) -> Option<String> {
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in json.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                if depth > NESTING_MAX {
                    return Some(format!("is nested deeper than {NESTING_MAX} levels at byte {at}"));
                }
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Whether it is a name of 1 to so many characters, of which the first is a letter or a digit.
pub(crate) fn is_name(text: &str, length_max: usize, is_allowed: impl Fn(char) -> bool) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.len() <= length_max && text.chars().all(is_allowed)
}

/// Whether a bucket can be called so.
pub(crate) fn is_bucket_name(text: &str) -> bool {
    is_name(text, 128, |c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// Whether a database can be called so.
pub(crate) fn is_database_name(text: &str) -> bool {
    is_name(text, 64, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
}

/// Whether a kind can be called so.
pub(crate) fn is_kind_name(text: &str) -> bool {
    is_name(text, 128, |c| c.is_ascii_alphanumeric() || "._-/:".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_and_shown_as_a_host_does() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("ääääää", 8), "ää…");
        assert_eq!([0, 7, 1 << 10, 256 << 10, 4 << 20].map(size), ["0B", "7B", "1KiB", "256KiB", "4MiB"]);
    }

    #[test]
    fn nesting_is_bounded_and_texts_are_no_nesting() {
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(stumbling_block(&nested(NESTING_MAX)), None);
        assert!(stumbling_block(&nested(NESTING_MAX + 1)).is_some_and(|said| said.ends_with("127 levels at byte 127")));
        assert_eq!(stumbling_block(&format!("\"\\\"{}\"", "[".repeat(200))), None);
    }
}
