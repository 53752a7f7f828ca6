//! `{"value": …}` or `{"value_base64": …}`: bytes in a JSON body. What is wrong with such a body is said without a word of
//! what is in it: the value may be a secret.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::error::Category;
use zeroize::Zeroizing;

use crate::api::error::{ApiError, ProblemCode};

/// What the fields around a value may take, bytes.
const FIELDS_BYTES_MAX: usize = 1 << 10;
/// What a byte of text can become in JSON: `\u0000`.
const ESCAPED_BYTES: usize = 6;

/// A value, as text or as bytes.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ValueRequest)]
pub(in crate::api) struct ValueRequest<'a> {
    /// A value that is text. Either this or `value_base64`.
    #[serde(borrow, default)]
    value: Option<Cow<'a, str>>,
    /// A value of any bytes, as base64.
    #[serde(borrow, default)]
    value_base64: Option<Cow<'a, str>>,
}

/// Largest body of a value of so many bytes.
pub(in crate::api) const fn body_bytes_max(value_bytes_max: usize) -> usize {
    value_bytes_max * ESCAPED_BYTES + FIELDS_BYTES_MAX
}

/// The value in a body.
pub(in crate::api) fn parse_value(body: &[u8]) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    let expected = "send an object with `value` (a text) or `value_base64` (bytes as base64), and nothing else";
    // Derived types would take an array, too.
    let begins = body.trim_ascii_start().first();
    let parsed: Result<ValueRequest<'_>, _> = serde_json::from_slice(body);
    match parsed {
        Ok(ValueRequest { value: Some(text), value_base64: None }) if begins == Some(&b'{') => {
            Ok(Zeroizing::new(text.into_owned().into_bytes()))
        }
        Ok(ValueRequest { value: None, value_base64: Some(text) }) if begins == Some(&b'{') => STANDARD
            .decode(text.as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| ApiError::field("/value_base64", "is not base64 (with padding, in the standard alphabet)")),
        Err(error) if error.classify() != Category::Data => {
            let place = format!("line {}, column {}", error.line(), error.column());
            Err(ApiError::new(ProblemCode::MalformedJson, format!("the body is not JSON: it breaks at {place}")))
        }
        _ => Err(ApiError::field("", expected)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_text_or_bytes_and_refusals_do_not_quote_it() {
        assert_eq!(parse_value(br#"{"value": "a\nb"}"#).unwrap().as_slice(), b"a\nb");
        assert_eq!(parse_value(br#"{"value_base64": "/wA="}"#).unwrap().as_slice(), b"\xff\0");
        for (body, code) in [
            (r#"{"value": 12345678}"#, ProblemCode::InvalidRequest),
            (r#"{"value": null}"#, ProblemCode::InvalidRequest),
            (r#"{"value": "12345678", "value_base64": "12345678"}"#, ProblemCode::InvalidRequest),
            (r#"{"value": "12345678", "value": "12345678"}"#, ProblemCode::InvalidRequest),
            (r#"{"12345678": "x"}"#, ProblemCode::InvalidRequest),
            (r#"{"value_base64": "12345678!"}"#, ProblemCode::InvalidRequest),
            (r#"["12345678", null]"#, ProblemCode::InvalidRequest),
            (r#""12345678""#, ProblemCode::InvalidRequest),
            ("{}", ProblemCode::InvalidRequest),
            (r#"{"value": "12345678"#, ProblemCode::MalformedJson),
            ("12345678x", ProblemCode::InvalidRequest),
        ] {
            let error = parse_value(body.as_bytes()).unwrap_err();
            assert_eq!(error.code(), code, "{body}");
            assert!(!serde_json::to_string(&error).unwrap().contains("12345678"), "{body}");
        }
    }
}
