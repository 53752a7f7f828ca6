use serde::Deserialize;
use stoker_sdk::JsonSchema;

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "type")]
enum Tagged {
    A { a: u8 },
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Closed {
    name: String,
    #[serde(flatten)]
    tagged: Option<Box<Tagged>>,
}

#[derive(Deserialize, JsonSchema)]
struct Open {
    #[serde(flatten)]
    tagged: Tagged,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ClosedAround {
    #[serde(flatten)]
    open: Open,
}

fn main() {}
