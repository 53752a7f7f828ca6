//! The `stoker` binary: which of its two lives this process leads, and how an error is shown.

use std::process::ExitCode;

use stoker::{allocator, cli, sandbox};

#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

fn main() -> ExitCode {
    allocator::set_up();
    // The compiling child is no subcommand: nobody should call it, and nothing may be parsed or printed before it.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == sandbox::COMPILE_CHILD_SUBCOMMAND) {
        return sandbox::main_of_child();
    }
    match cli::run(cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            cli::report(&error);
            ExitCode::FAILURE
        }
    }
}
