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
    text: String,
}

#[handler(kind = "greet")]
fn greet(_: &Context, input: In) -> Result<Bare, Failure> {
    Ok(Bare { text: input.name })
}

fn main() {}
