//! Returns its payload, whatever it is, and all it was told about the attempt.

use std::time::{SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use stoker_sdk::{Context, Failure, handler};

#[derive(Serialize, JsonSchema)]
pub struct Echo {
    payload: Value,
    job_id: String,
    tenant: String,
    kind: String,
    queue: String,
    attempt: u32,
    max_attempts: u32,
    created_at_ms: u64,
    run_at_ms: u64,
    deadline_ms: u64,
}

/// Returns what it is given.
#[handler(kind = "echo")]
pub fn echo(context: &Context, payload: Value) -> Result<Echo, Failure> {
    Ok(Echo {
        payload,
        job_id: context.job_id().into(),
        tenant: context.tenant().into(),
        kind: context.kind().into(),
        queue: context.queue().into(),
        attempt: context.attempt(),
        max_attempts: context.max_attempts(),
        created_at_ms: epoch_ms(context.created_at())?,
        run_at_ms: epoch_ms(context.run_at())?,
        deadline_ms: epoch_ms(context.deadline())?,
    })
}

fn epoch_ms(instant: SystemTime) -> Result<u64, Failure> {
    Ok(u64::try_from(instant.duration_since(UNIX_EPOCH)?.as_millis())?)
}
