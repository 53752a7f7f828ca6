//! What a fake host has granted: what a test says, and what the handler that is run asks for with `grants(…)`, as if an operator had
//! granted it. All else is closed. Patterns mean what they mean to a real host.

use serde::Deserialize;

use super::texts::{is_bucket_name, is_kind_name};
use crate::mail::address::Mailbox;

/// In the form of a kind's settings.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Granted {
    pub(crate) enqueue: Vec<String>,
    pub(crate) events: Vec<String>,
    pub(crate) notify: bool,
    pub(crate) mail: Vec<String>,
    pub(crate) kv: Vec<String>,
    pub(crate) databases: Vec<String>,
}

/// Both of them.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    /// By the test.
    pub(crate) told: Granted,
    asked: Granted,
    /// What handlers ask for is not granted.
    pub(crate) is_asking_in_vain: bool,
}

#[derive(Deserialize)]
struct Settings {
    #[serde(default)]
    grants: Granted,
}

impl Grants {
    /// A handler with these settings is about to run.
    pub(crate) fn asked_by(&mut self, settings: Option<&str>) {
        let asked = settings.filter(|_| !self.is_asking_in_vain).map(serde_json::from_str::<Settings>);
        // Settings that can't be read are refused where the module is uploaded.
        self.asked = asked.and_then(Result::ok).map(|settings| settings.grants).unwrap_or_default();
    }

    pub(crate) fn allows_enqueue(&self, kind: &str) -> bool {
        self.any(|granted| granted.enqueue.iter().any(|pattern| allows_name(pattern, kind)))
    }

    pub(crate) fn allows_event(&self, event_type: &str) -> bool {
        self.any(|granted| granted.events.iter().any(|pattern| allows_name(pattern, event_type)))
    }

    pub(crate) fn allows_notify(&self) -> bool {
        self.any(|granted| granted.notify)
    }

    pub(crate) fn allows_mail(&self, sender: &Mailbox) -> bool {
        self.any(|granted| granted.mail.iter().any(|pattern| allows_sender(pattern, sender)))
    }

    pub(crate) fn allows_bucket(&self, bucket: &str) -> bool {
        is_bucket_name(bucket) && self.any(|granted| granted.kv.iter().any(|name| name == bucket))
    }

    pub(crate) fn allows_database(&self, name: &str) -> bool {
        self.any(|granted| granted.databases.iter().any(|pattern| allows_name(pattern, name)))
    }

    fn any(&self, allows: impl Fn(&Granted) -> bool) -> bool {
        [&self.told, &self.asked].into_iter().any(allows)
    }
}

/// Whether a host takes it as a pattern of names: `email.send`, `email.*`, `*`.
pub(crate) fn is_pattern(text: &str) -> bool {
    text == "*" || is_kind_name(text.strip_suffix('*').unwrap_or(text))
}

/// Whether a host takes it as senders of mail: `noreply@example.com`, `*@example.com`.
pub(crate) fn is_sender(text: &str) -> bool {
    let address = text.strip_prefix("*@").map_or_else(|| text.to_owned(), |domain| format!("any@{domain}"));
    !address.contains(['<', ' ']) && address.parse::<Mailbox>().is_ok_and(|mailbox| mailbox.name().is_none())
}

fn allows_name(pattern: &str, name: &str) -> bool {
    is_pattern(pattern)
        && match pattern.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => pattern == name,
        }
}

fn allows_sender(pattern: &str, sender: &Mailbox) -> bool {
    is_sender(pattern)
        && pattern.rsplit_once('@').is_some_and(|(local, domain)| {
            domain.eq_ignore_ascii_case(sender.domain()) && (local == "*" || local == sender.local())
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_to_a_host() {
        for (pattern, name, is_meant) in [
            ("email.send", "email.send", true),
            ("email.send", "email.sent", false),
            ("email.*", "email.send", true),
            ("email.*", "email", false),
            ("*", "anything", true),
            ("a*b", "a*b", false),
            ("", "", false),
        ] {
            assert_eq!(allows_name(pattern, name), is_meant, "{pattern} {name}");
        }
        for (pattern, sender, is_meant) in [
            ("noreply@example.com", "Shop <noreply@EXAMPLE.com>", true),
            ("noreply@example.com", "ceo@example.com", false),
            ("*@Example.com", "ceo@example.com", true),
            ("*@example.com", "ceo@mail.example.com", false),
            ("*", "ceo@example.com", false),
            ("Ada <ceo@example.com>", "ceo@example.com", false),
        ] {
            assert_eq!(allows_sender(pattern, &sender.parse().unwrap()), is_meant, "{pattern} {sender}");
        }
    }

    #[test]
    fn a_handler_has_what_it_asks_for_unless_it_asks_in_vain() {
        let settings = Some(r#"{"timeout":"5s","grants":{"events":["order.*"],"kv":["a"],"http":["example.com"]}}"#);
        let mut grants = Grants::default();
        assert!(!grants.allows_event("order.paid"));
        grants.asked_by(settings);
        assert!(grants.allows_event("order.paid") && grants.allows_bucket("a") && !grants.allows_notify());
        grants.asked_by(None);
        assert!(!grants.allows_event("order.paid"));
        grants.is_asking_in_vain = true;
        grants.asked_by(settings);
        assert!(!grants.allows_event("order.paid"));
    }
}
