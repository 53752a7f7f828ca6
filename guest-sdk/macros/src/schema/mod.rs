//! `#[derive(JsonSchema)]`: the schema of what serde reads and writes, as text that is put together while compiling as
//! far as it can be. Serde's attributes are read by serde's own code.

mod attributes;
mod container;
mod fields;
mod json;
mod variants;

pub(crate) use container::expand;
