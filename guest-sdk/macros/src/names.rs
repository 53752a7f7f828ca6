//! The rules for names and words the host checks at upload, applied while compiling.

use syn::{LitStr, Result};

/// Most characters of a kind or queue name.
const NAME_LENGTH_MAX: usize = 128;

/// The words of `error.reason` that a retry policy can name.
const FAILURE_REASONS: [&str; 12] = [
    "handler_error",
    "trap",
    "timeout",
    "fuel_exhausted",
    "memory_exceeded",
    "stack_overflow",
    "output_too_large",
    "invalid_output",
    "invalid_payload",
    "effect_rejected",
    "capability_denied",
    "host_calls_exceeded",
];

/// A kind or a queue: letters, digits and `. _ - / :`, starting with a letter or digit.
pub(crate) fn checked_name(what: &str, literal: &LitStr) -> Result<String> {
    let name = literal.value();
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts_well
        && name.len() <= NAME_LENGTH_MAX
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:".contains(c))
    {
        return Ok(name);
    }
    Err(syn::Error::new(
        literal.span(),
        format!(
            "{what} must be 1 to {NAME_LENGTH_MAX} characters of letters, digits, `.`, `_`, `-`, `/` and `:`, starting with a letter or digit"
        ),
    ))
}

/// A word of `error.reason`.
pub(crate) fn checked_reason(literal: &LitStr) -> Result<String> {
    let word = literal.value();
    if FAILURE_REASONS.contains(&word.as_str()) {
        return Ok(word);
    }
    Err(syn::Error::new(literal.span(), format!("not a failure reason; one of: {}", FAILURE_REASONS.join(", "))))
}
