//! A hundred thousand times the same section.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::{MODULE, section, section_of};

pub const ATTACK: Attack = Attack { name: "sections-again", wasm, expected: Expected::Malformed };

fn wasm() -> Vec<u8> {
    [MODULE.to_vec(), section_of(section::TYPES, 1, b"\x60\0\0").repeat(100_000)].concat()
}
