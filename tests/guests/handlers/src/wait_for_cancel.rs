//! Waits until it is asked to end, then says so in the log.

use std::time::Duration;

use stoker_sdk::{Context, Failure, handler};

use crate::Nothing;

const PAUSE: Duration = Duration::from_millis(5);

#[handler(kind = "wait-for-cancel")]
pub fn wait_for_cancel(context: &Context, _input: Nothing) -> Result<(), Failure> {
    while !context.is_cancelled() {
        std::thread::sleep(PAUSE);
    }
    stoker_sdk::info!("asked to end");
    Ok(())
}
