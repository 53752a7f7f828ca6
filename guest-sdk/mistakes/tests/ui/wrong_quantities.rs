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

#[handler(kind = "a", timeout = "soon")]
fn a(_: &Context, input: In) -> Result<Out, Failure> {
    Ok(Out { text: input.name })
}

#[handler(kind = "b", memory = "64 megs")]
fn b(_: &Context, input: In) -> Result<Out, Failure> {
    Ok(Out { text: input.name })
}

#[handler(kind = "c", retry = fixed("90d"))]
fn c(_: &Context, input: In) -> Result<Out, Failure> {
    Ok(Out { text: input.name })
}

fn main() {}
