//! A hundred thousand imports that no host offers: an answer that named them all would be larger than the module.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::{MODULE, section, section_of, sized, unsigned};

pub const ATTACK: Attack = Attack { name: "many-imports", wasm, expected: Expected::Refused };

fn wasm() -> Vec<u8> {
    let import = |number: usize| [sized(b"m"), sized(format!("f{number}").as_bytes()), vec![0, 0]].concat();
    let imports: Vec<u8> = (0..100_000).flat_map(import).collect();
    [
        MODULE,
        &section_of(section::TYPES, 1, b"\x60\0\0"),
        &section(section::IMPORTS, &[unsigned(100_000), imports].concat()),
    ]
    .concat()
}
