//! One jump with a million destinations.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::{OddCommand, unsigned};

pub const ATTACK: Attack = Attack { name: "jump-table", wasm, expected: Expected::CompileFailed };

fn wasm() -> Vec<u8> {
    let destinations: Vec<u8> = (0..=1_000_000u64).flat_map(|number| unsigned(number % 1_000)).collect();
    let body = [
        &b"\0"[..],
        &b"\x02\x40".repeat(1_000),
        b"\x41\0\x0e",
        &unsigned(1_000_000),
        &destinations,
        &b"\x0b".repeat(1_001),
    ]
    .concat();
    OddCommand::new().functions(1, &body).wasm()
}
