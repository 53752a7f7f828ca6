//! Returns the values its operator gave it, one by one and all. Asks for `greeting`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stoker_sdk::{Context, Failure, config, handler};

#[derive(Deserialize, JsonSchema)]
pub struct Names {
    #[serde(default)]
    names: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct Values {
    values: Vec<Option<String>>,
    all: BTreeMap<String, String>,
}

#[handler(kind = "config", grants(config(greeting = "Hello")))]
pub fn values(_context: &Context, input: Names) -> Result<Values, Failure> {
    Ok(Values { values: input.names.iter().map(|name| config::get(name)).collect(), all: config::all() })
}
