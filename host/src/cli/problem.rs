//! RFC 9457 problem documents as a person reads them: title, detail, each pointer on its line.

use std::fmt;

use serde::Deserialize;

use super::terminal::{block, line};

/// Errors of one request shown; the rest are counted.
const ERRORS_SHOWN_MAX: usize = 50;

/// What the host answered instead of doing what it was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Problem {
    /// HTTP status.
    pub(super) status: u16,
    /// The stable word for it.
    pub(super) code: String,
    /// What it is.
    pub(super) title: String,
    /// What is wrong this time.
    pub(super) detail: String,
    /// Where in the request.
    pub(super) errors: Vec<FieldError>,
}

/// One place in the request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct FieldError {
    /// JSON pointer into the request; empty for all of it.
    pub(super) pointer: String,
    /// What is wrong there.
    pub(super) message: String,
}

impl Problem {
    /// From the body of an answer; anything that is no problem document is quoted in part.
    pub(super) fn from_body(status: u16, body: &[u8]) -> Problem {
        let quoted = || Problem {
            title: "the answer is not a problem document; is this a Stoker host?".to_owned(),
            detail: String::from_utf8_lossy(body).chars().take(400).collect::<String>().trim().to_owned(),
            ..Problem::default()
        };
        let parsed: Option<Problem> = serde_json::from_slice(body).ok();
        let known = parsed.filter(|problem| !problem.title.is_empty() || !problem.detail.is_empty());
        Problem { status, ..known.unwrap_or_else(quoted) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { status, code, title, detail, errors } = self;
        f.write_str(&line(if title.is_empty() { "the host refused" } else { title }))?;
        if code.is_empty() { write!(f, " ({status})") } else { write!(f, " ({status} {})", line(code)) }?;
        // Each place has a line of its own below; the host's summary names the first of them.
        let says_more = errors.iter().all(|error| !detail.contains(&error.message));
        if !detail.is_empty() && says_more {
            write!(f, "\n{}", block(detail))?;
        }
        for error in errors.iter().take(ERRORS_SHOWN_MAX) {
            let pointer = if error.pointer.is_empty() { "(the whole request)".into() } else { line(&error.pointer) };
            write!(f, "\n  {pointer}: {}", line(&error.message))?;
        }
        match errors.len().saturating_sub(ERRORS_SHOWN_MAX) {
            0 => {}
            more => write!(f, "\n  … and {more} more")?,
        }
        if *status == 401 && !detail.contains("STOKER_") {
            f.write_str("\nset STOKER_KEY (or STOKER_ADMIN_KEY) to the host's key")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_errors_stand_on_their_lines() {
        let body = br#"{"type":"about:blank","title":"The payload breaks the schema of its kind","status":422,
            "code":"invalid_payload","detail":"2 errors in the payload of kind `email.send`",
            "errors":[{"pointer":"/payload/to","message":"\"x\" is not a \"email\""},{"pointer":"/payload","message":"\"subject\" is a required property"}]}"#;
        insta::assert_snapshot!(Problem::from_body(422, body), @r#"
        The payload breaks the schema of its kind (422 invalid_payload)
        2 errors in the payload of kind `email.send`
          /payload/to: "x" is not a "email"
          /payload: "subject" is a required property
        "#);
    }

    #[test]
    fn what_is_no_problem_document_is_quoted_harmlessly() {
        insta::assert_snapshot!(Problem::from_body(502, b"<html>\x1b[2J Bad Gateway"), @r"
        the answer is not a problem document; is this a Stoker host? (502)
        <html>\u{1b}[2J Bad Gateway
        ");
    }

    #[test]
    fn a_missing_key_says_what_to_set() {
        let body = br#"{"title":"Unauthorized","status":401,"code":"unauthorized"}"#;
        insta::assert_snapshot!(Problem::from_body(401, body), @r"
        Unauthorized (401 unauthorized)
        set STOKER_KEY (or STOKER_ADMIN_KEY) to the host's key
        ");
    }

    #[test]
    fn a_flood_of_errors_is_cut() {
        let errors = vec![FieldError { pointer: "/a".to_owned(), message: "no".to_owned() }; ERRORS_SHOWN_MAX + 7];
        let text = Problem { status: 422, title: "t".to_owned(), errors, ..Problem::default() }.to_string();
        assert!(text.ends_with("… and 7 more"), "{text}");
    }
}
