use stoker_sdk::{Context, Failure, handler};

#[handler(kind = "a", on_failed = alert)]
fn no_text(_: &Context, _: u8) -> Result<(), Failure> {
    Ok(())
}

#[handler(kind = "a", on_failed = job(queue = "alerts"))]
fn no_kind(_: &Context, _: u8) -> Result<(), Failure> {
    Ok(())
}

#[handler(kind = "a", on_failed = job(kind = "alert", priority = 10))]
fn priority(_: &Context, _: u8) -> Result<(), Failure> {
    Ok(())
}

#[handler(kind = "a", on_failure = "alert")]
fn other_word(_: &Context, _: u8) -> Result<(), Failure> {
    Ok(())
}

#[handler(kind = "a", retention = "24h")]
fn no_states(_: &Context, _: u8) -> Result<(), Failure> {
    Ok(())
}

#[handler(kind = "a", retention(ready = "24h"))]
fn no_end(_: &Context, _: u8) -> Result<(), Failure> {
    Ok(())
}

#[handler(kind = "a", retention(succeeded = "always", failed = "30d"))]
fn no_time(_: &Context, _: u8) -> Result<(), Failure> {
    Ok(())
}

#[handler(kind = "a", on_failed = "alert", retention(succeeded = "1h", failed = "forever"))]
fn right(_: &Context, _: u8) -> Result<(), Failure> {
    Ok(())
}

fn main() {}
