//! A compile bomb: a million functions that do nothing, in four megabytes.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::OddCommand;

pub const ATTACK: Attack = Attack { name: "many-functions", wasm, expected: Expected::CompileFailed };

fn wasm() -> Vec<u8> {
    OddCommand::new().functions(1_000_000, b"\0\x0b").wasm()
}
