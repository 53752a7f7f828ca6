//! Reports progress without end, with long messages.

use stoker_sdk::{Context, Failure, handler};

use crate::Anything;

#[handler(kind = "flood-progress")]
pub fn flood_progress(context: &Context, _input: Anything) -> Result<(), Failure> {
    let message = "x".repeat(100_000);
    for step in 0.. {
        context.progress(step, u64::MAX, Some(&message));
    }
    Ok(())
}
