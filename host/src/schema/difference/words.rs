//! How types, values and bounds are called in a sentence.

use std::collections::BTreeSet;
use std::io;

use serde_json::Value;

use super::reading::Place;

/// A name, value or schema quoted in a sentence is cut here, characters.
const QUOTED_CHARS_MAX: usize = 60;
/// No character is longer, bytes.
const CHAR_BYTES_MAX: usize = 4;
/// Values listed in a sentence.
const LISTED_MAX: usize = 8;

/// What a value of this kind is called.
pub(super) fn kind_of(place: &Place<'_>) -> String {
    if place.is_never {
        return "nothing at all".to_owned();
    }
    match (&place.types, &place.choices) {
        (Some(types), _) if !place.types_are_implied => types_in_words(types),
        (_, Some(choices)) => format!("one of {}", listed(&choices.values)),
        (_, None) if place.has_variants() => "one of several forms".to_owned(),
        (_, None) => "anything".to_owned(),
    }
}

fn types_in_words(types: &BTreeSet<&str>) -> String {
    let words: Vec<&str> = types.iter().filter(|name| **name != "null").map(|name| type_in_words(name)).collect();
    match words.as_slice() {
        [] if types.is_empty() => "nothing at all".to_owned(),
        [] => "null".to_owned(),
        words => words.join(" or "),
    }
}

fn type_in_words(name: &str) -> &str {
    match name {
        "integer" => "an integer",
        "number" => "a number",
        "string" => "a string",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "an object",
        other => other,
    }
}

/// Some values, quoted.
pub(super) fn listed(values: &[&Value]) -> String {
    let shown: Vec<String> = values.iter().take(LISTED_MAX).map(|value| quoted(value)).collect();
    let more = values.len().saturating_sub(LISTED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// A value in backticks, cut; strings without their quotes, unless they would look like something else.
pub(super) fn quoted(value: &Value) -> String {
    match value.as_str() {
        Some(text) if !looks_like_json(text) => format!("`{}`", cut(text)),
        _ => format!("`{}`", cut(&beginning(value))),
    }
}

fn looks_like_json(text: &str) -> bool {
    text.is_empty() || (text.len() <= QUOTED_CHARS_MAX && serde_json::from_str::<Value>(text).is_ok())
}

/// A text with its end cut off where it is long.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A value as JSON, at least as much of it as is shown: it may be large.
fn beginning(value: &Value) -> String {
    struct UpTo(Vec<u8>);
    impl io::Write for UpTo {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let room = (QUOTED_CHARS_MAX + 1) * CHAR_BYTES_MAX - self.0.len();
            if room == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            let taken = bytes.len().min(room);
            self.0.extend(bytes.iter().take(taken));
            Ok(taken)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut written = UpTo(Vec::new());
    // It ends early where there is too much of it.
    let _cut_short = serde_json::to_writer(&mut written, value);
    String::from_utf8_lossy(&written.0).into_owned()
}

/// The keywords that bound a value, and how to say so, the bound coming after.
pub(super) const BOUNDS: [(&str, &str); 14] = [
    ("minimum", "must be at least"),
    ("exclusiveMinimum", "must be more than"),
    ("maximum", "must be at most"),
    ("exclusiveMaximum", "must be less than"),
    ("multipleOf", "must be a multiple of"),
    ("minLength", "must be at least so many characters long:"),
    ("maxLength", "must be at most so many characters long:"),
    ("minItems", "must have at least so many elements:"),
    ("maxItems", "must have at most so many elements:"),
    ("minProperties", "must have at least so many members:"),
    ("maxProperties", "must have at most so many members:"),
    ("pattern", "must match the pattern"),
    ("format", "must be of the format"),
    ("contentEncoding", "must be encoded as"),
];

/// A bound that is new, gone or another one: what is said of the place.
pub(super) fn bound(phrase: &str, before: Option<&Value>, after: Option<&Value>) -> Option<String> {
    let said = |value: &Value| value.as_str().map_or_else(|| cut(&beginning(value)), |text| format!("`{}`", cut(text)));
    match (before, after) {
        (before, after) if before == after => None,
        (Some(before), Some(after)) => Some(format!("{phrase} {} now (was {})", said(after), said(before))),
        (None, Some(after)) => Some(format!("{phrase} {} now", said(after))),
        (Some(before), None) => {
            let phrase = phrase.replacen("must", "need no longer", 1);
            Some(format!("{phrase} {}", said(before)))
        }
        (None, None) => None,
    }
}
