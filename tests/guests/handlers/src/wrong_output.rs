//! Returns JSON that breaks its own schema: `invalid_output`.

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use stoker_sdk::{Context, Failure, handler};

use crate::Nothing;

#[derive(Serialize, JsonSchema)]
pub struct Wrong {
    /// The schema says a number.
    #[serde(serialize_with = "as_text")]
    #[schemars(with = "u64")]
    count: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn as_text<S: Serializer>(count: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(count)
}

#[handler(kind = "wrong-output")]
pub fn wrong_output(_context: &Context, _input: Nothing) -> Result<Wrong, Failure> {
    Ok(Wrong { count: 7 })
}
