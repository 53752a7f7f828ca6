//! What a guest used and was not granted: a short list of names, each once, in the order of their first use.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::job::cut;

/// Names kept; what comes after them is denied all the same.
pub(super) const DENIED_MAX: usize = 16;
/// A longer name is cut, bytes. A guest makes some of them up.
const NAME_BYTES_MAX: usize = 320;

/// Shared with what goes on beside the guest: whether an address is refused turns out when its name has been resolved.
#[derive(Clone, Debug, Default)]
pub(super) struct Denied(Arc<Mutex<Vec<String>>>);

impl Denied {
    /// Notes a capability by its name, like `http api.example.com:443` or `secret stripe-key`.
    pub(super) fn note(&self, capability: &str) {
        let shown = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        let name = cut(capability.chars().take(NAME_BYTES_MAX).map(shown).collect(), NAME_BYTES_MAX);
        let mut names = self.0.lock();
        if names.len() < DENIED_MAX && !names.contains(&name) {
            names.push(name);
        }
    }

    /// All of them.
    pub(super) fn names(&self) -> Vec<String> {
        self.0.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_short_whatever_a_guest_does() {
        let denied = Denied::default();
        denied.note("sockets");
        denied.note("sockets");
        denied.note("secret a\u{1b}[2J\nb");
        assert_eq!(denied.names(), ["sockets", "secret a\u{fffd}[2J\u{fffd}b"]);
        for number in 0..1_000 {
            denied.note(&format!("kv {number}{}", "ü".repeat(1_000)));
        }
        let names = denied.names();
        assert_eq!(names.len(), DENIED_MAX);
        assert!(names.iter().all(|name| name.len() <= NAME_BYTES_MAX));
    }
}
