//! One function of seven megabytes of calls: the register allocator has all of it before it at once.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::OddCommand;

pub const ATTACK: Attack = Attack { name: "giant-function", wasm, expected: Expected::Bounded };

fn wasm() -> Vec<u8> {
    let body = [&b"\0"[..], &b"\x10\0".repeat(3_500_000), b"\x0b"].concat();
    OddCommand::new().functions(1, &body).wasm()
}
