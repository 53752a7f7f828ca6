//! A million globals: every instance would have them.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::{OddCommand, section, section_of};

pub const ATTACK: Attack = Attack { name: "many-globals", wasm, expected: Expected::Refused };

fn wasm() -> Vec<u8> {
    OddCommand::new().globals(section_of(section::GLOBALS, 1_000_000, b"\x7f\0\x41\0\x0b")).wasm()
}
