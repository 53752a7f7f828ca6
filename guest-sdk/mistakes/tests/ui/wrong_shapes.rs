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

#[handler(kind = "e")]
fn e(input: In, _: &Context) -> Result<Out, Failure> {
    Ok(Out { text: input.name })
}

#[handler(kind = "f")]
fn f(_: Context, input: In) -> Result<Out, Failure> {
    Ok(Out { text: input.name })
}

#[handler(kind = "g")]
fn g<'a>(_: &'a Context, input: In) -> Result<Out, Failure> {
    Ok(Out { text: input.name })
}

#[handler(kind = "h")]
fn h<T>(_: &Context, _: T) -> Result<(), Failure> {
    Ok(())
}

#[handler(kind = "i")]
fn i(_: &Context, _: impl Iterator) -> Result<(), Failure> {
    Ok(())
}

#[handler(kind = "j")]
fn j(_: &Context, _: Option<&str>) -> Result<(), Failure> {
    Ok(())
}

#[handler(kind = "k")]
fn k(_: &Context, _: In) -> Option<Out> {
    None
}

struct Greeter;

impl Greeter {
    #[handler(kind = "l")]
    fn l(&self, _: &Context, _: In) -> Result<(), Failure> {
        Ok(())
    }
}

#[handler(kind = "m")]
struct NoFunction;

fn main() {}
