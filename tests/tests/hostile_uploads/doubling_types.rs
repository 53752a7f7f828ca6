//! Thirty types, each a tuple of four of the one before: written out, more than the universe has atoms to write it with.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::{COMPONENT, section, unsigned};

/// The section of a component's types.
const TYPES: u8 = 7;

pub const ATTACK: Attack = Attack { name: "doubling-types", wasm, expected: Expected::Malformed };

fn wasm() -> Vec<u8> {
    let mut types = vec![0x6f, 1, 0x79];
    for index in 0..30 {
        types.extend([&[0x6f, 4][..], &unsigned(index).repeat(4)].concat());
    }
    [COMPONENT, &section(TYPES, &[&unsigned(31)[..], &types].concat())].concat()
}
