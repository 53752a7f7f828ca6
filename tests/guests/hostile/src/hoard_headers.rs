//! Makes sets of headers and keeps them: each is memory of the host.

use stoker_sdk::{Context, Failure, handler};
use wasip2::http::types::Fields;

use crate::Anything;

#[handler(kind = "hoard-headers")]
pub fn hoard_headers(_context: &Context, _input: Anything) -> Result<(), Failure> {
    let mut sets = Vec::new();
    loop {
        let set = Fields::new();
        for number in 0..8 {
            let _ = set.append(&format!("x-{number}"), &vec![b'x'; 4_000]);
        }
        sets.push(set);
    }
}
