//! Returns a secret, as it is and encoded, as text, as names of fields and in pieces of a list.

use serde_json::{Value, json};
use stoker_sdk::{Context, Failure, handler, secrets};

use crate::{Anything, spelled};

#[handler(kind = "return-a-secret")]
pub fn return_a_secret(_context: &Context, _input: Anything) -> Result<Value, Failure> {
    let secret = secrets::get("said")?;
    let text = secret.text()?;
    // A field for each: two that lost their names would be two of one name.
    let named: Vec<Value> =
        spelled(text).into_iter().map(|spelling| json!({&spelling: format!("Bearer {spelling}")})).collect();
    Ok(json!({"all": spelled(text), "named": named, "twice": format!("{text}{text}")}))
}
