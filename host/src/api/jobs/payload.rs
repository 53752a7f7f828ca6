//! Payloads: what every handler can read, and what the schema of the kind takes.

use crate::api::error::{ApiError, FIELD_ERRORS_MAX, FieldError, ProblemCode};
use crate::job::json_text::{parse_strict_value, stumbling_block};
use crate::schema::{Effort, Exhausted, SharedSchema, Verdict};

/// Refuses well-formed JSON that is no use to most readers (RFC 7493): half of a surrogate pair, numbers past 64-bit
/// floats, bottomless nesting. One pass, nothing is built. `payload` must be well-formed.
pub(super) fn check_readable(payload: &[u8]) -> Result<(), ApiError> {
    match stumbling_block(payload) {
        None => Ok(()),
        Some(message) => Err(refuse_text(message)),
    }
}

#[cold]
fn refuse_text(message: String) -> ApiError {
    ApiError::fields(ProblemCode::InvalidPayload, vec![FieldError::new("/payload", message)])
}

/// Refuses what is no string, for a kind whose guest reads a text.
pub(super) fn check_text(payload: &[u8]) -> Result<(), ApiError> {
    if payload.trim_ascii_start().starts_with(b"\"") {
        return Ok(());
    }
    Err(refuse_text("must be a JSON string: the kind reads text (its `stdin` is `text`)".to_owned()))
}

/// Why a payload was not accepted.
#[derive(Debug)]
pub(super) enum Rejected {
    /// It never will be.
    Refused(ApiError),
    /// To find out takes more than the effort that was allowed.
    Unfinished(Exhausted),
}

impl From<ApiError> for Rejected {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

/// Refuses a payload that breaks the schema, naming every place up to a bound. The parser refuses what
/// [`check_readable`] does.
pub(super) fn check(schema: &SharedSchema, payload: &[u8], effort: Effort) -> Result<(), Rejected> {
    let value = std::str::from_utf8(payload)
        .map_err(|error| error.to_string())
        .and_then(parse_strict_value)
        .map_err(|message| refuse_text(stumbling_block(payload).unwrap_or(message)))?;
    match schema.check_here(&value, effort, FIELD_ERRORS_MAX) {
        Verdict::Valid => Ok(()),
        Verdict::Unfinished(exhausted) => Err(Rejected::Unfinished(exhausted)),
        Verdict::Invalid(violations) => {
            let errors = violations.into_iter().map(|v| FieldError::new(format!("/payload{}", v.pointer), v.message));
            Err(ApiError::fields(ProblemCode::InvalidPayload, errors.collect()).into())
        }
    }
}

/// All there is to check of a payload, with all the effort there is. `takes_text`: the kind's guest reads a text.
pub(in crate::api) fn check_thoroughly(
    schema: Option<&SharedSchema>,
    takes_text: bool,
    payload: &[u8],
) -> Result<(), ApiError> {
    if takes_text {
        check_text(payload)?;
    }
    let Some(schema) = schema else { return check_readable(payload) };
    check(schema, payload, Effort::Thorough).map_err(|rejected| match rejected {
        Rejected::Refused(error) => error,
        Rejected::Unfinished(exhausted) => refuse_unfinished(exhausted),
    })
}

/// A payload of which nobody can say in time whether it is valid.
#[cold]
pub(super) fn refuse_unfinished(exhausted: Exhausted) -> ApiError {
    refuse_text(exhausted.sentence().to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn schema(schema: &serde_json::Value) -> SharedSchema {
        let compiled = crate::schema::BoundedSchema::compile(&schema.to_string()).unwrap();
        SharedSchema::new(compiled, crate::schema::SlowWork::default())
    }

    fn checked(schema: &SharedSchema, payload: &[u8]) -> Result<(), ApiError> {
        match check(schema, payload, Effort::Thorough) {
            Ok(()) => Ok(()),
            Err(Rejected::Refused(error)) => Err(error),
            Err(Rejected::Unfinished(exhausted)) => Err(refuse_unfinished(exhausted)),
        }
    }

    #[test]
    fn what_handlers_could_not_read_is_refused_with_or_without_a_schema() {
        let any = schema(&serde_json::json!({"minProperties": 0}));
        let nested = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let digits = |count| "9".repeat(count);
        for (payload, said) in [
            (r#"{"a": "\ud800"}"#.to_owned(), Some("byte 7")),
            (r#"["\udc00"]"#.to_owned(), Some("byte 2")),
            (r#"["\ud800\ud800"]"#.to_owned(), Some("byte 2")),
            (r#"["\uD800\n"]"#.to_owned(), Some("byte 2")),
            (r#"{"\udfff": 1}"#.to_owned(), Some("byte 2")),
            (r#"["\ud83d\ude00", "\\\\ud800", "\\ud800", "\"", "\u00fc", "x\\"]"#.to_owned(), None),
            ("1e999".to_owned(), Some("byte 0")),
            ("[1, -1E+400]".to_owned(), Some("byte 4")),
            (digits(310), Some("byte 0")),
            (digits(308), None),
            ("[1e308, 1e-999, -0.0, 18446744073709551615, 123456789012345678901234567890]".to_owned(), None),
            (r#"{"e": "1e999", "[": "[[["}"#.to_owned(), None),
            (nested(127), None),
            (nested(128), Some("127 levels at byte 127")),
            (format!("[{}]", ["[]"; 1_000].join(",")), None),
        ] {
            for checked in [check_readable(payload.as_bytes()), checked(&any, payload.as_bytes())] {
                match (checked, said) {
                    (Ok(()), None) => {}
                    (Err(error), Some(said)) => {
                        assert_eq!(error.code(), ProblemCode::InvalidPayload, "{payload}");
                        assert!(error.detail().contains(said), "{payload}: {}", error.detail());
                    }
                    (checked, said) => panic!("{payload}: {checked:?}, wanted {said:?}"),
                }
            }
        }
    }

    #[test]
    fn every_broken_place_is_named() {
        let schema = serde_json::json!({
            "type": "object",
            "required": ["to"],
            "additionalProperties": false,
            "properties": {"to": {"type": "array", "items": {"type": "string"}}, "a/b": {"type": "integer"}},
        });
        let schema = self::schema(&schema);
        assert!(checked(&schema, br#"{"to": ["x"]}"#).is_ok());
        for (payload, pointers) in [
            (r#"{"to": ["x", 1, 2]}"#, &["/payload/to/1", "/payload/to/2"][..]),
            (r#"{"to": [], "a/b": "x"}"#, &["/payload/a~1b"]),
            ("{}", &["/payload"]),
            ("null", &["/payload"]),
            (r#"{"to": [], "to": [1]}"#, &["/payload"]),
        ] {
            let error = checked(&schema, payload.as_bytes()).unwrap_err();
            assert_eq!(error.code(), ProblemCode::InvalidPayload);
            let found: Vec<_> = error.errors().iter().map(|error| error.pointer.as_str()).collect();
            assert_eq!(found, pointers, "{payload}");
        }
        let many = format!(r#"{{"to": [{}]}}"#, vec!["1"; 1_000].join(","));
        assert_eq!(checked(&schema, many.as_bytes()).unwrap_err().errors().len(), FIELD_ERRORS_MAX);
    }
}
