//! Secrets that a guest was given are taken out of what it says: its log, its output, its errors, its progress. Guarantees that
//! no whole secret passes as it is or in a usual encoding, however its writes are split. It keeps accidents from becoming leaks,
//! and stops nobody who means to leak: who has a secret can spell it in a way of its own.

mod automaton;
mod ending;
mod forms;
mod output;
mod stream;

pub(super) use automaton::Automaton;
pub(super) use ending::{of_failure, of_output, of_words};
pub(super) use stream::RedactedStream;

use std::borrow::Cow;
use std::sync::Arc;

use crate::secrets::SecretValue;

/// Secrets one attempt is given, bytes in all: what finds them takes memory for each. Fewer where they are written in many ways.
pub(super) const GIVEN_BYTES_MAX: usize = 128 << 10;

/// The secrets an attempt was given so far.
#[derive(Debug, Default)]
pub(super) struct Given {
    secrets: Vec<(String, SecretValue)>,
    finder: Option<Arc<Automaton>>,
}

impl Given {
    /// From now on this one is taken out, too. `false`: it would be too much.
    pub(super) fn add(&mut self, name: &str, value: &SecretValue) -> bool {
        if self.secrets.iter().any(|(known, held)| known == name && held == value) {
            return true;
        }
        let bytes: usize = self.secrets.iter().map(|(_, value)| value.reveal().len()).sum();
        if bytes + value.reveal().len() > GIVEN_BYTES_MAX {
            return false;
        }
        self.secrets.push((name.to_owned(), value.clone()));
        let finder = Automaton::new(&self.secrets);
        let Some(finder) = finder else {
            self.secrets.pop();
            return false;
        };
        self.finder = Some(Arc::new(finder));
        true
    }

    /// What finds them; `None`: no secret was given.
    pub(super) fn finder(&self) -> Option<&Arc<Automaton>> {
        self.finder.as_ref()
    }
}

/// A text without the secrets in it.
pub(super) fn redact_text(finder: Option<&Arc<Automaton>>, text: String) -> String {
    match finder.map(|finder| finder.redact(text.as_bytes())) {
        None | Some(Cow::Borrowed(_)) => text,
        Some(Cow::Owned(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

/// What stands in the place of a secret.
fn label(name: &str) -> String {
    format!("[secret {name}]")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn secret(text: &str) -> SecretValue {
        SecretValue::new(text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn certificates_fit_and_what_has_a_spelling_of_its_own_everywhere_is_bounded() {
        let mut given = Given::default();
        let line = |seed: usize| -> String {
            (0..64).map(|at| char::from(b"ABCDEFGHabcdefgh0123+/"[(seed * 31 + at * (seed % 7 + 1)) % 22])).collect()
        };
        for chain in 0..2 {
            let text: String = (0..1_000).map(|at| line(chain * 1_000 + at) + "\n").collect();
            assert!(given.add(&format!("chain-{chain}"), &secret(&text[..60 << 10])));
        }
        let mut given = Given::default();
        let taken = (0..60).take_while(|index| {
            let text = format!("\u{e9}/<&! '\"{index}") + &"\u{1}".repeat(2_000);
            given.add(&index.to_string(), &secret(&text))
        });
        let taken = taken.count();
        assert!((8..60).contains(&taken), "{taken}");
        // Who was refused one has the others, and they are found.
        assert_eq!(given.finder().unwrap().secrets(), taken);
        assert!(given.add("small", &secret("something-small")));
    }
}
