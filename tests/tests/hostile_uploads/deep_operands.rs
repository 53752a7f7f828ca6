//! A function that puts a million numbers on its stack before it adds them all.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::OddCommand;

pub const ATTACK: Attack = Attack { name: "deep-operands", wasm, expected: Expected::Bounded };

fn wasm() -> Vec<u8> {
    let body = [&b"\0"[..], &b"\x41\x01".repeat(1_000_000), &b"\x6a".repeat(999_999), b"\x1a\x0b"].concat();
    OddCommand::new().functions(1, &body).wasm()
}
