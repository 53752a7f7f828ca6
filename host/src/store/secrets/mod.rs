//! Secrets as they lie in the store: ciphertexts, and what says under which keys. The store never sees a value or a key.

mod keys;
mod model;
mod operations;
mod reseal;
mod values;

pub use model::*;
pub(super) use values::secret_facts;
