//! Prints without end: `output_too_large`.

use std::io::Write;

const LINE: &str = "this line is printed many times over, 64 bytes of it, again ...\n";

fn main() -> std::io::Result<()> {
    let block = LINE.repeat(64);
    let mut stdout = std::io::stdout().lock();
    loop {
        stdout.write_all(block.as_bytes())?;
    }
}
