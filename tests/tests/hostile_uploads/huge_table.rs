//! A table of four thousand million elements.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::{OddCommand, section, section_of, unsigned};

pub const ATTACK: Attack = Attack { name: "huge-table", wasm, expected: Expected::ModuleLimits };

fn wasm() -> Vec<u8> {
    let table = [&b"\x70\0"[..], &unsigned(u64::from(u32::MAX))].concat();
    OddCommand::new().tables(section_of(section::TABLES, 1, &table)).wasm()
}
