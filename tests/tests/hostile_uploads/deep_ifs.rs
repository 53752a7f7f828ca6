//! The same with conditions: each doubles the ways through the function.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::OddCommand;

pub const ATTACK: Attack = Attack { name: "deep-ifs", wasm, expected: Expected::Bounded };

fn wasm() -> Vec<u8> {
    let body = [&b"\0"[..], &b"\x41\x01\x04\x40".repeat(200_000), &b"\x0b".repeat(200_001)].concat();
    OddCommand::new().functions(1, &body).wasm()
}
