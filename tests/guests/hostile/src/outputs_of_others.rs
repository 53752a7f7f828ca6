//! Asks for outputs of jobs it does not run after, by the ids it was given.

use stoker_sdk::{Context, Failure, handler};

#[derive(serde::Deserialize, schemars::JsonSchema)]
pub struct Jobs {
    jobs: Vec<String>,
}

#[handler(kind = "outputs-of-others")]
pub fn outputs_of_others(context: &Context, input: Jobs) -> Result<Vec<String>, Failure> {
    let told = input.jobs.iter().map(|job| match context.parent_output::<serde_json::Value>(job) {
        Ok(None) => "none".to_owned(),
        other => format!("{other:?}"),
    });
    Ok(told.collect())
}
