//! Makes requests without end, as fast as it can.

use stoker_sdk::{Context, Failure, handler, http};

use crate::To;

#[handler(kind = "flood-requests")]
pub fn flood_requests(_context: &Context, input: To) -> Result<(), Failure> {
    loop {
        let _ = http::get(input.url("/")).send();
    }
}
