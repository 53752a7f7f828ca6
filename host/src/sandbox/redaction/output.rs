//! Takes secrets out of an output, which is JSON before and after.

use std::borrow::Cow;

use bytes::Bytes;

use super::automaton::Automaton;
use crate::job::{Failure, FailureReason};

/// The output with a label in the place of each secret in its texts, however they are spelled. A secret that is no text (a
/// number, a part of the structure) can't be replaced: the output is not taken.
pub(in crate::sandbox) fn redact_output(finder: &Automaton, output: Bytes) -> Result<Bytes, Failure> {
    // Without an escape a text is what it looks like.
    if !output.contains(&b'\\') && !finder.is_in(&output) {
        return Ok(output);
    }
    let mut redacted = Vec::with_capacity(output.len());
    let mut rest = &output[..];
    while let Some(begin) = rest.iter().position(|byte| *byte == b'"') {
        redacted.extend_from_slice(&rest[..begin]);
        let literal = literal(&rest[begin..]);
        redacted.extend_from_slice(&redact_literal(finder, literal));
        rest = &rest[begin + literal.len()..];
    }
    redacted.extend_from_slice(rest);
    if finder.is_in(&redacted) {
        let message =
            "the output holds a secret that is no text by itself, and so could not be taken out of it; leave it out";
        return Err(Failure::new(FailureReason::InvalidOutput, message));
    }
    Ok(Bytes::from(redacted))
}

/// A text with its quotes; one without an end goes to the end, and is no JSON for those who check it.
fn literal(text: &[u8]) -> &[u8] {
    let mut is_escaped = false;
    for (at, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return &text[..=at],
            _ => {}
        }
    }
    text
}

fn redact_literal<'t>(finder: &Automaton, literal: &'t [u8]) -> Cow<'t, [u8]> {
    let Ok(text) = serde_json::from_slice::<Cow<'_, str>>(literal) else { return finder.redact(literal) };
    match finder.redact(text.as_bytes()) {
        Cow::Borrowed(_) => Cow::Borrowed(literal),
        Cow::Owned(redacted) => {
            Cow::Owned(serde_json::to_vec(&String::from_utf8_lossy(&redacted)).unwrap_or_else(|_| b"null".to_vec()))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::secrets::SecretValue;

    #[test]
    fn texts_are_redacted_and_everything_else_stays_as_it_is() {
        let secret = |name: &str, value: &str| (name.to_owned(), SecretValue::new(value.as_bytes().to_vec()).unwrap());
        let finder =
            Automaton::new(&[secret("k", "s3cr3t/key\"x"), secret("n", "12345678"), secret("j", r#"{"a": "bcdef"}"#)])
                .unwrap();
        let redacted = |output: &'static str| {
            redact_output(&finder, Bytes::from_static(output.as_bytes()))
                .map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
                .map_err(|failure| failure.reason)
        };
        for (output, expected) in [
            (r#"{ "a": 1.50, "b": ["x\n"] }"#, Ok(r#"{ "a": 1.50, "b": ["x\n"] }"#)),
            (r#"{"k": "is s3cr3t/key\"x!"}"#, Ok(r#"{"k": "is [secret k]!"}"#)),
            (r#"["\u0073\u0033cr3t\/key\u0022x"]"#, Ok(r#"["[secret k]"]"#)),
            (r#"{"12345678": "n=12345678"}"#, Ok(r#"{"[secret n]": "n=[secret n]"}"#)),
            (r#""{\"a\": \"bcdef\"}""#, Ok(r#""[secret j]""#)),
            ("[12345678]", Err(FailureReason::InvalidOutput)),
            (r#"{"a": "bcdef"}"#, Err(FailureReason::InvalidOutput)),
            (r#"["no end 12345678"#, Ok(r#"["no end [secret n]"#)),
        ] {
            assert_eq!(redacted(output), expected.map(str::to_owned), "{output}");
        }
    }
}
