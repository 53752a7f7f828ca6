//! A function that says it has twelve thousand million variables.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::{OddCommand, unsigned};

pub const ATTACK: Attack = Attack { name: "lying-locals", wasm, expected: Expected::Malformed };

fn wasm() -> Vec<u8> {
    let body = [&unsigned(3)[..], &b"\xff\xff\xff\xff\x0f\x7f".repeat(3), b"\x0b"].concat();
    OddCommand::new().functions(1, &body).wasm()
}
