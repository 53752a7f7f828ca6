use serde::{Deserialize, Serialize};
use stoker_sdk::JsonSchema;

#[derive(Deserialize, JsonSchema)]
struct In {
    #[serde(deserialize_with = "read")]
    count: u64,
}

#[derive(Serialize, JsonSchema)]
struct Out {
    #[serde(serialize_with = "write")]
    count: u64,
}

#[derive(Deserialize, Serialize, JsonSchema)]
enum Both {
    #[serde(with = "both")]
    Count(u64),
}

// Says what the JSON is.
#[derive(Deserialize, JsonSchema)]
struct Said {
    #[serde(deserialize_with = "read")]
    #[schemars(with = "String")]
    count: u64,
    #[serde(skip, deserialize_with = "read")]
    skipped: u64,
}

fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

fn write<S: serde::Serializer>(count: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(count)
}

mod both {
    pub(super) use super::read as deserialize;
    pub(super) use super::write as serialize;
}

fn main() {}
