//! Secrets: whether the keys a host started here would have are those they are encrypted under. Told by the keys' ids; no value
//! is opened.

use super::finding::Findings;
use crate::secrets::{KeyRing, SecretsKey};
use crate::store::SecretsUnderKey;

const CHECK: &str = "secrets";

/// `stored`: by the keys they are under.
pub(super) fn check(stored: &[SecretsUnderKey], keys: &KeyRing, findings: &mut Findings) {
    let current = keys.current().map(SecretsKey::id);
    for under in stored {
        let SecretsUnderKey { key, secrets, .. } = under;
        if current == Some(*key) {
            findings.ok(CHECK, format!("{secrets} under the current key, {key}"));
        } else if keys.find(*key).is_some() {
            findings.note(
                CHECK,
                format!("{secrets} still under the earlier key {key}: {}", named(under)),
                "leave it in `secrets_key_previous_file` until a running host has encrypted them anew",
            );
        } else if let Some(current) = current {
            findings.problem(
                CHECK,
                format!("{secrets} can't be read: under the key {key}, and the key here is {current}: {}", named(under)),
                "a host would not start with it: give that key as `secrets_key_file`, or as `secrets_key_previous_file` \
                 beside the new one",
            );
        } else {
            findings.note(
                CHECK,
                format!("{secrets} can't be read: under the key {key}, and none is given here: {}", named(under)),
                "no handler gets them, and none can be set; give the key as `secrets_key_file` or STOKER_SECRETS_KEY",
            );
        }
    }
}

fn named(under: &SecretsUnderKey) -> String {
    let more = under.secrets.saturating_sub(under.named.len() as u64);
    let named = under.named.join(", ");
    if more == 0 { named } else { format!("{named} and {more} more") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::super::terminal::Colours;
    use super::*;

    fn key(digits: &str) -> SecretsKey {
        SecretsKey::parse(&digits.repeat(32)).unwrap()
    }

    fn said(keys: &KeyRing) -> String {
        let under = |digits: &str, secrets, named: &[&str]| SecretsUnderKey {
            key: key(digits).id(),
            secrets,
            named: named.iter().map(|name| (*name).to_owned()).collect(),
        };
        let mut findings = Findings::default();
        check(&[under("01", 2, &["acme/a", "acme/b"]), under("02", 12, &["default/c"])], keys, &mut findings);
        findings.render(Colours::Off)
    }

    #[test]
    fn each_key_is_judged_by_its_id() {
        let both = said(&KeyRing::new(Some(key("02")), vec![key("01")]));
        assert!(
            both.contains("note    secrets: 2 still under the earlier key") && both.contains("acme/a, acme/b"),
            "{both}"
        );
        assert!(both.contains(&format!("ok      secrets: 12 under the current key, {}", key("02").id())), "{both}");
        let wrong = said(&KeyRing::new(Some(key("01")), Vec::new()));
        assert!(
            wrong.contains("problem secrets: 12 can't be read") && wrong.contains("default/c and 11 more"),
            "{wrong}"
        );
        let none = said(&KeyRing::default());
        assert!(none.contains("note    secrets: 2 can't be read") && none.ends_with("no problems"), "{none}");
    }
}
