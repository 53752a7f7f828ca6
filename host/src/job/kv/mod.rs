//! The key-value store of handlers: what a key, a value and a change are, within which bounds. Pure.

mod change;
mod key;

pub use change::*;
pub use key::{KvKey, KvKeyError};
