//! The SDK's `testing::sandbox_of`, as the author of a handler uses it: built modules, the real `stoker run`.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use stoker_sdk::testing::{Sandbox, sandbox_of};
use stoker_tests::{Guest, stoker_binary};

fn sandbox(guest: Guest) -> Sandbox {
    sandbox_of(guest.path()).program(stoker_binary())
}

#[test]
fn a_run_gives_its_output_and_what_it_cost() {
    let run = sandbox(Guest::Hello).run("hello", &json!({"name": "Ada"}));
    assert_eq!(run.output::<Value>(), json!({"greeting": "Hello, Ada!"}));
    assert!(run.receipt["fuel_used"].as_u64().is_some_and(|fuel| fuel > 0), "{run:?}");
}

#[test]
fn a_run_reads_what_the_jobs_before_it_returned() {
    let after = sandbox(Guest::Handlers).parent_output("render", &json!({"pages": 7}));
    let run = after.run("parents", &json!({"parents": ["render"]}));
    assert_eq!(run.output::<Value>(), json!({"render": {"pages": 7}}));
}

#[test]
fn a_failure_gives_its_reason_and_what_would_follow() {
    let handlers = sandbox(Guest::Handlers);
    let run = handlers.run("panic", &json!({}));
    let error = run.error.unwrap();
    assert_eq!((run.state.as_str(), error.reason.as_str()), ("retrying", "trap"));
    assert!(error.message.starts_with("panicked at ") && error.message.contains("on purpose"), "{}", error.message);
    let last = handlers.clone().attempt(3, 3).run("panic", &json!({}));
    assert_eq!((last.state.as_str(), last.attempt, last.max_attempts), ("failed", 3, 3));
    let bounded = handlers.settings(&json!({"fuel": 1_000_000})).attempt(1, 1).run("busy-loop", &json!({}));
    assert_eq!(bounded.error.unwrap().reason, "fuel_exhausted");
}

#[test]
fn what_a_server_refuses_is_refused() {
    let refused = sandbox(Guest::Hello).try_run("hello", &json!({"name": 7})).unwrap_err();
    assert!(refused.0.contains("/name"), "{refused}");
}
