//! A memory that begins with four gigabytes.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::OddCommand;

pub const ATTACK: Attack = Attack { name: "huge-memory", wasm, expected: Expected::ModuleLimits };

fn wasm() -> Vec<u8> {
    OddCommand::new().memory_pages(65_536).wasm()
}
