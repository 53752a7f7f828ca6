//! Asks for names that no name server answers for, again and again.

use stoker_sdk::{Context, Failure, handler, http};

use crate::To;

#[handler(kind = "ask-silent-names")]
pub fn ask_silent_names(_context: &Context, input: To) -> Result<(), Failure> {
    loop {
        let _ = http::get(input.url("/")).send();
    }
}
