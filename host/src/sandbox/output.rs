//! What counts as an output: JSON text that every reader takes, not too large, of the kind's schema. And how a plain command's standard
//! streams become JSON and back. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::IgnoredAny;

use super::classify::output_too_large;
use crate::job::json_text::{parse_strict_value, stumbling_block};
use crate::job::{Failure, FailureReason, Limits, StdinFormat, StdoutFormat};
use crate::schema::{SharedSchema, Verdict, Violation};

/// Schema errors that are listed.
const SCHEMA_ERRORS_MAX: usize = 20;
/// What to do about an output that is not JSON.
pub(super) const HANDLER_HINT: &str = "return JSON text";
pub(super) const COMMAND_HINT: &str = "print JSON text, or set `stdout` to `text` or `bytes` in the kind's settings";

/// A handler's output; whether it is JSON is for [`check`] to say.
pub(super) fn of_handler(output: String, limits: &Limits) -> Result<Bytes, Failure> {
    if exceeds(output.len(), limits) {
        return Err(output_too_large(limits));
    }
    Ok(Bytes::from(output))
}

/// A plain command's standard output as JSON, if it is; that is for [`check`] to say.
pub(super) fn of_command(stdout: Vec<u8>, format: StdoutFormat, limits: &Limits) -> Result<Bytes, Failure> {
    let json = match format {
        StdoutFormat::Json => {
            if stdout.iter().all(u8::is_ascii_whitespace) {
                return Err(invalid(
                    "standard output is empty where JSON was expected; print a value (`null` will do), or set `stdout` to `text` in the kind's settings",
                ));
            }
            text(stdout)?
        }
        StdoutFormat::Text => quoted(&text(stdout)?)?,
        StdoutFormat::Bytes => quoted(&STANDARD.encode(&stdout))?,
    };
    if exceeds(json.len(), limits) {
        return Err(output_too_large(limits));
    }
    Ok(Bytes::from(json))
}

/// What a plain command reads, from the payload.
pub(super) fn stdin(payload: &Bytes, format: StdinFormat) -> Result<Bytes, Failure> {
    match format {
        StdinFormat::Json => Ok(payload.clone()),
        StdinFormat::Text => serde_json::from_slice::<String>(payload).map(Bytes::from).map_err(|_| {
            Failure::new(
                FailureReason::InvalidPayload,
                "the kind takes text (`stdin` is `text`): the payload must be a JSON string",
            )
        }),
    }
}

fn exceeds(bytes: usize, limits: &Limits) -> bool {
    u64::try_from(bytes).unwrap_or(u64::MAX) > limits.output_bytes
}

fn text(stdout: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(stdout).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        invalid(format!("standard output is not UTF-8 (byte {offset}); set `stdout` to `bytes` in the kind's settings"))
    })
}

fn quoted(text: &str) -> Result<String, Failure> {
    serde_json::to_string(text).map_err(|error| invalid(error.to_string()))
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(FailureReason::InvalidOutput, message)
}

/// JSON that is of no use to most readers.
#[cold]
fn unreadable(found: &str) -> Failure {
    invalid(format!("the output is JSON that not every reader takes: {found}; return it as a text, or leave that out"))
}

/// Whether it is JSON, of the kind's schema. Quick for most; what takes longer is checked on another thread.
pub(super) async fn check(output: &Bytes, schema: Option<&SharedSchema>, hint: &str) -> Result<(), Failure> {
    let not_json = |error: serde_json::Error| invalid(format!("the output is not JSON ({error}); {hint}"));
    let Some(schema) = schema else {
        // Nobody looks inside.
        serde_json::from_slice::<IgnoredAny>(output).map_err(not_json)?;
        return match stumbling_block(output) {
            None => Ok(()),
            Some(found) => Err(unreadable(&found)),
        };
    };
    let value = match std::str::from_utf8(output).map_err(|error| error.to_string()).and_then(parse_strict_value) {
        Ok(value) => value,
        Err(message) => {
            serde_json::from_slice::<IgnoredAny>(output).map_err(not_json)?;
            return Err(unreadable(&stumbling_block(output).unwrap_or(message)));
        }
    };
    match schema.check(value, SCHEMA_ERRORS_MAX).await {
        Verdict::Valid => Ok(()),
        Verdict::Unfinished(exhausted) => Err(invalid(format!("the output {}", exhausted.sentence()))),
        Verdict::Invalid(violations) => {
            let lines: Vec<String> = violations.iter().map(line).collect();
            let first = lines.first().map(String::as_str).unwrap_or_default();
            Err(invalid(format!("the output breaks the kind's output schema: {first}")).with_detail(lines.join("\n")))
        }
    }
}

