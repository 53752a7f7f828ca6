//! The handler of `{{name}}` jobs: an ordinary function from a typed payload to a typed output.
//!
//! Every attempt runs in a fresh sandbox, so nothing stays in memory from one job to the next. A job
//! may run more than once: towards other systems use `context.job_id()` as the idempotency key.

use serde::{Deserialize, Serialize};
use stoker_sdk::{Context, Failure, JsonSchema, handler};

/// The payload of a job.
///
/// This type becomes the kind's input schema, doc comments included. What does not fit is refused
/// when it is enqueued, with the place that is wrong.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Whom to greet; anything but blank.
    pub name: String,
    /// So many attempts fail before one succeeds, to see retries at work.
    // A field with a default may be left out: jobs enqueued before it existed still fit.
    #[serde(default)]
    pub failures: u32,
}

/// What a job returns; the host checks it against this type's schema.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct Output {
    /// One line.
    pub greeting: String,
}

/// Greets somebody.
#[handler(kind = "{{name}}", timeout = "5s", max_attempts = 5, retry = fixed("2s"))]
pub fn {{function}}(context: &Context, input: Input) -> Result<Output, Failure> {
    let whom = input.name.trim();
    if whom.is_empty() {
        // Trying again would change nothing: the job fails at once.
        return Err(Failure::fatal("`name` is blank: there is nobody to greet"));
    }
    let attempt = context.attempt();
    if attempt <= input.failures {
        // The next attempt comes after the kind's `retry` delay. `?` on any error means the same.
        let message = format!("attempt {attempt} fails on purpose");
        return Err(Failure::retry(message));
    }
    // `stoker dev` and `stoker logs` show it.
    let attempts = context.max_attempts();
    stoker_sdk::info!("greeting {whom} in attempt {attempt} of {attempts}");
    let greeting = format!("Hello, {whom}!");
    Ok(Output { greeting })
}

// Every handler of the module, once. One that the compiler calls "function, not a type" here lacks
// its `#[handler(kind = "…")]`.
stoker_sdk::module!({{function}});

#[cfg(test)]
mod tests {
    use stoker_sdk::testing::FakeHost;

    use super::*;

    fn input(name: &str, failures: u32) -> Input {
        let name = name.to_owned();
        Input { name, failures }
    }

    #[test]
    fn greets_by_name() {
        let host = FakeHost::new();
        let output = {{function}}(&host.context(), input(" Ada ", 0)).expect("there is a name");
        assert_eq!(output.greeting, "Hello, Ada!");
    }

    #[test]
    fn a_blank_name_is_fatal() {
        let failed = {{function}}(&FakeHost::new().context(), input("  ", 0));
        assert!(matches!(failed, Err(Failure::Fatal { .. })), "{failed:?}");
    }

    #[test]
    fn the_first_attempt_can_be_made_to_fail() {
        let failed = {{function}}(&FakeHost::new().context(), input("Ada", 1));
        assert!(matches!(failed, Err(Failure::Retry { .. })), "{failed:?}");
    }
}
