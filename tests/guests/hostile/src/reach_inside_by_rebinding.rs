//! Makes requests to a granted name whose address is another one each time it is asked for: first one that is allowed, then one that
//! is not. Whoever checks one answer and connects to the next is led inside.

use stoker_sdk::{Context, Failure, handler, http};

use crate::To;

#[handler(kind = "reach-inside-by-rebinding")]
pub fn reach_inside_by_rebinding(_context: &Context, input: To) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for _ in 0..20 {
        if let Ok(response) = http::get(input.url("/")).send() {
            found.push(response.text()?.to_owned());
        }
    }
    found.retain(|body| body != "outside");
    Ok(found)
}
