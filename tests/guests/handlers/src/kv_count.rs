//! Adds to a number by reading, changing and swapping it, so many times; also to another one by increments.

use schemars::JsonSchema;
use serde::Deserialize;
use stoker_sdk::{Context, Failure, handler, kv};

#[derive(Deserialize, JsonSchema)]
pub struct Counted {
    #[serde(default)]
    times: u32,
}

#[handler(kind = "kv-count")]
pub fn kv_count(_context: &Context, input: Counted) -> Result<u64, Failure> {
    let bucket = kv::open("counts")?;
    let mut last = 0;
    for _ in 0..input.times {
        last = bucket.update_json("swapped", |known: Option<u64>| known.unwrap_or_default() + 1)?;
        bucket.increment("added", 1)?;
    }
    Ok(last)
}
