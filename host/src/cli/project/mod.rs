//! A folder that `stoker` can build: what is in it, which tools that takes, and the module that comes of it.
//! Guarantees: what is missing is said before anything is built, with the command that installs it; what a compiler
//! writes reaches standard error as it is; a `.wasm` file passes through untouched. Knows nothing of hosts.

mod built;
mod cargo;
mod command;
mod manifest;
mod process;
mod resolve;
mod toolchain;

pub(in crate::cli) use built::Built;
pub(in crate::cli) use process::{BuildInterrupted, Interrupt};
pub(in crate::cli) use resolve::Project;
// What `deploy` and `run` call.
pub(in crate::cli) use resolve::resolve;
pub(in crate::cli) use toolchain::{C_ADVICE, GO_MIN, from_pypi, go, has_c_for_wasm, has_zig};
