//! To whom requests may go: `api.example.com`, `*.example.org:8443`, `http://10.1.2.3:8080`, `*`.
//!
//! Without a port it is 443, and without a scheme only `https`; a port without a scheme stands for both. A pattern below
//! which anybody can get a name (`*.com`, `*.github.io`) allows everybody, and is refused: that is said with `*` alone.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::address::{AddressClass, class_of};
use super::host::{HOST_BYTES_MAX, Host, HostError, name};
use crate::job::text::cut;

/// Longest pattern, bytes: scheme, name and port.
const PATTERN_BYTES_MAX: usize = HOST_BYTES_MAX + 16;

/// How a request travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HttpScheme {
    /// Plain.
    Http,
    /// Over TLS.
    Https,
}

impl HttpScheme {
    /// The word before `://`.
    pub const fn as_str(self) -> &'static str {
        match self {
            HttpScheme::Http => "http",
            HttpScheme::Https => "https",
        }
    }

    /// Where nobody names one.
    pub const fn default_port(self) -> u16 {
        match self {
            HttpScheme::Http => 80,
            HttpScheme::Https => 443,
        }
    }
}

/// Where a request wants to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTarget {
    /// How.
    pub scheme: HttpScheme,
    /// To whom.
    pub host: Host,
    /// Where there.
    pub port: u16,
}

/// As capabilities are named: `http api.example.com:443`.
impl fmt::Display for HttpTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http {}:{}", self.host, self.port)
    }
}

/// One entry of `http`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpGrant(Pattern);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Pattern {
    /// `*`: every host of the public network.
    Everybody,
    Hosts {
        hosts: Hosts,
        /// `None`: both.
        scheme: Option<HttpScheme>,
        port: u16,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Hosts {
    One(Host),
    /// Every name below this one, at any depth; not the name itself.
    Below(Arc<str>),
}

/// Why a pattern is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpGrantError {
    /// Too long to be one.
    #[error("is longer than {PATTERN_BYTES_MAX} bytes")]
    TooLong,
    /// With a path, a name of a user or something else.
    #[error(
        "`{0}` has more than a scheme, a host and a port; write it like `api.example.com`, `*.example.org:8443` or `http://10.1.2.3:8080`"
    )]
    TooMuch(String),
    /// Another scheme.
    #[error("`{0}`: requests go by `http://` or `https://`")]
    Scheme(String),
    /// No port.
    #[error("`{0}`: a port is a number from 1 to 65535")]
    Port(String),
    /// No host.
    #[error("`{0}`: {1}")]
    Host(String, HostError),
    /// A star where it can't stand.
    #[error(
        "`{0}`: a `*` stands for one or more parts at the beginning of a name, like `*.example.org`; for every host write `*` alone"
    )]
    Star(String),
    /// Below which anybody can get a name.
    #[error(
        "`{0}` would allow everybody: anybody can get a name below `{1}`. Name the hosts, or (as an admin) write \"*\" alone"
    )]
    Everybody(String, String),
    /// What nobody has.
    #[error("`{0}` is a {1} address, which no host has")]
    Nobody(String, AddressClass),
    /// Networks can't be granted.
    #[error("`{0}` is a network; name the addresses one by one")]
    Network(String),
}

impl HttpGrant {
    /// Whether it is `*`.
    pub fn is_everybody(&self) -> bool {
        self.0 == Pattern::Everybody
    }

    /// The address it names, and what that is for, where it is none of the public network.
    pub fn inner_address(&self) -> Option<(IpAddr, AddressClass)> {
        let Pattern::Hosts { hosts: Hosts::One(Host::Address(address)), .. } = &self.0 else { return None };
        let class = class_of(*address);
        (class != AddressClass::Public).then_some((*address, class))
    }

