//! Reads secrets and tells how long they are, or why it could not.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use stoker_sdk::{Context, Failure, handler, secrets};

#[derive(Deserialize, JsonSchema)]
pub struct Asked {
    #[serde(default)]
    names: Vec<String>,
}

#[handler(kind = "secret-get")]
pub fn secret_get(_context: &Context, input: Asked) -> Result<BTreeMap<String, String>, Failure> {
    let told = |name: String| {
        let told = match secrets::get(&name) {
            Ok(secret) => format!("{} bytes", secret.bytes().len()),
            Err(error) => error.to_string(),
        };
        (name, told)
    };
    Ok(input.names.into_iter().map(told).collect())
}
