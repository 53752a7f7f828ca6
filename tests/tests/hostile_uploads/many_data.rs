//! A hundred thousand pieces of data of one byte each.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::{OddCommand, section, section_of};

pub const ATTACK: Attack = Attack { name: "many-data", wasm, expected: Expected::Bounded };

fn wasm() -> Vec<u8> {
    let pieces = section_of(section::DATA, 100_000, b"\0\x41\0\x0b\x01x");
    OddCommand::new().ending_with(&pieces).wasm()
}
