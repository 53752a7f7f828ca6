//! Executes `unreachable`: `trap`, with the name of the function below in the backtrace.

use stoker_sdk::{Context, Failure, handler};

use crate::Nothing;

#[handler(kind = "trap")]
pub fn trap(_context: &Context, _input: Nothing) -> Result<(), Failure> {
    fall_into_the_trap()
}

#[inline(never)]
fn fall_into_the_trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort()
}
