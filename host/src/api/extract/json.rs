//! JSON text into wire types. Text that is not JSON is 400 with its line and column; JSON of the wrong shape
//! (unknown or duplicate fields, bad types) is 422 with a pointer.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::error::Category;
use serde_path_to_error::Segment;

use super::words::in_words;
use crate::api::error::{ApiError, FieldError, ProblemCode};
use crate::job::cut_quote;
use crate::job::field::FIELD_ERROR_BYTES_MAX;

/// Where a text stands in its body, so that refusals can say what the client sees.
#[derive(Clone, Copy, Debug)]
pub(in crate::api) struct Start {
    /// From 1.
    pub(in crate::api) line: usize,
    /// Bytes before it on its line.
    pub(in crate::api) columns: usize,
}

impl Start {
    const OF_BODY: Start = Start { line: 1, columns: 0 };
}

/// Parses a request that is a whole body.
pub(in crate::api) fn parse_json<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Result<T, ApiError> {
    parse_json_at(text, Start::OF_BODY)
}

/// Parses a request.
pub(in crate::api) fn parse_json_at<'de, T: Deserialize<'de>>(text: &'de [u8], start: Start) -> Result<T, ApiError> {
    // Derived types would take an array too, as their fields in the order of declaration.
    if text.trim_ascii_start().first() != Some(&b'{') {
        return Err(refuse_all_but_objects(text, start));
    }
    serde_json::from_slice(text).map_err(|error| refuse::<T>(text, &error, start))
}

#[cold]
fn refuse_all_but_objects(text: &[u8], start: Start) -> ApiError {
    match serde_json::from_slice::<IgnoredAny>(text) {
        Ok(_) => ApiError::invalid(vec![FieldError::new("", "must be a JSON object")]),
        Err(error) => refuse_json_at(&error, start),
    }
}

#[cold]
fn refuse<'de, T: Deserialize<'de>>(text: &'de [u8], error: &serde_json::Error, start: Start) -> ApiError {
    match error.classify() {
        Category::Data => ApiError::invalid(vec![locate::<T>(text, error)]),
        // The parser also says so of JSON where it has no use for that kind of value.
        Category::Syntax if serde_json::from_slice::<IgnoredAny>(text).is_ok() => {
            ApiError::invalid(vec![locate::<T>(text, error)])
        }
        Category::Syntax | Category::Eof | Category::Io => refuse_json_at(error, start),
    }
}

/// The refusal of a body as a whole.
pub(in crate::api) fn refuse_json(error: &serde_json::Error) -> ApiError {
    refuse_json_at(error, Start::OF_BODY)
}

fn refuse_json_at(error: &serde_json::Error, start: Start) -> ApiError {
    match error.classify() {
        Category::Data => ApiError::invalid(vec![FieldError::new("", in_words(without_position(&error.to_string())))]),
        Category::Syntax | Category::Eof | Category::Io => {
            let line = start.line + error.line().saturating_sub(1);
            let column = error.column() + if error.line() <= 1 { start.columns } else { 0 };
            let text = error.to_string();
            let what = without_position(&text);
            let sentence = format!("the body is not JSON: {what} at line {line} column {column}");
            ApiError::new(ProblemCode::MalformedJson, sentence).with("line", line).with("column", column)
        }
    }
}

/// Parses once more, slowly, to learn where the error is.
fn locate<'de, T: Deserialize<'de>>(text: &'de [u8], error: &serde_json::Error) -> FieldError {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        // The same bytes fail the same way; this arm cannot be reached.
        Ok(_) => FieldError::new("", without_position(&error.to_string())),
        Err(located) => {
            let message = without_position(&located.inner().to_string()).to_owned();
            let mut pointer = String::new();
            let mut last = None;
            for segment in located.path() {
                let part = match segment {
                    Segment::Seq { index } => index.to_string(),
                    Segment::Map { key } => key.clone(),
                    Segment::Enum { variant } => variant.clone(),
                    Segment::Unknown => continue,
                };
                push_part(&mut pointer, &part);
                last = Some(part);
            }
            // These name a field that is not part of the path yet.
            let named = ["unknown field `", "duplicate field `", "missing field `"]
                .iter()
                .find_map(|prefix| message.strip_prefix(prefix))
                .and_then(|rest| rest.split('`').next());
            if let Some(name) = named
                && last.as_deref() != Some(name)
            {
                push_part(&mut pointer, name);
            }
            FieldError::new(pointer, cut_quote(&in_words(&message), FIELD_ERROR_BYTES_MAX))
        }
    }
}

fn push_part(pointer: &mut String, part: &str) {
    pointer.push('/');
    for c in part.chars() {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            c => pointer.push(c),
        }
    }
}

/// The pointer says where; a position within one value would confuse.
fn without_position(message: &str) -> &str {
    message.rfind(" at line ").map_or(message, |end| &message[..end])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::value::RawValue;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Request<'a> {
        #[serde(borrow)]
        payload: &'a RawValue,
        #[serde(default)]
        number: Option<u8>,
        #[serde(default)]
        list: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Inner {
        name: String,
        #[serde(default)]
        sort: Option<Sort>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Sort {
        Good,
    }

    fn refusal(text: &str) -> (u16, String) {
        let error = parse_json::<Request>(text.as_bytes()).unwrap_err();
        (error.code().status(), error.errors().first().map(|error| error.pointer.clone()).unwrap_or_default())
    }

    #[test]
    fn broken_text_is_400_and_wrong_shapes_are_422_with_a_pointer() {
        for (text, status, pointer) in [
            ("", 400, ""),
            ("{", 400, ""),
            (r#"{"payload": {"a": }}"#, 400, ""),
            (r#"{"payload": 1} x"#, 400, ""),
            (r#"{"payload": 1, "payload": 2}"#, 422, "/payload"),
            (r#"{"payload": 1, "other": 2}"#, 422, "/other"),
            (r#"{"payload": 1, "o/t~her": 2}"#, 422, "/o~1t~0her"),
            (r#"{"payload": 1, "number": "x"}"#, 422, "/number"),
            (r#"{"payload": 1, "number": 256}"#, 422, "/number"),
            (r#"{"payload": 1, "list": [{"name": "a"}, {"name": 1}]}"#, 422, "/list/1/name"),
            (r#"{"payload": 1, "list": [{"nome": "a"}]}"#, 422, "/list/0/nome"),
            (r#"{"payload": 1, "list": [{"name": "a", "sort": 5}]}"#, 422, "/list/0/sort"),
            (r#"{"payload": 1, "list": [{"name": "a", "sort": "bad"}]}"#, 422, "/list/0/sort"),
            (r#"{"number": 1}"#, 422, "/payload"),
            ("[]", 422, ""),
            ("[1, 2, []]", 422, ""),
            ("null", 422, ""),
            ("[1", 400, ""),
        ] {
            assert_eq!(refusal(text), (status, pointer.to_owned()), "{text}");
        }
        let error = parse_json::<Request>(b"{\n  \"payload\": tru }").unwrap_err();
        assert!(error.detail().contains("line 2 column"), "{}", error.detail());
        assert!(parse_json::<Request>(b"\xff").is_err());
        assert!(parse_json::<Request>(b"{\"payload\": \"\xff\"}").is_err());
    }
}
