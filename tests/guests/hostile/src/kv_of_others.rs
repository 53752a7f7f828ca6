//! Looks for the buckets and keys of another tenant, in a bucket that is called like one of theirs, and writes to it and deletes from it.

use stoker_sdk::{Context, Failure, handler, kv};

use crate::Anything;

/// What was found of them.
#[handler(kind = "kv-of-others")]
pub fn kv_of_others(_context: &Context, _input: Anything) -> Result<Vec<String>, Failure> {
    let names = [
        "private",
        "good/shared",
        "good:shared",
        "../good/shared",
        "shared/../private",
        "SHARED",
        "shared\0",
        "shared' OR '1'='1",
        "%",
        "*",
        "",
    ];
    let mut found: Vec<String> =
        names.into_iter().filter(|name| kv::open(name).is_ok()).map(|name| format!("bucket {name}")).collect();
    let shared = kv::open("shared")?;
    let mut keys = shared.keys()?;
    keys.extend(["ada", "../ada", "good/ada", "/ada", "ada\0", "%", "ada' OR '1'='1"].map(str::to_owned));
    for key in &keys {
        let value = shared.get(key).ok().flatten().unwrap_or_default();
        if value.windows(7).any(|word| word == b"of good") {
            found.push(format!("key {key}"));
        }
    }
    let _ = shared.set("ada", b"stolen");
    let _ = shared.increment("count", 1_000);
    let _ = shared.delete("ada");
    Ok(found)
}
