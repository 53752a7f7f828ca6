//! Two million empty custom sections.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::{OddCommand, custom};

pub const ATTACK: Attack = Attack { name: "many-customs", wasm, expected: Expected::Bounded };

fn wasm() -> Vec<u8> {
    OddCommand::new().ending_with(&custom("x", b"").repeat(2_000_000)).wasm()
}
