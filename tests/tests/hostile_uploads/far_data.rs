//! One byte at each end of a memory of 125 MiB: an image of it, kept for later instances, would be as large.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::{OddCommand, section, signed, unsigned};

pub const ATTACK: Attack = Attack { name: "far-data", wasm, expected: Expected::Bounded };

fn wasm() -> Vec<u8> {
    let pages: u32 = 2_000;
    let last = signed(i64::from(pages) * 65_536 - 1);
    let data = [&unsigned(2)[..], b"\0\x41\0\x0b\x01x\0\x41", &last, b"\x0b\x01y"].concat();
    OddCommand::new().memory_pages(pages.into()).ending_with(&section(section::DATA, &data)).wasm()
}
