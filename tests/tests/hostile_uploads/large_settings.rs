//! Settings of fifty megabytes, as deep as they are long.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::{OddCommand, custom};

pub const ATTACK: Attack = Attack { name: "large-settings", wasm, expected: Expected::InvalidSettings };

fn wasm() -> Vec<u8> {
    OddCommand::new().ending_with(&custom("stoker:settings", &b"{\"a\":".repeat(10_000_000))).wasm()
}
