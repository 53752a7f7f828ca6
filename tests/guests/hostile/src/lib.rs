//! Handlers that attack: the host, the machine, other jobs, and whoever reads what they say. One file each, which begins with
//! what it tries; `tests/tests/hostile.rs` says what becomes of it.

#![allow(missing_docs, unreachable_pub)]

use schemars::JsonSchema;
use serde::Deserialize;

mod fail_at_once;
mod flood_clocks;
mod flood_logs;
mod flood_progress;
mod flood_random;
mod flood_stdout;
mod grow_memory;
mod guess_randomness;
mod hoard_headers;
mod hoard_timers;
mod hold_memory;
mod html;
mod huge_error;
mod huge_output;
mod ignore_cancellation;
mod leave_something;
mod one_long_line;
mod outputs_of_others;
mod poll_thousands;
mod read_environment;
mod read_files;
mod recurse;
mod sleep_for_ever;
mod snooze_at_once;
mod sockets;
mod spin;
mod spin_in_copies;
mod terminal_escapes;
mod trap;

/// Any object.
#[derive(Deserialize, JsonSchema)]
pub struct Anything {}

stoker_sdk::module!(
    fail_at_once::fail_at_once,
    flood_clocks::flood_clocks,
    flood_logs::flood_logs,
    flood_progress::flood_progress,
    flood_random::flood_random,
    flood_stdout::flood_stdout,
    grow_memory::grow_memory,
    guess_randomness::guess_randomness,
    hoard_headers::hoard_headers,
    hoard_timers::hoard_timers,
    hold_memory::hold_memory,
    html::html,
    huge_error::huge_error,
    huge_output::huge_output,
    ignore_cancellation::ignore_cancellation,
    leave_something::leave_something,
    one_long_line::one_long_line,
    outputs_of_others::outputs_of_others,
    poll_thousands::poll_thousands,
    read_environment::read_environment,
    read_files::read_files,
    recurse::recurse,
    sleep_for_ever::sleep_for_ever,
    snooze_at_once::snooze_at_once,
    sockets::sockets,
    spin::spin,
    spin_in_copies::spin_in_copies,
    terminal_escapes::terminal_escapes,
    trap::trap,
);
