//! Composition root: names every part once, and the order in which they stop.

use crate::config::Config;

/// Runs a host until it is told to stop.
#[allow(clippy::todo, clippy::needless_pass_by_value, unused_variables)]
pub fn run(config: Config) -> anyhow::Result<()> {
    todo!()
}
