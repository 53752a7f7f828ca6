//! Markdown in, HTML out: a plain WASI command that knows nothing of Stoker, and a Unix filter as well.
//! Owns streams, arguments and exit codes; what HTML comes out is decided in `render`.

mod render;

use std::io::{Read, Write};
use std::process::ExitCode;

use render::Trust;

/// `EX_DATAERR`: never try again.
const EXIT_BAD_INPUT: u8 = 65;
/// `EX_USAGE`: the kind's settings are wrong.
const EXIT_USAGE: u8 = 64;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let trust = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => Trust::Nobody,
        ["--trusted"] => Trust::Author,
        _ => {
            eprintln!("the only argument is --trusted, which lets raw HTML and every link through; got {arguments:?}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let mut markdown = String::new();
    if let Err(error) = std::io::stdin().read_to_string(&mut markdown) {
        eprintln!("standard input cannot be read as text: {error}");
        return ExitCode::from(EXIT_BAD_INPUT);
    }
    // In one piece: every write is a host call.
    match std::io::stdout().write_all(render::html(&markdown, trust).as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the HTML cannot be written: {error}");
            ExitCode::FAILURE
        }
    }
}
