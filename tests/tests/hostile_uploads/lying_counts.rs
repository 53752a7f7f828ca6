//! A section that says it has four thousand million functions: whatever makes room for them first has none left.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::{MODULE, section, section_of};

pub const ATTACK: Attack = Attack { name: "lying-counts", wasm, expected: Expected::Malformed };

fn wasm() -> Vec<u8> {
    let types = section_of(section::TYPES, 1, b"\x60\0\0");
    [MODULE, &types, &section(section::FUNCTIONS, b"\xff\xff\xff\xff\x0f")].concat()
}
