//! Returns what the jobs it runs after returned, as far as it asks for them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use stoker_sdk::{Context, Failure, handler};

#[derive(Deserialize, JsonSchema)]
pub struct Asked {
    /// Names or ids.
    #[serde(default)]
    parents: Vec<String>,
}

#[handler(kind = "parents")]
pub fn parents(context: &Context, input: Asked) -> Result<BTreeMap<String, Value>, Failure> {
    let mut outputs = BTreeMap::new();
    for parent in input.parents {
        let output: Option<Value> = context.parent_output(&parent)?;
        outputs.insert(parent, output.unwrap_or_default());
    }
    Ok(outputs)
}
