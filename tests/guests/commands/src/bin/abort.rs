//! Aborts after a line on stderr: `trap`.

fn main() {
    eprintln!("aborting on purpose");
    std::process::abort();
}
