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

#[derive(JsonSchema)]
struct Bare {
    name: String,
}

#[handler(kind = "greet")]
fn greet(_: &Context, input: Bare) -> Result<Out, Failure> {
    Ok(Out { text: input.name })
}

fn main() {}
