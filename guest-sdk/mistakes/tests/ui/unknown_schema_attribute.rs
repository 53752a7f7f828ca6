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

#[derive(Deserialize, JsonSchema)]
struct Email {
    #[schemars(email)]
    address: String,
}

fn main() {}
