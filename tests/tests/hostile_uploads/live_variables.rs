//! 40,000 variables that live through 500 loops within each other, each left in the middle: twenty million values to keep
//! apart, from fifty kilobytes.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::{OddCommand, unsigned};

pub const ATTACK: Attack = Attack { name: "live-variables", wasm, expected: Expected::CompileFailed };

fn wasm() -> Vec<u8> {
    let variables = 40_000u64;
    let mut body = [&b"\x01"[..], &unsigned(variables), b"\x7e", &b"\x03\x40".repeat(500)].concat();
    for variable in (0..variables).step_by(10) {
        body.extend([b"\x20", &unsigned(variable)[..], b"\x21", &unsigned((variable + 1) % variables)].concat());
    }
    for depth in 0..500 {
        body.extend([b"\x41\0\x0d", &unsigned(depth)[..]].concat());
    }
    body.extend(b"\x0b".repeat(501));
    OddCommand::new().functions(1, &body).wasm()
}
