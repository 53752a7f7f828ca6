//! Follows a redirect of a server that it is granted to one that it is not.

use stoker_sdk::{Context, Failure, handler, http};

use crate::{To, answered};

#[handler(kind = "reach-inside-by-redirect")]
pub fn reach_inside_by_redirect(_context: &Context, input: To) -> Result<Vec<String>, Failure> {
    let response = http::get(input.url("/")).send()?;
    let to = response.header("location").ok_or_else(|| Failure::fatal("it redirects"))?;
    Ok(answered([to.to_owned()]))
}
