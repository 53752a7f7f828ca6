use stoker_sdk::{Context, Failure};

fn greet(_: &Context, name: String) -> Result<String, Failure> {
    Ok(name)
}

stoker_sdk::module!(greet);

fn main() {}
