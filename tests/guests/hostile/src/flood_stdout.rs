//! Writes to standard output and standard error without end, in small pieces.

use std::io::Write as _;
use stoker_sdk::{Context, Failure, handler};

use crate::Anything;

#[handler(kind = "flood-stdout")]
pub fn flood_stdout(_context: &Context, _input: Anything) -> Result<(), Failure> {
    loop {
        let _ = std::io::stdout().write_all(b"x");
        let _ = std::io::stderr().write_all(b"y\n");
    }
}
