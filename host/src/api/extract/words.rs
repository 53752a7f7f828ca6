//! What the JSON parser says of a value, in words of those who wrote it: JSON's types instead of Rust's.

use std::borrow::Cow;

/// The parser's message for people who don't know its language.
pub(super) fn in_words(message: &str) -> Cow<'_, str> {
    if message == "expected value" {
        return "expected one of its names, as text".into();
    }
    if message.contains(" surrogate in hex escape") || message == "unexpected end of hex escape" {
        return "has half of a surrogate pair".into();
    }
    let Some((is_type, rest)) = ["invalid type: ", "invalid value: "]
        .iter()
        .find_map(|prefix| message.strip_prefix(prefix).map(|rest| (*prefix == "invalid type: ", rest)))
    else {
        return message.into();
    };
    let Some((found, expected)) = rest.rsplit_once(", expected ") else { return message.into() };
    let (expected, is_whole) = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" | "isize" => ("a whole number", true),
        "f32" | "f64" => ("a number", false),
        "a boolean" => ("true or false", false),
        "a string" | "a borrowed string" | "a character" => ("text", false),
        "a sequence" => ("an array", false),
        "a map" => ("an object", false),
        expected if expected.starts_with("struct ") => ("an object", false),
        expected if expected.starts_with("enum ") => ("one of its names, as text", false),
        expected => (expected, false),
    };
    if is_whole && (!is_type || is_large(found)) {
        return if found.contains("`-") { "must not be negative" } else { "the number is too large" }.into();
    }
    format!("expected {expected}, not {}", found_in_words(found)).into()
}

/// A number past 64 bits reaches the parser as a fraction.
fn is_large(found: &str) -> bool {
    let number = found.strip_prefix("floating point `").and_then(|rest| rest.strip_suffix('`'));
    number.and_then(|number| number.parse::<f64>().ok()).is_some_and(|number| number.abs() >= 2_f64.powi(63))
}

fn found_in_words(found: &str) -> Cow<'_, str> {
    match found {
        "sequence" => "an array".into(),
        "map" => "an object".into(),
        "null" | "unit value" | "Option value" => "null".into(),
        found => match found.split_once(' ') {
            Some(("string", text)) => format!("the text {text}").into(),
            _ => match found.split('`').nth(1) {
                Some(value) => value.to_owned().into(),
                None => found.into(),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_of_the_parser_does_not_show() {
        for (message, words) in [
            ("invalid type: string \"x\", expected i64", "expected a whole number, not the text \"x\""),
            (
                "invalid type: string \"a, expected b\", expected u64",
                "expected a whole number, not the text \"a, expected b\"",
            ),
            ("invalid type: floating point `1.5`, expected i64", "expected a whole number, not 1.5"),
            ("invalid type: floating point `1e20`, expected i64", "the number is too large"),
            ("invalid value: integer `256`, expected u8", "the number is too large"),
            ("invalid value: integer `-1`, expected u64", "must not be negative"),
            ("invalid type: null, expected a string", "expected text, not null"),
            ("invalid type: sequence, expected f64", "expected a number, not an array"),
            ("invalid type: map, expected a sequence", "expected an array, not an object"),
            ("invalid type: boolean `true`, expected struct RetryWire", "expected an object, not true"),
            ("invalid type: integer `5`, expected a size such as \"1MiB\"", "expected a size such as \"1MiB\", not 5"),
            ("expected value", "expected one of its names, as text"),
            ("lone leading surrogate in hex escape", "has half of a surrogate pair"),
            ("unknown field `x`, expected `y`", "unknown field `x`, expected `y`"),
        ] {
            assert_eq!(in_words(message), words);
        }
    }
}
