//! Nine million elements for a table of one.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::{OddCommand, section, section_of, unsigned};

pub const ATTACK: Attack = Attack { name: "many-elements", wasm, expected: Expected::CompileFailed };

fn wasm() -> Vec<u8> {
    let elements = [&unsigned(1)[..], b"\0\x41\0\x0b", &unsigned(9_000_000), &vec![0; 9_000_000]].concat();
    let table = section_of(section::TABLES, 1, b"\x70\0\x01");
    OddCommand::new().tables(table).before_code(section(section::ELEMENTS, &elements)).wasm()
}
