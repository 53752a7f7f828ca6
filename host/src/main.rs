//! The `stoker` binary.

use std::process::ExitCode;

use stoker::sandbox;

fn main() -> ExitCode {
    // The compiling child is no subcommand: nobody should call it, and nothing may be parsed or printed before it.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == sandbox::COMPILE_CHILD_SUBCOMMAND) {
        return sandbox::main_of_child();
    }
    ExitCode::FAILURE
}