    /// Whether it lets such a request go out, as far as the host is known by its name or address. The addresses a name
    /// resolves to are judged one by one: [`HttpGrant::allows_address`].
    pub fn allows(&self, target: &HttpTarget) -> bool {
        let Pattern::Hosts { hosts, scheme, port } = &self.0 else {
            return match &target.host {
                Host::Name(_) => true,
                Host::Address(address) => class_of(*address) == AddressClass::Public,
            };
        };
        let is_meant = match (hosts, &target.host) {
            (Hosts::One(host), asked) => host == asked,
            (Hosts::Below(name), Host::Name(asked)) => is_below(asked, name),
            (Hosts::Below(_), Host::Address(_)) => false,
        };
        is_meant && *port == target.port && scheme.is_none_or(|scheme| scheme == target.scheme)
    }

    /// Whether it names this very address for such a request.
    pub fn allows_address(&self, address: IpAddr, scheme: HttpScheme, port: u16) -> bool {
        let target = HttpTarget { scheme, host: Host::Address(address.to_canonical()), port };
        !self.is_everybody() && self.allows(&target)
    }

    /// Whether nothing that `other` lets out is kept in by this one.
    pub fn covers(&self, other: &HttpGrant) -> bool {
        let Pattern::Hosts { hosts, scheme, port } = &self.0 else { return other.inner_address().is_none() };
        let Pattern::Hosts { hosts: others, scheme: other_scheme, port: other_port } = &other.0 else { return false };
        let holds = match (hosts, others) {
            (Hosts::One(host), Hosts::One(other)) => host == other,
            (Hosts::Below(name), Hosts::One(Host::Name(other))) => is_below(other, name),
            (Hosts::Below(name), Hosts::Below(other)) => name == other || is_below(other, name),
            (Hosts::Below(_), Hosts::One(Host::Address(_))) | (Hosts::One(_), Hosts::Below(_)) => false,
        };
        holds && port == other_port && (scheme.is_none() || scheme == other_scheme)
    }
}

fn is_below(name: &str, above: &str) -> bool {
    name.strip_suffix(above).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

impl FromStr for HttpGrant {
    type Err = HttpGrantError;

    fn from_str(text: &str) -> Result<Self, HttpGrantError> {
        if text == "*" {
            return Ok(Self(Pattern::Everybody));
        }
        if text.len() > PATTERN_BYTES_MAX {
            return Err(HttpGrantError::TooLong);
        }
        let quoted = || cut(text.to_owned(), PATTERN_BYTES_MAX);
        let (scheme, rest) = match text.split_once("://") {
            None => (None, text),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Some(HttpScheme::Https), rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Some(HttpScheme::Http), rest),
            Some(_) => return Err(HttpGrantError::Scheme(quoted())),
        };
        if let Some((before, length)) = rest.split_once('/')
            && before.parse::<std::net::Ipv4Addr>().is_ok()
            && length.parse::<u8>().is_ok()
        {
            return Err(HttpGrantError::Network(quoted()));
        }
        if rest.contains(['/', '?', '#', '@', '\\']) || rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(HttpGrantError::TooMuch(quoted()));
        }
        let (host, port) = split_port(rest).ok_or_else(|| HttpGrantError::Port(quoted()))?;
        let hosts = hosts(host, &quoted)?;
        let (scheme, port) = match (scheme, port) {
            (None, Some(port)) => (None, port),
            (None, None) => (Some(HttpScheme::Https), HttpScheme::Https.default_port()),
            (Some(scheme), port) => (Some(scheme), port.unwrap_or(scheme.default_port())),
        };
        Ok(Self(Pattern::Hosts { hosts, scheme, port }))
    }
}

/// The host, and the port behind its last colon; `None` for a port that is none.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let digits = match (text.rfind(':'), text.rfind(']')) {
        (Some(colon), Some(bracket)) if colon < bracket => None,
        // An IPv6 address without brackets is told as such where the host is read.
        (Some(colon), None) if text[..colon].contains(':') => None,
        (colon, _) => colon,
    };
    let Some(colon) = digits else { return Some((text, None)) };
    let (host, port) = (&text[..colon], &text[colon + 1..]);
    let is_plain = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
    let port: u16 = is_plain.then(|| port.parse().ok())??;
    Some((host, Some(port)))
}

