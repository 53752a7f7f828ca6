//! Writes one line at each level, one to stdout, one to stderr, in this order.

use stoker_sdk::{Context, Failure, handler};

use crate::Nothing;

#[handler(kind = "log-lines")]
pub fn log_lines(_context: &Context, _input: Nothing) -> Result<(), Failure> {
    stoker_sdk::trace!("a trace line");
    stoker_sdk::debug!("a debug line");
    stoker_sdk::info!("an info line");
    stoker_sdk::warn!("a warn line");
    stoker_sdk::error!("an error line");
    println!("a stdout line");
    eprintln!("a stderr line");
    Ok(())
}
