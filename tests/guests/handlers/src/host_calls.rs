//! Calls the host without end: `host_calls_exceeded`.

use stoker_sdk::{Context, Failure, handler};

use crate::Nothing;

#[handler(kind = "host-calls")]
pub fn host_calls(context: &Context, _input: Nothing) -> Result<(), Failure> {
    let mut calls: u64 = 0;
    loop {
        context.progress(calls, None, None);
        calls += 1;
    }
}
