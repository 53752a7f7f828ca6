//! Debugging information that is none: whatever reads it for a backtrace reads noise.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::{OddCommand, custom};

pub const ATTACK: Attack = Attack { name: "false-debugging", wasm, expected: Expected::Bounded };

fn wasm() -> Vec<u8> {
    let noise: Vec<u8> = (0..2_000_000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let sections = [".debug_info", ".debug_abbrev", ".debug_line", ".debug_str"].map(|name| custom(name, &noise));
    OddCommand::new().functions(1, b"\0\0\x0b").ending_with(&sections.concat()).wasm()
}
