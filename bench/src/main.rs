//! `stoker-bench`: starts a release host on a fresh data directory, drives it over loopback HTTP, and sets what it
//! reaches beside what the same machine reaches with nothing but the sandbox, the tables or the disk (the floors).
//!
//! One JSON line per scenario as it ends, a table of targets at the end. Owns no part of the host: only the floors
//! call into the `stoker` crate, everything else sees a process and a socket.
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Rates for people.

use std::process::ExitCode;

use clap::Parser;

mod arguments;
mod client;
mod floors;
mod host;
mod http;
mod job_counts;
mod load;
mod measurement;
mod samples;
mod scenarios;
mod targets;
mod template;

/// The host's allocator, so that the floors are measured under the same one.
#[global_allocator]
static ALLOCATOR: stoker::allocator::Allocator = stoker::allocator::Allocator;

fn main() -> ExitCode {
    stoker::allocator::set_up();
    let arguments = arguments::Arguments::parse();
    match scenarios::run(&arguments) {
        Ok(targets::Verdict::Met) => ExitCode::SUCCESS,
        Ok(targets::Verdict::Missed | targets::Verdict::Invalid) if !arguments.strict => ExitCode::SUCCESS,
        Ok(targets::Verdict::Missed | targets::Verdict::Invalid) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("stoker-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
