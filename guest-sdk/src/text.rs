//! Text that grows. Each of these is one copy of what would otherwise be in the module at every place that adds to a
//! text or prints a value.

use std::fmt::Display;

/// Adds to a text.
#[inline(never)]
pub(crate) fn add(text: &mut String, more: &str) {
    text.push_str(more);
}

/// These texts as one. The standard library's `concat` is a kilobyte, and `format!` more than this at each place.
#[inline(never)]
pub(crate) fn joined(parts: &[&str]) -> String {
    let mut text = String::new();
    for part in parts {
        add(&mut text, part);
    }
    text
}

/// A value as text.
#[inline(never)]
pub(crate) fn printed(value: &dyn Display) -> String {
    value.to_string()
}
