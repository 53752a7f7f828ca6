mod greetings {
    use stoker_sdk::{Context, Failure, handler};

    #[handler(kind = "hello")]
    fn hello(_: &Context, name: String) -> Result<String, Failure> {
        Ok(name)
    }
}

stoker_sdk::module!(greetings::hello);

fn main() {}
