//! What can be the address of a host, and what is wrong with what can't. Looks at the text alone.

use http::Uri;

use super::client::URL_DEFAULT;
use crate::job::cut;

/// As much of one is shown, bytes.
const SHOWN_BYTES_MAX: usize = 256;

/// The host in an address, or what is wrong with that.
pub(super) fn host_of(url: &str) -> Result<String, String> {
    if url.matches("://").count() > 1
        && url.split_once("://").is_some_and(|(scheme, rest)| scheme.starts_with("http") && rest.starts_with("http"))
    {
        return Err(format!("it has a scheme twice; leave out one of them, and write e.g. {URL_DEFAULT}"));
    }
    let uri: Uri = url.parse().map_err(|error: http::uri::InvalidUri| format!("{error}; write e.g. {URL_DEFAULT}"))?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        _ => return Err(format!("write e.g. {URL_DEFAULT}")),
    }
    let authority = uri.authority().map_or("", http::uri::Authority::as_str);
    if authority.contains('@') {
        let advice = "leave that out: a host asks for a key, which is given with --key or STOKER_KEY";
        return Err(format!("it has a user name before the `@`; {advice}"));
    }
    // The parser drops a fragment.
    let rest = url.split_once("://").and_then(|(_, rest)| rest.find(['/', '?', '#']).and_then(|at| rest.get(at..)));
    if let Some(rest) = rest {
        let address = url.strip_suffix(rest).unwrap_or(URL_DEFAULT);
        let advice = format!("leave out `{rest}`, and write e.g. {address}");
        return Err(format!("an address has no path, query or fragment; {advice}"));
    }
    let host = uri.host().ok_or("it names no host")?;
    if authority != host && uri.port_u16().is_none() {
        return Err(format!("its port must be a number up to 65535; write e.g. {URL_DEFAULT}"));
    }
    Ok(host.to_owned())
}

/// An address as it may be shown: without a password that stands in it.
pub(super) fn shown(url: &str) -> String {
    let begin = url.find("://").map_or(0, |at| at + "://".len());
    let shown = match url.rfind('@') {
        Some(end) if begin < end => {
            format!("{}…{}", url.get(..begin).unwrap_or_default(), url.get(end..).unwrap_or_default())
        }
        _ => url.to_owned(),
    };
    cut(shown, SHOWN_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_with_what_to_write() {
        for (url, said) in [
            ("127.0.0.1:7700", "write e.g. http://127.0.0.1:7700"),
            ("ftp://x", "write e.g. http://127.0.0.1:7700"),
            ("", "write e.g. http://127.0.0.1:7700"),
            ("http://", "write e.g. http://127.0.0.1:7700"),
            ("not a url", "write e.g. http://127.0.0.1:7700"),
            ("https://jobs.example/v1", "leave out `/v1`, and write e.g. https://jobs.example"),
            ("http://127.0.0.1:1/v1", "leave out `/v1`, and write e.g. http://127.0.0.1:1"),
            ("http://127.0.0.1:1/v1?a=b#c", "leave out `/v1?a=b#c`, and write e.g. http://127.0.0.1:1"),
            ("http://127.0.0.1:1?a=b", "leave out `?a=b`, and write e.g. http://127.0.0.1:1"),
            ("http://127.0.0.1:1#top", "leave out `#top`, and write e.g. http://127.0.0.1:1"),
            ("http://h:1?next=http://x", "leave out `?next=http://x`"),
            ("http://http://127.0.0.1:1", "scheme twice"),
            ("http://https://127.0.0.1:1", "scheme twice"),
            ("http://127.0.0.1:99999", "up to 65535"),
            ("http://127.0.0.1:", "up to 65535"),
            ("http://ada:secret@127.0.0.1:1", "a host asks for a key"),
        ] {
            match host_of(url) {
                Err(message) => assert!(message.contains(said) && !message.contains("secret"), "{url}: {message}"),
                Ok(host) => panic!("{url} is taken for {host}"),
            }
        }
        assert_eq!(shown("http://ada:secret@h:1"), "http://…@h:1");
        assert_eq!(shown("ada:secret@h:1"), "…@h:1");
        assert_eq!(shown("http://h:1"), "http://h:1");
        assert!(shown(&"x".repeat(70_000)).len() <= SHOWN_BYTES_MAX);
    }

    #[test]
    fn addresses_name_a_host() {
        for (url, host) in [
            ("http://127.0.0.1:7700", "127.0.0.1"),
            ("http://jobs.example", "jobs.example"),
            ("https://jobs.example", "jobs.example"),
            ("http://[::1]:7", "[::1]"),
        ] {
            assert_eq!(host_of(url).as_deref(), Ok(host));
        }
    }
}