fn hosts(text: &str, quoted: &dyn Fn() -> String) -> Result<Hosts, HttpGrantError> {
    if let Some(below) = text.strip_prefix("*.") {
        let below = name(below).map_err(|error| match error {
            HostError::Form if below.contains('*') => HttpGrantError::Star(quoted()),
            error => HttpGrantError::Host(quoted(), error),
        })?;
        if is_public_suffix(&below) {
            return Err(HttpGrantError::Everybody(quoted(), below.to_string()));
        }
        return Ok(Hosts::Below(below));
    }
    if text.contains('*') {
        return Err(HttpGrantError::Star(quoted()));
    }
    let host = Host::parse(text).map_err(|error| HttpGrantError::Host(quoted(), error))?;
    if let Host::Address(address) = host
        && !class_of(address).is_of_hosts()
    {
        return Err(HttpGrantError::Nobody(quoted(), class_of(address)));
    }
    Ok(Hosts::One(host))
}

/// Whether registries, or a company for everybody's names, give away what is below: by the public suffix list. A name of one
/// part is one, whether the list knows it or not.
fn is_public_suffix(name: &str) -> bool {
    !name.contains('.') || psl::suffix(name.as_bytes()).is_some_and(|suffix| suffix.as_bytes() == name.as_bytes())
}

/// In the shortest form that means the same.
impl fmt::Display for HttpGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pattern::Hosts { hosts, scheme, port } = &self.0 else { return f.write_str("*") };
        let is_default = scheme.is_some_and(|scheme| scheme.default_port() == *port);
        match scheme {
            Some(HttpScheme::Https) if is_default => {}
            Some(scheme) => write!(f, "{}://", scheme.as_str())?,
            None => {}
        }
        match hosts {
            Hosts::One(host) => host.fmt(f)?,
            Hosts::Below(name) => write!(f, "*.{name}")?,
        }
        if is_default { Ok(()) } else { write!(f, ":{port}") }
    }
}

impl Serialize for HttpGrant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HttpGrant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn grant(text: &str) -> HttpGrant {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn target(url: &str) -> HttpTarget {
        let (scheme, rest) = url.split_once("://").unwrap();
        let scheme = if scheme == "http" { HttpScheme::Http } else { HttpScheme::Https };
        let (host, port) = split_port(rest).unwrap();
        HttpTarget { scheme, host: Host::parse(host).unwrap(), port: port.unwrap_or(scheme.default_port()) }
    }

    #[test]
    fn a_grant_lets_out_what_it_says_and_no_more() {
        for (pattern, yes, no) in [
            (
                "api.example.com",
                &["https://api.example.com", "https://API.example.com.:443"][..],
                &[
                    "http://api.example.com",
                    "https://api.example.com:8443",
                    "https://x.api.example.com",
                    "https://example.com",
                ][..],
            ),
            (
                "*.example.org:8443",
                &["https://a.example.org:8443", "http://a.b.example.org:8443"],
                &[
                    "https://example.org:8443",
                    "https://aexample.org:8443",
                    "https://a.example.org",
                    "https://a.example.org.evil.net:8443",
                ],
            ),
            ("http://a.example", &["http://a.example"], &["https://a.example", "http://a.example:8080"]),
            ("https://a.example:444", &["https://a.example:444"], &["http://a.example:444"]),
            (
                "10.1.2.3:8080",
                &["http://10.1.2.3:8080", "https://10.1.2.3:8080"],
                &["http://10.1.2.3", "http://10.1.2.4:8080"],
            ),
            ("[fd00::1]:80", &["http://[fd00:0::1]:80"], &["http://[fd00::2]:80"]),
            (
                "*",
                &["https://a.example", "http://b.example:1", "http://8.8.8.8"],
                &["http://127.0.0.1", "http://[::1]:80", "https://169.254.169.254"],
            ),
        ] {
            let pattern = grant(pattern);
            for url in yes {
                assert!(pattern.allows(&target(url)), "{pattern} keeps {url}");
            }
            for url in no {
                assert!(!pattern.allows(&target(url)), "{pattern} lets {url}");
            }
        }
    }

