//! Asks for secrets that its kind is not granted, and for those of another tenant, also by a name that it is granted and that only the
//! other tenant has.

use stoker_sdk::{Context, Failure, handler, secrets};

use crate::Anything;

/// Those it was given.
#[handler(kind = "secrets-of-others")]
pub fn secrets_of_others(_context: &Context, _input: Anything) -> Result<Vec<String>, Failure> {
    let names = [
        "theirs",
        "producer-key",
        "good/theirs",
        "../good/theirs",
        "theirs\0",
        "THEIRS",
        "theirs/../producer-key",
        "theirs' OR '1'='1",
        "%",
        "*",
        "",
    ];
    Ok(names.into_iter().filter(|name| secrets::get(name).is_ok()).map(str::to_owned).collect())
}
