//! A number that goes on after its last bit.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::MODULE;

pub const ATTACK: Attack = Attack { name: "endless-number", wasm, expected: Expected::Malformed };

fn wasm() -> Vec<u8> {
    [MODULE, b"\x01\x80\x80\x80\x80\x80\x80\x80\x01"].concat()
}
