//! A hundred thousand types, each a list of the one before.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::{COMPONENT, section, signed, unsigned};

/// The section of a component's types.
const TYPES: u8 = 7;

pub const ATTACK: Attack = Attack { name: "chained-types", wasm, expected: Expected::Malformed };

fn wasm() -> Vec<u8> {
    let mut types = vec![0x70, 0x79];
    for index in 0..99_999 {
        types.extend([&[0x70][..], &signed(index)].concat());
    }
    [COMPONENT, &section(TYPES, &[&unsigned(100_000)[..], &types].concat())].concat()
}
