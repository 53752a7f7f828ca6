//! Whom a request is for: a name or an address, in one form each, so that two ways to write the same can't differ.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// Longest name, bytes.
pub const HOST_BYTES_MAX: usize = 253;
/// Longest part of a name, bytes.
const LABEL_BYTES_MAX: usize = 63;

/// A name in lower case without a dot at its end, or an address. An IPv4 address in an IPv6 one's clothes is the former.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// To be resolved.
    Name(Arc<str>),
    /// As it is.
    Address(IpAddr),
}

/// Why it is no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Neither a name nor an address.
    #[error(
        "name a host: letters, digits, `-`, `_` and dots, or an IPv4 address in four decimal parts, or an IPv6 address in \
         brackets"
    )]
    Form,
    /// In letters DNS does not know.
    #[error("write names with other letters as DNS has them (`xn--…`)")]
    NotAscii,
    /// Numbers that some programs take for an address.
    #[error("numbers are no name; write an IPv4 address in four decimal parts")]
    Numbers,
}

impl Host {
    /// As it stands in a URL: an IPv6 address in brackets.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let address: Ipv6Addr = inner.parse().map_err(|_| HostError::Form)?;
            return Ok(Host::Address(IpAddr::V6(address).to_canonical()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Host::Address(address.into()));
        }
        name(text).map(Host::Name)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V4(address)) => address.fmt(f),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// A name in its one form.
pub(super) fn name(text: &str) -> Result<Arc<str>, HostError> {
    if !text.is_ascii() {
        return Err(HostError::NotAscii);
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if name.len() > HOST_BYTES_MAX || !name.split('.').all(is_label) {
        return Err(HostError::Form);
    }
    // `127.1`, `2130706433`, `0x7f.1`: what resolvers of old take for 127.0.0.1.
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x") {
        return Err(HostError::Numbers);
    }
    Ok(name.into())
}

fn is_label(label: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=LABEL_BYTES_MAX).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(is_known)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_means_the_same_is_the_same() {
        for (text, shown) in [
            ("api.example.com", "api.example.com"),
            ("API.Example.COM.", "api.example.com"),
            ("localhost", "localhost"),
            ("_srv.a-b.example", "_srv.a-b.example"),
            ("10.1.2.3", "10.1.2.3"),
            ("[fd00::1]", "[fd00::1]"),
            ("[FD00:0:0::0001]", "[fd00::1]"),
            ("[::ffff:127.0.0.1]", "127.0.0.1"),
        ] {
            assert_eq!(Host::parse(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_two_programs_read_differently_is_nobody() {
        let long = format!("{}.example", "a".repeat(64));
        let longer = ["a"; 128].join(".");
        for (text, error) in [
            ("", HostError::Form),
            (".", HostError::Form),
            ("a..b", HostError::Form),
            (".a", HostError::Form),
            ("a b", HostError::Form),
            ("a@b", HostError::Form),
            ("a/b", HostError::Form),
            ("a%2e", HostError::Form),
            ("-a.example", HostError::Form),
            ("a\r\nb", HostError::Form),
            ("fd00::1", HostError::Form),
            ("[fe80::1%eth0]", HostError::Form),
            ("[127.0.0.1]", HostError::Form),
            ("[::1", HostError::Form),
            (&long, HostError::Form),
            (&longer, HostError::Form),
            ("bücher.example", HostError::NotAscii),
            ("127.1", HostError::Numbers),
            ("2130706433", HostError::Numbers),
            ("0x7f000001", HostError::Numbers),
            ("0x7f.1", HostError::Numbers),
            ("017700000001", HostError::Numbers),
            ("127.0.0.01", HostError::Numbers),
            ("1.2.3.4.", HostError::Numbers),
        ] {
            assert_eq!(Host::parse(text), Err(error), "{text:?}");
        }
    }
}
