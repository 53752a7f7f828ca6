//! Payloads against the schema of their kind.

use jsonschema::Validator;

use crate::api::error::{ApiError, FIELD_ERRORS_MAX, FieldError, ProblemCode};
use crate::api::extract::parse_strict_value;

/// A schema that lets everything pass.
pub(super) fn accepts_anything(schema: &str) -> bool {
    matches!(schema.trim(), "true" | "{}")
}

/// Refuses a payload that breaks the schema, naming every place up to a bound.
pub(super) fn check(validator: &Validator, payload: &[u8]) -> Result<(), ApiError> {
    let refuse = |errors| ApiError::fields(ProblemCode::InvalidPayload, errors);
    let value = std::str::from_utf8(payload)
        .map_err(|error| error.to_string())
        .and_then(parse_strict_value)
        .map_err(|message| refuse(vec![FieldError::new("/payload", message)]))?;
    if validator.is_valid(&value) {
        return Ok(());
    }
    let errors: Vec<FieldError> = validator
        .iter_errors(&value)
        .take(FIELD_ERRORS_MAX)
        .map(|error| FieldError::new(format!("/payload{}", error.instance_path()), error.to_string()))
        .collect();
    Err(refuse(errors))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_broken_place_is_named() {
        let schema = serde_json::json!({
            "type": "object",
            "required": ["to"],
            "additionalProperties": false,
            "properties": {"to": {"type": "array", "items": {"type": "string"}}, "a/b": {"type": "integer"}},
        });
        let validator = jsonschema::validator_for(&schema).unwrap();
        assert!(check(&validator, br#"{"to": ["x"]}"#).is_ok());
        for (payload, pointers) in [
            (r#"{"to": ["x", 1, 2]}"#, &["/payload/to/1", "/payload/to/2"][..]),
            (r#"{"to": [], "a/b": "x"}"#, &["/payload/a~1b"]),
            ("{}", &["/payload"]),
            ("null", &["/payload"]),
            (r#"{"to": [], "to": [1]}"#, &["/payload"]),
        ] {
            let error = check(&validator, payload.as_bytes()).unwrap_err();
            assert_eq!(error.code(), ProblemCode::InvalidPayload);
            let found: Vec<_> = error.errors().iter().map(|error| error.pointer.as_str()).collect();
            assert_eq!(found, pointers, "{payload}");
        }
        let many = format!(r#"{{"to": [{}]}}"#, vec!["1"; 1_000].join(","));
        assert_eq!(check(&validator, many.as_bytes()).unwrap_err().errors().len(), FIELD_ERRORS_MAX);
    }
}
