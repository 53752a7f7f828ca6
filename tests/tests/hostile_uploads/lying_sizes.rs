//! A section that says it has four gigabytes.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::MODULE;

pub const ATTACK: Attack = Attack { name: "lying-sizes", wasm, expected: Expected::Malformed };

fn wasm() -> Vec<u8> {
    [MODULE, b"\x01\xff\xff\xff\xff\x0f", &[0; 100]].concat()
}
