//! Uses everything that could be granted and is not, and fails with what it was told.

use stoker_sdk::{Context, Failure, handler, http, kv, secrets};

use crate::To;

#[handler(kind = "use-what-is-not-granted")]
pub fn use_what_is_not_granted(_context: &Context, input: To) -> Result<Vec<String>, Failure> {
    let mut got = Vec::new();
    got.extend(http::get(input.url("/")).send().ok().map(|_| "http".to_owned()));
    got.extend(kv::open("shared").ok().map(|_| "kv".to_owned()));
    got.extend(std::net::TcpStream::connect(&input.to).ok().map(|_| "sockets".to_owned()));
    if got.is_empty() {
        secrets::get("said")?;
    }
    Ok(got)
}
