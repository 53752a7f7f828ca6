//! Addresses of mail, with or without a name before them. What is none is found here, so that nothing a guest says becomes a
//! line of a header or a command to a server.

use std::fmt;
use std::str::FromStr;

use crate::job::text::control_character;

/// Most bytes of an address with its name.
pub const MAILBOX_BYTES_MAX: usize = 512;

const FORM: &str = "write it as `ada@example.com` or `Ada Lovelace <ada@example.com>`";

/// `ada@example.com`, or `Ada Lovelace <ada@example.com>`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Mailbox {
    name: Option<String>,
    /// What is before the `@`, as it was written.
    local: String,
    /// In small letters: names of hosts know no others.
    domain: String,
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no address of mail: {why}")]
pub struct MailboxError {
    text: String,
    why: String,
}

impl Mailbox {
    /// The address without a name: what a server is told.
    pub fn address(&self) -> String {
        format!("{}@{}", self.local, self.domain)
    }

    /// What is before the `@`.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// What is after it, in small letters.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// What people are called by.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl FromStr for Mailbox {
    type Err = MailboxError;

    fn from_str(text: &str) -> Result<Self, MailboxError> {
        let mailbox = Self::read(text)?;
        // It is stored the way it is shown, and must be found to be the same.
        let is_found_again = Self::read(&mailbox.to_string()).is_ok_and(|again| again == mailbox);
        if is_found_again {
            Ok(mailbox)
        } else {
            Err(MailboxError::new(text, "its name is too long, or has signs it can't have"))
        }
    }
}

impl MailboxError {
    fn new(text: &str, why: &str) -> Self {
        Self { text: text.chars().take(100).collect(), why: why.to_owned() }
    }
}

impl Mailbox {
    fn read(text: &str) -> Result<Self, MailboxError> {
        let wrong = |why: &str| MailboxError::new(text, why);
        if text.len() > MAILBOX_BYTES_MAX {
            return Err(wrong(&format!("it may have at most {MAILBOX_BYTES_MAX} bytes")));
        }
        if let Some(sentence) = control_character(text) {
            return Err(MailboxError { text: text.escape_debug().take(100).collect(), why: format!("it {sentence}") });
        }
        let parsed: lettre::message::Mailbox = text.trim().parse().map_err(|_| wrong(FORM))?;
        let (local, domain) = (parsed.email.user().to_owned(), parsed.email.domain().to_ascii_lowercase());
        if !local.is_ascii() || !domain.is_ascii() {
            // Most servers take no others, and one such address would keep the mail from everybody.
            return Err(wrong("an address has ASCII characters only; write its domain in the form that begins `xn--`"));
        }
        if !local.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".!#$%&'*+-/=?^_`{|}~".contains(&byte)) {
            return Err(wrong("before the `@` stand letters, digits, dots and other signs, nothing in quotes"));
        }
        let name = parsed.name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        Ok(Self { name, local, domain })
    }
}

impl fmt::Display for Mailbox {
    /// The way it is read: a name that could be taken for something else stands in quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, local, domain } = self;
        let Some(name) = name else { return write!(f, "{local}@{domain}") };
        let is_plain = name.chars().all(|c| c.is_alphanumeric() || " !#$%&'*+-/=?^_`{|}~".contains(c));
        if is_plain {
            return write!(f, "{name} <{local}@{domain}>");
        }
        write!(f, "\"{}\" <{local}@{domain}>", name.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Mailbox {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Mailbox {
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
    fn addresses_are_read_and_shown_the_same_way() {
        for (text, name, address) in [
            ("ada@example.com", None, "ada@example.com"),
            ("Ada@EXAMPLE.com", None, "Ada@example.com"),
            ("Ada Lovelace <ada@example.com>", Some("Ada Lovelace"), "ada@example.com"),
            ("Zoë <zoe@example.com>", Some("Zoë"), "zoe@example.com"),
            ("\"Lovelace, Ada\" <ada@example.com>", Some("Lovelace, Ada"), "ada@example.com"),
            ("\"a \\\"b\\\" <x@y>\" <ada@example.com>", Some("a \"b\" <x@y>"), "ada@example.com"),
        ] {
            let mailbox: Mailbox = text.parse().unwrap();
            assert_eq!((mailbox.name(), mailbox.address().as_str()), (name, address), "{text}");
            assert_eq!(mailbox.to_string().parse::<Mailbox>().unwrap(), mailbox, "{text} as {mailbox}");
        }
    }

    #[test]
    fn what_would_be_read_otherwise_than_it_was_written_is_refused() {
        let dotted = |bytes: usize| format!("J.{} <ada@example.com>", "a".repeat(bytes - 20));
        assert!(dotted(400).parse::<Mailbox>().is_ok());
        for text in
            [dotted(MAILBOX_BYTES_MAX), r#""\"a,b\""@example.com"#.to_owned(), r#""a b"@example.com"#.to_owned()]
        {
            assert!(text.parse::<Mailbox>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_says_so() {
        let long = format!("{}@example.com", "a".repeat(MAILBOX_BYTES_MAX));
        for wrong in [
            "",
            "ada",
            "ada@",
            "@example.com",
            "ada@example.com, bob@example.com",
            "ada@example.com\r\nBcc: all@example.com",
            "Ada\n<ada@example.com>",
            "ada@exa mple.com",
            "<ada@example.com",
            "zoë@example.com",
            "ada@exämple.com",
            "a\u{0}@example.com",
            long.as_str(),
        ] {
            let error = wrong.parse::<Mailbox>().unwrap_err().to_string();
            assert!(error.contains("is no address of mail: ") && !error.contains('\n'), "{error}");
        }
    }
}
