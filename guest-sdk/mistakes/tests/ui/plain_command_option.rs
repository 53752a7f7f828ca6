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

#[handler(kind = "greet", stdin = "text")]
fn greet(_: &Context, input: In) -> Result<Out, Failure> {
    Ok(Out { text: input.name })
}

fn main() {}
