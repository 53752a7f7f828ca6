//! Says a secret wherever it can say something, whole and in pieces and in every usual encoding, and fails with it.

use std::io::Write as _;
use stoker_sdk::{Context, Failure, handler, secrets};

use crate::{Anything, spelled};

#[handler(kind = "say-a-secret")]
pub fn say_a_secret(context: &Context, _input: Anything) -> Result<(), Failure> {
    let secret = secrets::get("said")?;
    let text = secret.text()?;
    let (first, second) = text.split_at(text.len() / 2);
    let mut stdout = std::io::stdout();
    for piece in [first, second, " ", &text[..1], &text[1..], "\n"] {
        stdout.write_all(piece.as_bytes())?;
        stdout.flush()?;
    }
    for byte in text.bytes() {
        std::io::stderr().write_all(&[byte])?;
    }
    for spelling in spelled(text) {
        println!("{spelling}");
        eprintln!("<{spelling}>");
        stoker_sdk::warn!("it is {spelling}!");
        context.progress(1, 2, Some(&spelling));
    }
    Err(Failure::fatal(spelled(text).join(", ")))
}
