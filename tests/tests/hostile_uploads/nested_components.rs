//! Five thousand components within each other.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::{COMPONENT, section};

/// The section that holds a component.
const NESTED: u8 = 4;

pub const ATTACK: Attack = Attack { name: "nested-components", wasm, expected: Expected::Refused };

fn wasm() -> Vec<u8> {
    let mut component = COMPONENT.to_vec();
    for _ in 0..5_000 {
        component = [COMPONENT, &section(NESTED, &component)].concat();
    }
    component
}
