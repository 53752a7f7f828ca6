//! A URL in the parts a request has. What a host name may be is the host's to say.

use super::error::Error;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url<'a> {
    pub(super) is_https: bool,
    pub(super) authority: &'a str,
    /// Path and query; a fragment stays here.
    pub(super) path: &'a str,
}

impl<'a> Url<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Error> {
        let refuse = || Error::Invalid("a URL begins with https:// or http:// and names a host".into());
        let (is_https, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            _ => return Err(refuse()),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.is_empty() {
            return Err(refuse());
        }
        Ok(Self { is_https, authority, path: if path.is_empty() { "/" } else { path } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let parts = |text| Url::parse(text).map(|url| (url.is_https, url.authority, url.path));
        assert_eq!(parts("https://a.example/p?q#f"), Ok((true, "a.example", "/p?q")));
        assert_eq!(parts("HTTP://a.example:81"), Ok((false, "a.example:81", "/")));
        assert_eq!(parts("http://a.example?q=/"), Ok((false, "a.example", "?q=/")));
        for wrong in ["", "a.example", "ftp://a.example", "https://", "https:///x", "/p"] {
            assert!(matches!(parts(wrong), Err(Error::Invalid(_))), "{wrong}");
        }
    }
}
