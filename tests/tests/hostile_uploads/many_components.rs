//! Fifty thousand components beside each other.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::{COMPONENT, section};

/// The section that holds a component.
const NESTED: u8 = 4;

pub const ATTACK: Attack = Attack { name: "many-components", wasm, expected: Expected::Malformed };

fn wasm() -> Vec<u8> {
    [COMPONENT.to_vec(), section(NESTED, COMPONENT).repeat(50_000)].concat()
}
