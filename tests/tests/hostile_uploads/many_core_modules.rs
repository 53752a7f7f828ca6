//! A component of ten thousand core modules.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::{COMPONENT, OddCommand, section};

/// The section that holds a core module.
const CORE_MODULE: u8 = 1;

pub const ATTACK: Attack = Attack { name: "many-core-modules", wasm, expected: Expected::Malformed };

fn wasm() -> Vec<u8> {
    [COMPONENT.to_vec(), section(CORE_MODULE, &OddCommand::new().wasm()).repeat(10_000)].concat()
}
