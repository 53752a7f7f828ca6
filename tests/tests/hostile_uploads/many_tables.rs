//! A hundred tables, each as large as one may be.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::{OddCommand, section, section_of, unsigned};

pub const ATTACK: Attack = Attack { name: "many-tables", wasm, expected: Expected::ModuleLimits };

fn wasm() -> Vec<u8> {
    let table = [&b"\x70\0"[..], &unsigned(20_000)].concat();
    OddCommand::new().tables(section_of(section::TABLES, 100, &table)).wasm()
}
