//! Handlers that each do one thing, mostly wrong; the host's tests assert what becomes of them.
//! One file per behaviour, named after its kind. Input is an object whose fields all have defaults.

#![allow(missing_docs, unreachable_pub)]

use schemars::JsonSchema;
use serde::Deserialize;

mod busy_loop;
mod config;
mod eat_memory;
mod echo;
mod entered_at;
mod exit;
mod fail_error;
mod fail_fatal;
mod fail_followed;
mod fail_retry;
mod fail_retry_after;
mod flood_logs;
mod flood_stdout;
mod host_calls;
mod http;
mod huge_output;
mod kv_count;
mod kv_late;
mod kv_value;
mod limits;
mod log_lines;
mod memory_copy;
mod panic;
mod parents;
mod progress;
mod recurse;
mod script;
mod secret_get;
mod secret_said;
mod sleep;
mod snooze;
mod sockets;
mod trap;
mod wait_for_cancel;
mod wrong_output;

/// Any object.
#[derive(Deserialize, JsonSchema)]
pub struct Nothing {}

stoker_sdk::module!(
    busy_loop::busy_loop,
    busy_loop::busy_loop_fuelled,
    config::values,
    eat_memory::eat_memory,
    echo::echo,
    entered_at::entered_at,
    exit::exit,
    fail_error::fail_error,
    fail_fatal::fail_fatal,
    fail_followed::fail_followed,
    fail_retry::fail_retry,
    fail_retry_after::fail_retry_after,
    flood_logs::flood_logs,
    flood_stdout::flood_stdout,
    host_calls::host_calls,
    http::requests,
    huge_output::huge_output,
    kv_count::kv_count,
    kv_late::kv_late,
    kv_value::kv_value,
    limits::limits,
    log_lines::log_lines,
    memory_copy::memory_copy,
    panic::panic,
    parents::parents,
    progress::progress,
    recurse::recurse,
    script::script,
    secret_get::secret_get,
    secret_said::secret_said,
    sleep::sleep,
    snooze::snooze,
    sockets::sockets,
    trap::trap,
    wait_for_cancel::wait_for_cancel,
    wrong_output::wrong_output,
);
