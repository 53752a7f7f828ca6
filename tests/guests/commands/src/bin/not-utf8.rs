//! Prints bytes that are no text: only `stdout: bytes` takes them.

use std::io::Write;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(&[0xff, 0xfe, 0x00, 0x80])
}
