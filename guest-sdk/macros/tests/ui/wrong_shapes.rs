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

#[handler(kind = "a")]
async fn a(_: &Context, input: In) -> Result<Out, Failure> {
    Ok(Out { text: input.name })
}

#[handler(kind = "b")]
fn b(_: &Context, input: &In) -> Result<Out, Failure> {
    Ok(Out { text: input.name.clone() })
}

#[handler(kind = "c")]
fn c(input: In) -> Result<Out, Failure> {
    Ok(Out { text: input.name })
}

#[handler(kind = "d")]
fn d(_: &Context, input: In) -> Out {
    Out { text: input.name }
}

fn main() {}
