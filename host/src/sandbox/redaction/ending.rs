//! Takes secrets out of how an attempt ended.

use std::sync::Arc;

use super::automaton::Automaton;
use super::output::redact_output;
use super::redact_text;
use crate::job::{Failure, Limits, Outcome};
use crate::sandbox::bindings::stoker::handler::types as wit;
use crate::sandbox::classify::output_too_large;

type Finder<'a> = Option<&'a Arc<Automaton>>;

/// Out of the output, before it is checked: what is said of it quotes it. With labels in the place of secrets it may have come
/// to be larger than it may be.
pub(in crate::sandbox) fn of_output(outcome: Outcome, finder: Finder<'_>, limits: &Limits) -> Outcome {
    let (Some(finder), Outcome::Succeeded { output }) = (finder, &outcome) else { return outcome };
    let fits = |bytes: usize| u64::try_from(bytes).is_ok_and(|bytes| bytes <= limits.output_bytes);
    match redact_output(finder, output.clone()) {
        Ok(output) if fits(output.len()) => Outcome::Succeeded { output },
        Ok(_) => Outcome::Failed(output_too_large(limits)),
        Err(failure) => Outcome::Failed(failure),
    }
}

/// Out of what is said of a failure.
pub(in crate::sandbox) fn of_failure(outcome: Outcome, finder: Finder<'_>) -> Outcome {
    let Outcome::Failed(Failure { reason, message, detail, verdict }) = outcome else { return outcome };
    let detail = detail.map(|detail| redact_text(finder, detail));
    Outcome::Failed(Failure { reason, message: redact_text(finder, message), detail, verdict })
}

/// Out of what a handler says, before any of it is cut off: of a secret cut in two the first half would stay.
pub(in crate::sandbox) fn of_words(failure: wit::Failure, finder: Finder<'_>) -> wit::Failure {
    match failure {
        wit::Failure::Retry(wit::Retry { message, after_ms }) => {
            wit::Failure::Retry(wit::Retry { message: redact_text(finder, message), after_ms })
        }
        wit::Failure::Fatal(message) => wit::Failure::Fatal(redact_text(finder, message)),
        wit::Failure::Snooze(ms) => wit::Failure::Snooze(ms),
    }
}
