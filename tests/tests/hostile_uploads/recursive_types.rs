//! Half a million types that name each other in one group.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::{MODULE, section, unsigned};

pub const ATTACK: Attack = Attack { name: "recursive-types", wasm, expected: Expected::Refused };

fn wasm() -> Vec<u8> {
    let group = [&b"\x4e"[..], &unsigned(500_000), &b"\x50\0\x60\0\0".repeat(500_000)].concat();
    [MODULE, &section(section::TYPES, &[&unsigned(1)[..], &group].concat())].concat()
}
