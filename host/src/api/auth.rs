//! From where a request may come: the name the host is called by (DNS rebinding), the page a browser calls from. Who
//! calls is found out in `identity/`.
//!
//! `/health/*` answers anybody. One look at two headers: this runs before every request.

use std::net::IpAddr;

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Uri};

use super::error::{ApiError, ProblemCode};
use crate::config::Config;

/// What answers anybody, always.
pub(super) fn is_health(uri: &Uri) -> bool {
    uri.path().starts_with("/health/")
}

/// The rules, made once from the configuration.
pub(super) struct Guard {
    listen: IpAddr,
    /// Lower case.
    allowed_hosts: Vec<String>,
}

impl Guard {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            listen: config.listen.ip(),
            allowed_hosts: config.allowed_hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
        }
    }

    /// Refuses a request that may not be made.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        if is_health(uri) {
            return Ok(());
        }
        self.check_origin(self.check_host(uri, headers)?, headers)
    }

    /// The same of a page that is let in wherever it comes from; gives how the host is called.
    pub(super) fn check_host<'r>(&self, uri: &'r Uri, headers: &'r HeaderMap) -> Result<&'r str, ApiError> {
        let host = called_host(uri, headers)?;
        if !self.is_ours(host) {
            return Err(ApiError::new(
                ProblemCode::ForeignHost,
                "call this host by a loopback name, by the address it listens on, or by a name in its `allowed_hosts`",
            ));
        }
        Ok(host)
    }

    /// A page may call the host it came from, and nothing else on the same machine: a port of loopback belongs to
    /// whatever program listens on it.
    fn check_origin(&self, host: &str, headers: &HeaderMap) -> Result<(), ApiError> {
        let may_call = |origin: &HeaderValue| {
            // `null` (a sandboxed frame, a file) has no scheme and is foreign like any other.
            let (scheme, authority) = origin.to_str().ok().and_then(|text| text.split_once("://"))?;
            let default_port = match scheme {
                "http" => "80",
                "https" => "443",
                _ => return None,
            };
            let (name, port) = split_port(authority);
            let (called_name, called_port) = split_port(host);
            let is_same = name.eq_ignore_ascii_case(called_name)
                && port.unwrap_or(default_port) == called_port.unwrap_or(default_port);
            (is_same || self.is_allowed(authority)).then_some(())
        };
        if headers.get_all(ORIGIN).iter().all(|origin| may_call(origin).is_some()) {
            return Ok(());
        }
        Err(ApiError::new(
            ProblemCode::ForeignOrigin,
            "web pages of other origins (host and port) may not call this host; add the page's host to `allowed_hosts`",
        ))
    }

    /// `authority` is a host with or without a port.
    fn is_ours(&self, authority: &str) -> bool {
        let (host, _) = split_port(authority);
        if host.eq_ignore_ascii_case("localhost") {
            return true;
        }
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = address.parse::<IpAddr>() {
            // Rebinding needs a name: an address typed as such is the user's own choice where any is listened on.
            return address.is_loopback() || address == self.listen || self.listen.is_unspecified();
        }
        self.is_allowed(authority)
    }

    /// Whether the configuration names it: with this port, or without any.
    fn is_allowed(&self, authority: &str) -> bool {
        let (host, _) = split_port(authority);
        self.allowed_hosts.iter().any(|allowed| {
            let wanted = if split_port(allowed).1.is_none() { host } else { authority };
            wanted.eq_ignore_ascii_case(allowed)
        })
    }
}

/// The one name the request calls this host by. What stands between may have looked at another one.
fn called_host<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Result<&'r str, ApiError> {
    let mut values = headers.get_all(HOST).iter();
    let named = values.next().map(|value| value.to_str().unwrap_or_default());
    // HTTP/2 says it in the URI; HTTP/1 may.
    let target = uri.authority().map(http::uri::Authority::as_str);
    let is_ambiguous =
        values.next().is_some() || named.zip(target).is_some_and(|(named, target)| !named.eq_ignore_ascii_case(target));
    if is_ambiguous {
        return Err(ApiError::new(
            ProblemCode::HostAmbiguous,
            "send one `Host` header, and in the request's first line the same host or none",
        ));
    }
    match named.or(target) {
        Some(host) if !host.is_empty() => Ok(host),
        _ => Err(ApiError::new(ProblemCode::HostMissing, "send a `Host` header")),
    }
}

