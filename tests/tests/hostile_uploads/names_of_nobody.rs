//! Names for four thousand million functions that are not there.

use super::attack::{Attack, Expected};
use stoker_tests::wasm_bytes::{OddCommand, custom, section, unsigned};

pub const ATTACK: Attack = Attack { name: "names-of-nobody", wasm, expected: Expected::Bounded };

fn wasm() -> Vec<u8> {
    let names = section(1, &unsigned(u64::from(u32::MAX)));
    OddCommand::new().ending_with(&custom("name", &names)).wasm()
}
