//! Panics: `trap`, with the message and its place in the log.

use stoker_sdk::{Context, Failure, handler};

use crate::Nothing;

#[handler(kind = "panic")]
pub fn panic(_context: &Context, _input: Nothing) -> Result<(), Failure> {
    panic!("the guest panics on purpose")
}