/// The host, and the port if there is one.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        // An IPv6 address ends with its bracket.
        Some((host, port)) if !port.contains(']') && port.bytes().all(|b| b.is_ascii_digit()) => (host, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn guard(listen: &str, allowed: &[&str]) -> Guard {
        Guard {
            listen: listen.parse().unwrap(),
            allowed_hosts: allowed.iter().map(|host| (*host).to_owned()).collect(),
        }
    }

    fn check(guard: &Guard, headers: &[(http::HeaderName, &str)]) -> Option<ProblemCode> {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        guard.check(&Uri::from_static("/v1/jobs"), &headers).err().map(|error| error.code())
    }

    #[test]
    fn hosts() {
        let plain = guard("127.0.0.1", &["stoker.example", "other.example:8080"]);
        let open = guard("0.0.0.0", &[]);
        let bound = guard("10.0.0.5", &[]);
        for (guard, host, ours) in [
            (&plain, "localhost", true),
            (&plain, "LOCALHOST:7700", true),
            (&plain, "127.0.0.1:7700", true),
            (&plain, "127.0.0.2", true),
            (&plain, "[::1]:7700", true),
            (&plain, "[::1]", true),
            (&plain, "stoker.example", true),
            (&plain, "Stoker.Example:99", true),
            (&plain, "other.example:8080", true),
            (&plain, "other.example:8081", false),
            (&plain, "other.example", false),
            (&plain, "evil.example", false),
            (&plain, "localhost.evil.example", false),
            (&plain, "127.0.0.1.evil.example", false),
            (&plain, "stoker.example.evil", false),
            (&plain, "10.0.0.5", false),
            (&plain, "localhost:7700@evil.example", false),
            (&open, "10.0.0.5:7700", true),
            (&open, "evil.example", false),
            (&bound, "10.0.0.5:7700", true),
            (&bound, "10.0.0.6:7700", false),
        ] {
            let expected = (!ours).then_some(ProblemCode::ForeignHost);
            assert_eq!(check(guard, &[(HOST, host)]), expected, "{host}");
        }
        assert_eq!(check(&plain, &[]), Some(ProblemCode::HostMissing));
        let http2 = Uri::from_static("http://localhost:7700/v1/jobs");
        assert!(plain.check(&http2, &HeaderMap::new()).is_ok());
    }

    #[test]
    fn origins() {
        let guard = guard("127.0.0.1", &["stoker.example", "ui.example:8443"]);
        for (host, origin, ours) in [
            ("localhost:7700", "http://localhost:7700", true),
            ("localhost:7700", "http://LOCALHOST:7700", true),
            ("[::1]:7700", "http://[::1]:7700", true),
            ("localhost", "http://localhost", true),
            ("localhost", "https://localhost", true),
            ("localhost", "http://localhost:80", true),
            ("localhost:443", "https://localhost", true),
            ("localhost:7700", "https://stoker.example", true),
            ("localhost:7700", "https://stoker.example:8443", true),
            ("localhost:7700", "https://ui.example:8443", true),
            // Another program's page on the same machine.
            ("localhost:7700", "http://localhost:3000", false),
            ("localhost:7700", "http://localhost", false),
            ("localhost", "http://localhost:443", false),
            ("localhost:7700", "http://127.0.0.1:7700", false),
            ("localhost:7700", "ftp://localhost:7700", false),
            ("localhost:7700", "localhost:7700", false),
            ("localhost:7700", "http://localhost:7700/", false),
            ("localhost:7700", "http://evil.example", false),
            ("localhost:7700", "https://ui.example", false),
            ("localhost:7700", "null", false),
            ("localhost:7700", "", false),
            ("localhost:7700", "http://localhost.evil.example:7700", false),
        ] {
            let expected = (!ours).then_some(ProblemCode::ForeignOrigin);
            assert_eq!(check(&guard, &[(HOST, host), (ORIGIN, origin)]), expected, "{origin} to {host}");
        }
        let mut two = HeaderMap::new();
        two.append(HOST, "localhost".parse().unwrap());
        two.append(ORIGIN, "http://localhost".parse().unwrap());
        two.append(ORIGIN, "http://evil.example".parse().unwrap());
        let refused = guard.check(&Uri::from_static("/v1/jobs"), &two).unwrap_err();
        assert_eq!(refused.code(), ProblemCode::ForeignOrigin);
    }

    #[test]
    fn a_request_names_one_host() {
        let guard = guard("127.0.0.1", &[]);
        for (target, hosts, code) in [
            ("http://localhost:7700/v1/jobs", &["localhost:7700"][..], None),
            ("http://LocalHost:7700/v1/jobs", &["localhost:7700"], None),
            ("http://evil.example/v1/jobs", &["localhost:7700"], Some(ProblemCode::HostAmbiguous)),
            ("http://localhost:7700/v1/jobs", &["evil.example"], Some(ProblemCode::HostAmbiguous)),
            ("http://evil.example/v1/jobs", &["evil.example"], Some(ProblemCode::ForeignHost)),
            ("http://evil.example/v1/jobs", &[], Some(ProblemCode::ForeignHost)),
            ("/v1/jobs", &["localhost", "localhost"], Some(ProblemCode::HostAmbiguous)),
            ("/v1/jobs", &["localhost", "evil.example"], Some(ProblemCode::HostAmbiguous)),
            ("/v1/jobs", &[""], Some(ProblemCode::HostMissing)),
        ] {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, host.parse().unwrap());
            }
            let found = guard.check(&target.parse().unwrap(), &headers).err().map(|error| error.code());
            assert_eq!(found, code, "{target} {hosts:?}");
        }
    }
}
