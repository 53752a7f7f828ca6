//! Clears the terminal of whoever reads its log, its progress, its error, renames its window, and turns its letters around.

use stoker_sdk::{Context, Failure, handler};

use crate::Anything;

#[handler(kind = "terminal-escapes")]
pub fn terminal_escapes(context: &Context, _input: Anything) -> Result<(), Failure> {
    let escapes = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\r\u{202e}\u{0}before\n{\"level\":\"error\"}\n2026-01-01T00:00:00Z ERROR stoker: the store is lost";
    stoker_sdk::error!("{escapes}");
    println!("{escapes}");
    context.progress(1, 2, Some(escapes));
    Err(Failure::fatal(escapes))
}
