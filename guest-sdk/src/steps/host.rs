//! The calls into the host.

use super::Begun;
use crate::Context;
use crate::bindings::stoker::handler::steps;

#[allow(clippy::unused_self, clippy::needless_pass_by_value)] // A fake host has them behind a context, and keeps what it is given.
impl Context {
    pub(crate) fn begin_step(&self, name: &str, shape: &str) -> Result<Begun, String> {
        Ok(match steps::begin(name, shape)? {
            steps::Begun::Recorded(result) => Begun::Recorded(result),
            steps::Begun::Run(key) => Begun::Run(key),
        })
    }

    pub(crate) fn record_step(&self, result: &str) -> Result<(), String> {
        steps::record(result)
    }

    pub(crate) fn abandon_step(&self) {
        steps::abandon();
    }

    pub(super) fn sleep_ms(&self, name: &str, duration_ms: u64) -> Result<(), String> {
        steps::sleep(name, duration_ms)
    }

    pub(super) fn wait_for_json(
        &self,
        event_type: &str,
        correlation: &str,
        timeout_ms: u64,
    ) -> Result<Option<String>, String> {
        steps::wait_for(event_type, correlation, timeout_ms)
    }
}
