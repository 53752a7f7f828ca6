//! Writes a key, waits, and writes another one.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use stoker_sdk::{Context, Failure, handler, kv};

#[derive(Deserialize, JsonSchema)]
pub struct Wait {
    #[serde(default)]
    ms: u64,
}

#[handler(kind = "kv-late")]
pub fn kv_late(context: &Context, input: Wait) -> Result<(), Failure> {
    let bucket = kv::open("late")?;
    // Of the second run only the second key is told apart.
    let runs = bucket.increment("runs", 1)?;
    context.progress(1, 2, None);
    if runs == 1 {
        std::thread::sleep(Duration::from_millis(input.ms));
    }
    bucket.set(&format!("end of run {runs}"), b"written")?;
    Ok(())
}
