use stoker_sdk::{Context, Failure, handler};

mod inner {
    use stoker_sdk::{Context, Failure};

    pub fn leave(_: &Context, _: String) -> Result<(), Failure> {
        Ok(())
    }
}

fn greet(_: &Context, name: String) -> Result<String, Failure> {
    Ok(name)
}

#[handler(kind = "wave")]
fn wave(_: &Context, _: String) -> Result<(), Failure> {
    Ok(())
}

stoker_sdk::module!(wave, greet, inner::leave);

fn main() {}