    #[test]
    fn addresses_are_granted_one_by_one() {
        let inner = "127.0.0.1".parse().unwrap();
        assert!(grant("127.0.0.1:8080").allows_address(inner, HttpScheme::Http, 8080));
        assert!(grant("127.0.0.1:8080").allows_address("::ffff:127.0.0.1".parse().unwrap(), HttpScheme::Http, 8080));
        for other in ["*", "localhost:8080", "127.0.0.1", "127.0.0.2:8080"] {
            assert!(!grant(other).allows_address(inner, HttpScheme::Http, 8080), "{other}");
        }
        assert_eq!(grant("127.0.0.1").inner_address().unwrap().1, AddressClass::Loopback);
        assert_eq!(grant("8.8.8.8").inner_address(), None);
    }

    #[test]
    fn what_would_allow_everybody_is_refused() {
        for everybody in
            ["*.com", "*.co.uk", "*.github.io", "*.s3.amazonaws.com", "*.nosuchtld", "https://*.net:8443", "*.COM."]
        {
            let refused = everybody.parse::<HttpGrant>().unwrap_err();
            assert!(matches!(refused, HttpGrantError::Everybody(..)), "{everybody}: {refused}");
        }
        for fine in ["*.example.com", "*.a.co.uk", "*.me.github.io", "com", "*.internal.example"] {
            assert!(fine.parse::<HttpGrant>().is_ok(), "{fine}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_its_reason() {
        for (text, said) in [
            ("", "name a host"),
            ("**", "for every host write `*` alone"),
            ("*:443", "for every host write `*` alone"),
            ("https://*", "for every host write `*` alone"),
            ("*.*.example.com", "at the beginning"),
            ("a.*.example.com", "at the beginning"),
            ("a*.example.com", "at the beginning"),
            ("ftp://a.example", "`http://` or `https://`"),
            ("https://a.example/path", "more than a scheme"),
            ("user@a.example", "more than a scheme"),
            ("a.example?x", "more than a scheme"),
            ("a b.example", "more than a scheme"),
            ("a.example:0", "1 to 65535"),
            ("a.example:65536", "1 to 65535"),
            ("a.example:", "1 to 65535"),
            ("a.example:+1", "1 to 65535"),
            ("a.example:0443", "1 to 65535"),
            ("fd00::1", "in brackets"),
            ("10.0.0.0/8", "one by one"),
            ("0.0.0.0:80", "no host has"),
            ("[::]", "no host has"),
            ("224.0.0.1", "no host has"),
            ("[ff02::1]:80", "no host has"),
            ("127.1", "four decimal parts"),
            ("bücher.example", "xn--"),
            (&"a".repeat(400), "longer than"),
        ] {
            let refused = text.parse::<HttpGrant>().unwrap_err().to_string();
            assert!(refused.contains(said), "{text}: {refused}");
        }
    }

    #[test]
    fn what_is_shown_means_what_was_written() {
        for (text, shown) in [
            ("*", "*"),
            ("API.example.com.", "api.example.com"),
            ("https://api.example.com:443", "api.example.com"),
            ("http://api.example.com:80", "http://api.example.com"),
            ("http://a.example:8080", "http://a.example:8080"),
            ("a.example:443", "a.example:443"),
            ("*.example.org:8443", "*.example.org:8443"),
            ("[FD00::0001]:80", "[fd00::1]:80"),
            ("10.1.2.3:8080", "10.1.2.3:8080"),
        ] {
            assert_eq!(grant(text).to_string(), shown);
            assert_eq!(grant(shown), grant(text));
        }
    }

    #[test]
    fn what_is_covered_need_not_be_granted_again() {
        for (wide, narrow, covers) in [
            ("a.example", "a.example", true),
            ("a.example:443", "a.example", true),
            ("a.example", "a.example:443", false),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "*.a.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.a.example.com", "*.example.com", false),
            ("*", "*.example.com:8443", true),
            ("*", "8.8.8.8", true),
            ("*", "127.0.0.1:80", false),
            ("a.example", "*", false),
            ("*", "*", true),
        ] {
            assert_eq!(grant(wide).covers(&grant(narrow)), covers, "{wide} {narrow}");
        }
    }
}
