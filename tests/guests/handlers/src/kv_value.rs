//! Sets a key, if it is told to, and returns what is there; a value of so many bytes, or a refusal in words.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stoker_sdk::{Context, Failure, handler, kv};

#[derive(Deserialize, JsonSchema)]
pub struct Asked {
    #[serde(default)]
    bucket: String,
    #[serde(default)]
    key: String,
    #[serde(default)]
    value: Option<String>,
    /// Instead of a value.
    #[serde(default)]
    bytes: Option<usize>,
    /// Fails after that.
    #[serde(default)]
    fail: bool,
}

#[derive(Default, Serialize, JsonSchema)]
pub struct Told {
    found: Option<String>,
    keys: Vec<String>,
    refused: Option<String>,
}

#[handler(kind = "kv-value")]
pub fn kv_value(_context: &Context, input: Asked) -> Result<Told, Failure> {
    let told = told(&input).unwrap_or_else(|error| Told { refused: Some(error.to_string()), ..Told::default() });
    if input.fail { Err(Failure::fatal("as it was told to")) } else { Ok(told) }
}

fn told(input: &Asked) -> Result<Told, kv::KvError> {
    let bucket = kv::open(&input.bucket)?;
    if let Some(value) = &input.value {
        bucket.set(&input.key, value.as_bytes())?;
    }
    if let Some(bytes) = input.bytes {
        bucket.set(&input.key, &vec![b'x'; bytes])?;
    }
    let found = bucket.get(&input.key)?.map(|value| String::from_utf8_lossy(&value).into_owned());
    Ok(Told { found: found.filter(|found| found.len() < 100), keys: bucket.keys()?, refused: None })
}
