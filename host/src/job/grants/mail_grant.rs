//! Addresses a kind may send mail from: one, or all of a domain.

use std::fmt;
use std::str::FromStr;

use crate::job::mail::Mailbox;

/// `noreply@example.com`, or `*@example.com`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailGrant {
    /// What is before the `@`; `None`: anything.
    local: Option<String>,
    domain: String,
}

/// Why a text grants no sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no sender of mail: write an address like `noreply@example.com`, or `*@example.com` for all of a domain"
)]
pub struct MailGrantError(String);

impl MailGrant {
    /// Whether a sender is one of those meant. The name before an address is nobody's.
    pub fn allows(&self, sender: &Mailbox) -> bool {
        self.domain == sender.domain() && self.local.as_ref().is_none_or(|local| local == sender.local())
    }

    /// Whether all senders that another grant means are meant by this one.
    pub fn covers(&self, other: &MailGrant) -> bool {
        self.domain == other.domain && (self.local.is_none() || self.local == other.local)
    }
}

impl FromStr for MailGrant {
    type Err = MailGrantError;

    fn from_str(text: &str) -> Result<Self, MailGrantError> {
        let wrong = || MailGrantError(text.escape_debug().take(200).collect());
        let (is_any, address) = match text.strip_prefix("*@") {
            Some(domain) => (true, format!("any@{domain}")),
            None => (false, text.to_owned()),
        };
        let mailbox: Mailbox = address.parse().map_err(|_| wrong())?;
        if mailbox.name().is_some() || address.contains(['<', ' ']) {
            return Err(wrong());
        }
        let local = (!is_any).then(|| mailbox.local().to_owned());
        Ok(Self { local, domain: mailbox.domain().to_owned() })
    }
}

impl fmt::Display for MailGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local.as_deref().unwrap_or("*"), self.domain)
    }
}

impl fmt::Debug for MailGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for MailGrant {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for MailGrant {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_an_address_or_a_domain() {
        for (grant, sender, is_meant) in [
            ("noreply@example.com", "noreply@example.com", true),
            ("noreply@example.com", "Shop <noreply@EXAMPLE.com>", true),
            ("noreply@example.com", "ceo@example.com", false),
            ("*@example.com", "ceo@example.com", true),
            ("*@example.com", "ceo@mail.example.com", false),
            ("*@example.com", "ceo@example.com.evil.example", false),
        ] {
            let (grant, sender): (MailGrant, Mailbox) = (grant.parse().unwrap(), sender.parse().unwrap());
            assert_eq!(grant.allows(&sender), is_meant, "{grant} {sender}");
        }
        for wrong in ["", "*", "*@", "@example.com", "a@*", "*@*.example.com", "Ada <ada@example.com>", "a b@c.example"]
        {
            assert!(wrong.parse::<MailGrant>().is_err(), "{wrong}");
        }
        let grant = |text: &str| text.parse::<MailGrant>().unwrap();
        assert!(
            grant("*@a.example").covers(&grant("x@a.example")) && grant("*@a.example").covers(&grant("*@A.example"))
        );
        assert!(!grant("x@a.example").covers(&grant("*@a.example")));
        assert_eq!(grant("*@A.example").to_string(), "*@a.example");
    }
}
