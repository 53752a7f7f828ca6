//! Payloads and outputs as JSON text, for serde. Small in wasm: code of floating point, of map keys, of enums is only in
//! the module if a type needs it, and no error prints through it. Agrees with `serde_json` on what it accepts and writes, but
//! for two things the schema says: whole numbers may be written with a fraction or exponent (`1.0`, `2e3`) where an
//! integer is wanted, and a struct is an object, never an array of its fields.

mod access;
mod error;
mod key;
mod parse;
mod print;
mod print_key;
mod scan;
#[cfg(test)]
mod tests;
mod tree;
mod whole;

pub(crate) use error::JsonError;
pub(crate) use parse::parse;
pub(crate) use print::{escape_into, print};
pub(crate) use tree::JsonText;
