//! Panics with a secret, and with its encodings, in the message.

use stoker_sdk::{Context, Failure, handler, secrets};

use crate::{Anything, spelled};

#[handler(kind = "panic-with-a-secret")]
pub fn panic_with_a_secret(_context: &Context, _input: Anything) -> Result<(), Failure> {
    let secret = secrets::get("said")?;
    panic!("{}", spelled(secret.text()?).join(" "));
}
