use stoker_sdk::{Context, Failure, handler};

const K: &str = "a";

#[handler("a")]
fn no_name(_: &Context, _: u8) -> Result<(), Failure> {
    Ok(())
}

#[handler(kind = K)]
fn constant(_: &Context, _: u8) -> Result<(), Failure> {
    Ok(())
}

#[handler(kind = "a", timeout = 5)]
fn timeout(_: &Context, _: u8) -> Result<(), Failure> {
    Ok(())
}

#[handler(kind = "a", priority = "3")]
fn priority(_: &Context, _: u8) -> Result<(), Failure> {
    Ok(())
}

#[handler(kind = "a", fuel = 1e9)]
fn fuel(_: &Context, _: u8) -> Result<(), Failure> {
    Ok(())
}

#[handler(kind = "a", memory = 64MiB)]
fn memory(_: &Context, _: u8) -> Result<(), Failure> {
    Ok(())
}

#[handler(kind = "a", retry = "fixed")]
fn retry(_: &Context, _: u8) -> Result<(), Failure> {
    Ok(())
}

#[handler(kind = "a", retry = fixed(2))]
fn fixed(_: &Context, _: u8) -> Result<(), Failure> {
    Ok(())
}

#[handler(kind = "a", retry = exponential(base = 5))]
fn exponential(_: &Context, _: u8) -> Result<(), Failure> {
    Ok(())
}

#[handler(kind = "a", retry_on = "trap")]
fn retry_on(_: &Context, _: u8) -> Result<(), Failure> {
    Ok(())
}

#[handler(kind = "a" queue = "b")]
fn comma(_: &Context, _: u8) -> Result<(), Failure> {
    Ok(())
}

fn main() {}
