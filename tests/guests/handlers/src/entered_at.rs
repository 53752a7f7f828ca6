//! Returns when it was entered.

use std::time::{SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::Serialize;
use stoker_sdk::{Context, Failure, handler};

use crate::Nothing;

#[derive(Serialize, JsonSchema)]
pub struct Entered {
    entered_at_us: u64,
}

#[handler(kind = "entered-at")]
pub fn entered_at(_context: &Context, _input: Nothing) -> Result<Entered, Failure> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Entered { entered_at_us: u64::try_from(since_epoch.as_micros())? })
}
