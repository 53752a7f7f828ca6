use serde::{Deserialize, Serialize};
use stoker_sdk::{Context, Failure, JsonSchema, handler};

#[derive(Deserialize, JsonSchema)]
struct In {
    name: String,
}

#[derive(Serialize, JsonSchema)]
struct Out {
    text: String,
}

#[handler(kind = "greet")]
fn first(_: &Context, input: In) -> Result<Out, Failure> {
    Ok(Out { text: input.name })
}

#[handler(kind = "greet")]
fn second(_: &Context, input: In) -> Result<Out, Failure> {
    Ok(Out { text: input.name })
}

stoker_sdk::module!(first, second);

fn main() {}
