//! Returns what the host says about the attempt's limits.

use schemars::JsonSchema;
use serde::Serialize;
use stoker_sdk::{Context, Failure, handler};

use crate::Nothing;

#[derive(Serialize, JsonSchema)]
pub struct Limits {
    remaining_time_ms: u64,
    remaining_fuel: u64,
    is_cancelled: bool,
}

#[handler(kind = "limits")]
pub fn limits(context: &Context, _input: Nothing) -> Result<Limits, Failure> {
    Ok(Limits {
        remaining_time_ms: u64::try_from(context.remaining_time().as_millis())?,
        remaining_fuel: context.remaining_fuel(),
        is_cancelled: context.is_cancelled(),
    })
}
