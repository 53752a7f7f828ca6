use stoker_sdk::{Context, Failure, handler};

#[handler(kind = "wave")]
fn wave(_: &Context, _: &str) -> Result<(), Failure> {
    Ok(())
}

stoker_sdk::module!(wave);

fn main() {}
