//! Looks for files: those of the machine, of the host, of others.

use stoker_sdk::{Context, Failure, handler};
use wasip2::filesystem::preopens::get_directories;

use crate::Anything;

#[handler(kind = "read-files")]
pub fn read_files(_context: &Context, _input: Anything) -> Result<(Vec<String>, usize), Failure> {
    let tried = [
        "/etc/passwd",
        "/etc/hostname",
        "stoker.db",
        "../stoker.db",
        "/proc/self/environ",
        ".",
        "/",
        "//",
        "/dev/null",
    ];
    let found = tried.into_iter().filter(|path| std::fs::read(path).is_ok() || std::fs::read_dir(path).is_ok());
    let written = tried.into_iter().filter(|path| std::fs::write(format!("{path}.new"), "x").is_ok());
    let found: Vec<String> = found.chain(written).map(str::to_owned).collect();
    Ok((found, get_directories().len()))
}
