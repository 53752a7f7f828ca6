//! The built module in the real sandbox with its real limits, without a host.

use {{crate}}::Output;

use serde_json::json;

#[test]
fn greets_in_the_sandbox() {
    let run = stoker_sdk::testing::sandbox().run("{{name}}", &json!({"name": "Ada"}));
    assert_eq!(run.state, "succeeded", "{run:#?}");
    assert_eq!(run.output::<Output>().greeting, "Hello, Ada!");
}

#[test]
fn a_blank_name_fails_for_good() {
    let run = stoker_sdk::testing::sandbox().run("{{name}}", &json!({"name": " "}));
    assert_eq!(run.state, "failed", "{run:#?}");
}
