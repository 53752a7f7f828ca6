//! Addresses of mail as a real host reads them (RFC 5322, with what it leaves out of it). What stands here takes nothing that a host
//! refuses; the blanks and quotes that old mail had within an address it refuses as well.

use std::fmt;
use std::str::FromStr;

use crate::testing::bounds::MAILBOX_BYTES_MAX;
use crate::testing::texts::control_character;

const FORM: &str = "write it as `ada@example.com` or `Ada Lovelace <ada@example.com>`";
/// What an atom has beside letters and digits.
const SIGNS: &str = "!#$%&'*+-/=?^_`{|}~";
/// Most bytes of what is before the `@`.
const LOCAL_BYTES_MAX: usize = 64;
/// Most bytes of a domain.
const DOMAIN_BYTES_MAX: usize = 254;
/// Most bytes of what is between two dots of it.
const LABEL_BYTES_MAX: usize = 63;

/// `ada@example.com`, or `Ada Lovelace <ada@example.com>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mailbox {
    name: Option<String>,
    local: String,
    /// In small letters.
    domain: String,
}

impl Mailbox {
    /// What is before the `@`.
    pub(crate) fn local(&self) -> &str {
        &self.local
    }

    /// What is after it.
    pub(crate) fn domain(&self) -> &str {
        &self.domain
    }

    /// What people are called by.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Without the name.
    pub(crate) fn address(&self) -> String {
        format!("{}@{}", self.local, self.domain)
    }

    fn read(text: &str) -> Result<Self, String> {
        if text.len() > MAILBOX_BYTES_MAX {
            return Err(wrong(text, &format!("it may have at most {MAILBOX_BYTES_MAX} bytes")));
        }
        if let Some(sentence) = control_character(text) {
            return Err(wrong(&text.escape_debug().to_string(), &format!("it {sentence}")));
        }
        let (name, local, domain) = parts(text.trim()).ok_or_else(|| wrong(text, FORM))?;
        let domain = domain.to_ascii_lowercase();
        if !local.is_ascii() || !domain.is_ascii() {
            let why = "an address has ASCII characters only; write its domain in the form that begins `xn--`";
            return Err(wrong(text, why));
        }
        let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        Ok(Self { name, local: local.to_owned(), domain })
    }
}

impl FromStr for Mailbox {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mailbox = Self::read(text)?;
        // A host stores it the way it is shown.
        if Self::read(&mailbox.to_string()).is_ok_and(|again| again == mailbox) {
            Ok(mailbox)
        } else {
            Err(wrong(text, "its name is too long, or has signs it can't have"))
        }
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, local, domain } = self;
        let Some(name) = name else { return write!(f, "{local}@{domain}") };
        if name.chars().all(|c| c.is_alphanumeric() || c == ' ' || SIGNS.contains(c)) {
            return write!(f, "{name} <{local}@{domain}>");
        }
        write!(f, "\"{}\" <{local}@{domain}>", name.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

fn wrong(text: &str, why: &str) -> String {
    let text: String = text.chars().take(100).collect();
    format!("`{text}` is no address of mail: {why}")
}

/// Name, what is before the `@`, and what is after it.
fn parts(text: &str) -> Option<(Option<String>, &str, &str)> {
    let (name, address) = match name_before(text) {
        Some((name, rest)) => (name, rest.strip_suffix('>')?.trim_start_matches(' ')),
        None => (None, text),
    };
    let (local, domain) = address.rsplit_once('@')?;
    let is_local = local.len() <= LOCAL_BYTES_MAX && local.split('.').all(is_atom);
    let is_domain = domain.len() <= DOMAIN_BYTES_MAX && domain.split('.').all(is_label);
    (is_local && is_domain).then_some((name, local, domain))
}

fn is_atom(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_of_atom)
}

fn is_label(text: &str) -> bool {
    let has_ends = text.starts_with(char::is_alphanumeric) && text.ends_with(char::is_alphanumeric);
    has_ends && text.len() <= LABEL_BYTES_MAX && is_atom(text)
}

fn is_of_atom(c: char) -> bool {
    c.is_ascii_alphanumeric() || SIGNS.contains(c) || !c.is_ascii()
}

