//! Imports with names of a hundred kilobytes.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::{MODULE, section, section_of, sized, unsigned};

pub const ATTACK: Attack = Attack { name: "long-names", wasm, expected: Expected::Refused };

fn wasm() -> Vec<u8> {
    let import = [sized(&b"m".repeat(99_000)), sized(&b"f".repeat(90_000)), vec![0, 0]].concat();
    let (types, imports) = (section_of(section::TYPES, 1, b"\x60\0\0"), section_of(section::IMPORTS, 100, &import));
    let functions = section_of(section::FUNCTIONS, 1, b"\0");
    let memory = section_of(section::MEMORIES, 1, b"\0\x01");
    let exports = [&unsigned(2)[..], &sized(b"memory"), b"\x02\0", &sized(b"_start"), b"\0\x64"].concat();
    let (exports, code) = (section(section::EXPORTS, &exports), section_of(section::CODE, 1, b"\x02\0\x0b"));
    [MODULE, &types, &imports, &functions, &memory, &exports, &code].concat()
}
