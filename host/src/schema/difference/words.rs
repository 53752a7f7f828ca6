//! How places, types, values and bounds are called in a sentence.

use std::collections::BTreeSet;

use serde_json::Value;

use super::reading::Reading;

/// A value or schema quoted in a sentence is cut here, characters.
const QUOTED_CHARS_MAX: usize = 60;
/// Values listed in a sentence.
const LISTED_MAX: usize = 8;

/// The place a sentence is about: `name` at the top, `/address/street` below it.
pub(super) fn place(path: &[String]) -> String {
    match path {
        [] => "it".to_owned(),
        [name] => format!("`{name}`"),
        names => format!(
            "`/{}`",
            names.iter().map(|name| name.replace('~', "~0").replace('/', "~1")).collect::<Vec<_>>().join("/")
        ),
    }
}

/// What a value of this kind is called.
pub(super) fn kind_of(reading: &Reading<'_>) -> String {
    if reading.is_never {
        return "nothing at all".to_owned();
    }
    let Some(types) = &reading.types else {
        return match &reading.choices {
            Some(values) => format!("one of {}", listed(values)),
            None if reading.variants.is_empty() => "anything".to_owned(),
            None => "one of several forms".to_owned(),
        };
    };
    types_in_words(types)
}

fn types_in_words(types: &BTreeSet<&str>) -> String {
    let words: Vec<&str> = types.iter().map(|name| type_in_words(name)).collect();
    if words.is_empty() { "null".to_owned() } else { words.join(" or ") }
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

/// A value in backticks, cut; strings without their quotes.
pub(super) fn quoted(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let cut: String = text.chars().take(QUOTED_CHARS_MAX).collect();
    let dots = if cut.len() < text.len() { "…" } else { "" };
    format!("`{cut}{dots}`")
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

/// A bound that is new, gone or another one.
pub(super) fn bound(place: &str, phrase: &str, before: Option<&Value>, after: Option<&Value>) -> Option<String> {
    let said = |value: &Value| if value.is_string() { quoted(value) } else { value.to_string() };
    match (before, after) {
        (before, after) if before == after => None,
        (Some(before), Some(after)) => Some(format!("{place} {phrase} {} now (was {})", said(after), said(before))),
        (None, Some(after)) => Some(format!("{place} {phrase} {} now", said(after))),
        (Some(before), None) => {
            let phrase = phrase.replacen("must", "need no longer", 1);
            Some(format!("{place} {phrase} {}", said(before)))
        }
        (None, None) => None,
    }
}
