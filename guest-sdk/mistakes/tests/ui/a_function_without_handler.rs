use stoker_sdk::{Context, Failure, handler};

fn greet(_: &Context, name: String) -> Result<String, Failure> {
    Ok(name)
}

#[handler(kind = "wave")]
fn wave(_: &Context, _: String) -> Result<(), Failure> {
    Ok(())
}

stoker_sdk::module!(wave, greet);

fn main() {}
