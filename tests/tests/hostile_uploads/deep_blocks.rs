//! A function of 300,000 blocks within each other: what walks along them by calling itself runs out of stack.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::OddCommand;

pub const ATTACK: Attack = Attack { name: "deep-blocks", wasm, expected: Expected::Bounded };

fn wasm() -> Vec<u8> {
    let body = [&b"\0"[..], &b"\x02\x40".repeat(300_000), &b"\x0b".repeat(300_001)].concat();
    OddCommand::new().functions(1, &body).wasm()
}
