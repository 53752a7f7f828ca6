//! Lets `?` turn an error with a cause into a failure: tried again, the chain in the message.

use std::error::Error;
use std::fmt;

use stoker_sdk::{Context, Failure, handler};

use crate::Nothing;

#[derive(Debug)]
struct CannotCount(std::num::ParseIntError);

impl fmt::Display for CannotCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot count")
    }
}

impl Error for CannotCount {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[handler(kind = "fail-error", max_attempts = 1)]
pub fn fail_error(_context: &Context, _input: Nothing) -> Result<u32, Failure> {
    Ok("many".parse().map_err(CannotCount)?)
}
