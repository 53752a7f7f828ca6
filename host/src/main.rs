//! Stoker.
fn main() {}