/// The words before a `<`, and what is behind it; `None`: there is none.
fn name_before(text: &str) -> Option<(Option<String>, &str)> {
    let (mut name, mut rest) = (String::new(), text);
    loop {
        let (behind, is_apart) = (rest.trim_start_matches(' '), rest.starts_with(' '));
        if let Some(address) = behind.strip_prefix('<') {
            return Some(((!name.is_empty()).then_some(name), address));
        }
        let is_first = rest.len() == text.len();
        let (word, behind) = match behind.chars().next()? {
            '"' => quoted(&behind[1..])?,
            '.' if !is_first => (".".to_owned(), &behind[1..]),
            _ => {
                let end = behind.find(|c| !is_of_atom(c)).unwrap_or(behind.len());
                (behind[..end].to_owned(), &behind[end..])
            }
        };
        if behind.len() == rest.trim_start_matches(' ').len() {
            return None;
        }
        if is_apart {
            name.push(' ');
        }
        name.push_str(&word);
        rest = behind;
    }
}

/// What stands in quotes, of which the first is behind us, and what is behind the last one.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let (mut chars, mut blanks) = (text.char_indices(), 0);
    while let Some((at, c)) = chars.next() {
        match c {
            ' ' => {
                blanks += 1;
                continue;
            }
            // Blanks before it say nothing.
            '"' => return Some((name, &text[at + 1..])),
            _ => {}
        }
        let said = if c == '\\' { chars.next().map(|(_, c)| c).filter(char::is_ascii)? } else { c };
        // Several blanks are one.
        if blanks > 0 {
            name.push(' ');
        }
        blanks = 0;
        name.push(said);
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_as_a_host_does() {
        for (text, name, address) in [
            ("ada@example.com", None, "ada@example.com"),
            (" Ada@EXAMPLE.com ", None, "Ada@example.com"),
            ("<ada@example.com>", None, "ada@example.com"),
            ("Ada Lovelace <ada@example.com>", Some("Ada Lovelace"), "ada@example.com"),
            ("Zoë<zoe@example.com>", Some("Zoë"), "zoe@example.com"),
            ("J. R. <j@example.com>", Some("J. R."), "j@example.com"),
            ("\"Lovelace, Ada\" <ada@example.com>", Some("Lovelace, Ada"), "ada@example.com"),
            ("\"a \\\"b\\\" <x@y>\" <ada@example.com>", Some("a \"b\" <x@y>"), "ada@example.com"),
            ("\"  a  b \" c <ada@example.com>", Some("a b c"), "ada@example.com"),
        ] {
            let mailbox: Mailbox = text.parse().unwrap();
            assert_eq!((mailbox.name(), mailbox.address().as_str()), (name, address), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_says_so() {
        let (long, local) = (format!("{}@example.com", "a".repeat(MAILBOX_BYTES_MAX)), "a".repeat(65));
        for (wrong, said) in [
            ("", FORM),
            ("ada", FORM),
            ("ada@", FORM),
            ("@example.com", FORM),
            ("a..b@example.com", FORM),
            ("ada@example.com.", FORM),
            ("ada@-example.com", FORM),
            ("ada@example.com, bob@example.com", FORM),
            (". <ada@example.com>", FORM),
            ("Ada <ada@example.com> x", FORM),
            ("\"Ada <ada@example.com>", FORM),
            ("Ada, Bob <ada@example.com>", FORM),
            ("ada@exa mple.com", FORM),
            ("<ada@example.com", FORM),
            (&format!("{local}@example.com"), FORM),
            ("a@b.example\r\nDATA", "it must hold no control characters: the one in place 12 is U+000D"),
            ("zoë@example.com", "ASCII characters only"),
            ("ada@exämple.com", "ASCII characters only"),
            (&long, "it may have at most 512 bytes"),
            ("\"a\\ \\ b\" <ada@example.com>", "its name is too long, or has signs it can't have"),
        ] {
            let error = wrong.parse::<Mailbox>().unwrap_err();
            assert!(error.contains(" is no address of mail: ") && error.contains(said), "{error}");
        }
    }
}