fn line(violation: &Violation) -> String {
    let Violation { pointer, message, general: _ } = violation;
    format!("{}: {message}", if pointer.is_empty() { "(root)" } else { pointer })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(result: Result<Bytes, Failure>) -> Result<String, FailureReason> {
        result.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).map_err(|failure| failure.reason)
    }

    #[tokio::test]
    async fn standard_output_becomes_json() {
        use FailureReason::{InvalidOutput, OutputTooLarge};
        let limits = Limits { output_bytes: 20, ..Limits::default() };
        for (stdout, format, expected) in [
            (&b"{\"a\":1}\n"[..], StdoutFormat::Json, Ok("{\"a\":1}\n")),
            (b"hello \"you\"\n", StdoutFormat::Text, Ok("\"hello \\\"you\\\"\\n\"")),
            (b"\xff\x00", StdoutFormat::Bytes, Ok("\"/wA=\"")),
            (b"", StdoutFormat::Text, Ok("\"\"")),
            (b" \n", StdoutFormat::Json, Err(InvalidOutput)),
            (b"hello", StdoutFormat::Json, Err(InvalidOutput)),
            (b"1 2", StdoutFormat::Json, Err(InvalidOutput)),
            (b"\xff", StdoutFormat::Text, Err(InvalidOutput)),
            (b"aaaaaaaaaaaaaaaaaaaa", StdoutFormat::Text, Err(OutputTooLarge)),
        ] {
            let printed = of_command(stdout.to_vec(), format, &limits);
            let got = reason(match printed {
                Ok(output) => check(&output, None, COMMAND_HINT).await.map(|()| output),
                Err(failure) => Err(failure),
            });
            assert_eq!(got, expected.map(str::to_owned), "{stdout:?} {format:?}");
        }
    }

    fn schema(schema: &str) -> SharedSchema {
        let compiled = crate::schema::BoundedSchema::compile(schema).expect("a schema");
        SharedSchema::new(compiled, crate::schema::SlowWork::default())
    }

    #[tokio::test]
    async fn a_broken_schema_lists_pointers() {
        let schema = schema(r#"{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["m"]}"#);
        let broken = Bytes::from_static(br#"{"n":"x"}"#);
        let failure = check(&broken, Some(&schema), HANDLER_HINT).await.expect_err("breaks it");
        assert_eq!(failure.reason, FailureReason::InvalidOutput);
        let detail = failure.detail.expect("a list");
        assert!(detail.contains("/n: ") && detail.contains("(root): "), "{detail}");
        let sound = Bytes::from_static(br#"{"m":1,"n":2}"#);
        assert!(check(&sound, Some(&schema), HANDLER_HINT).await.is_ok());
    }

    #[tokio::test]
    async fn outputs_obey_the_rules_of_payloads() {
        let any = schema(r#"{"minProperties": 0}"#);
        let nested = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        for (output, said) in [
            (r#"["\ud800"]"#.to_owned(), Some("byte 2")),
            ("[1e999]".to_owned(), Some("byte 1")),
            (nested(128), Some("127 levels")),
            (nested(127), None),
            (r#"["\ud83d\ude00", 1e308]"#.to_owned(), None),
        ] {
            let output = Bytes::from(output);
            for schema in [None, Some(&any)] {
                let failure = check(&output, schema, HANDLER_HINT).await.err();
                assert_eq!(failure.is_some(), said.is_some(), "{output:?}");
                if let (Some(failure), Some(said)) = (failure, said) {
                    assert_eq!(failure.reason, FailureReason::InvalidOutput);
                    assert!(failure.message.contains(said), "{}", failure.message);
                }
            }
        }
        // As with payloads: which one counts matters only where a schema looks.
        let twice = Bytes::from_static(br#"{"a": 1, "a": 2}"#);
        let failure = check(&twice, Some(&any), HANDLER_HINT).await.expect_err("is refused");
        assert!(failure.message.contains("duplicate key `a`"), "{}", failure.message);
    }

    #[test]
    fn text_payloads_are_strings() {
        let text = |payload: &'static str| stdin(&Bytes::from_static(payload.as_bytes()), StdinFormat::Text);
        assert_eq!(text(r#""a\nb""#).ok(), Some(Bytes::from_static(b"a\nb")));
        assert_eq!(text("{}").map_err(|failure| failure.reason), Err(FailureReason::InvalidPayload));
    }
}
