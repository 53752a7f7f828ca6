//! What is sent: a guest's request, checked, with the head that the host itself answers for. hyper writes it, and says how
//! long the body is; nothing a guest sets can say otherwise.

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderValue, TE, TRAILER};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, Method, Request, Uri};
use wasmtime_wasi_http::{DEFAULT_FORBIDDEN_HEADERS, Error};

use crate::job::grants::Host;
use crate::job::{HttpScheme, HttpTarget};

/// Longest path with its query, bytes.
const PATH_BYTES_MAX: usize = 16 << 10;

/// What speaks to the next hop, or about how a message is framed, is the host's to say.
pub(in crate::sandbox) fn is_hosts(name: &HeaderName) -> bool {
    DEFAULT_FORBIDDEN_HEADERS.contains(name) || [TE, TRAILER, EXPECT].contains(name)
}

/// Where a request wants to go, in the one form that grants are compared with.
pub(in crate::sandbox) fn target_of(uri: &Uri) -> Result<HttpTarget, Error> {
    let scheme = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => HttpScheme::Http,
        Some(scheme) if *scheme == Scheme::HTTPS => HttpScheme::Https,
        _ => return Err(Error::HttpProtocolError),
    };
    let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
    if authority.as_str().contains('@') {
        return Err(Error::HttpRequestUriInvalid);
    }
    let host = Host::parse(authority.host()).map_err(|_error| Error::HttpRequestUriInvalid)?;
    let rest = authority.as_str().strip_prefix(authority.host()).ok_or(Error::HttpRequestUriInvalid)?;
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => scheme.default_port(),
        Some(_) => authority.port_u16().filter(|port| *port > 0).ok_or(Error::HttpRequestUriInvalid)?,
        None => return Err(Error::HttpRequestUriInvalid),
    };
    Ok(HttpTarget { scheme, host, port })
}

/// The request with the host's own head.
pub(super) fn prepared<B>(request: Request<B>, target: &HttpTarget, body_bytes_max: u64) -> Result<Request<B>, Error> {
    let (mut parts, body) = request.into_parts();
    // It would make a tunnel of the connection.
    if parts.method == Method::CONNECT {
        return Err(Error::HttpRequestMethodInvalid);
    }
    let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    if path.as_str().len() > PATH_BYTES_MAX {
        return Err(Error::HttpRequestUriTooLong);
    }
    if !path.as_str().starts_with('/') {
        return Err(Error::HttpRequestUriInvalid);
    }
    let forbidden: Vec<HeaderName> = parts.headers.keys().filter(|name| is_hosts(name)).cloned().collect();
    for name in forbidden {
        parts.headers.remove(name);
    }
    if declared_bytes(&parts.headers)?.is_some_and(|bytes| bytes > body_bytes_max) {
        return Err(Error::HttpRequestBodySize(Some(body_bytes_max)));
    }
    let is_default = target.scheme.default_port() == target.port;
    let authority = if is_default { target.host.to_string() } else { format!("{}:{}", target.host, target.port) };
    parts.headers.insert(HOST, HeaderValue::try_from(authority).map_err(|_error| Error::HttpRequestUriInvalid)?);
    parts.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    parts.uri = Uri::from(path);
    parts.version = http::Version::HTTP_11;
    Ok(Request::from_parts(parts, body))
}

/// How long a body says it is; one that says so twice, or in another form, says nothing that can be trusted.
pub(super) fn declared_bytes(headers: &HeaderMap) -> Result<Option<u64>, Error> {
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().map_err(|_error| Error::HttpProtocolError)?;
    if values.next().is_some() || text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::HttpProtocolError);
    }
    text.parse().map(Some).map_err(|_error| Error::HttpProtocolError)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(uri: &str) -> Result<String, Error> {
        target_of(&uri.parse().expect("a URI")).map(|target| format!("{}://{target}", target.scheme.as_str()))
    }

    #[test]
    fn a_target_has_one_form() {
        for (uri, expected) in [
            ("https://API.example.com./x?y", "https://http api.example.com:443"),
            ("http://a.example:8080", "http://http a.example:8080"),
            ("http://[::1]/", "http://http [::1]:80"),
            ("http://[::ffff:127.0.0.1]:81/", "http://http 127.0.0.1:81"),
            ("http://10.0.0.1", "http://http 10.0.0.1:80"),
        ] {
            assert_eq!(target(uri).ok().as_deref(), Some(expected), "{uri}");
        }
        for uri in [
            "http://user@a.example/",
            "http://a.example@127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://127.1/",
            "http://a.example:0/",
            "ftp://a.example/",
            "/relative",
        ] {
            assert!(target(uri).is_err(), "{uri}");
        }
    }

    fn sent(request: http::request::Builder) -> Result<Request<()>, Error> {
        let request = request.body(()).expect("a request");
        let target = target_of(request.uri())?;
        prepared(request, &target, 10)
    }

    #[test]
    fn the_head_is_the_hosts() {
        let request = Request::builder()
            .uri("http://a.example:8080/p?q")
            .header("host", "b.example")
            .header("transfer-encoding", "chunked")
            .header("connection", "keep-alive")
            .header("proxy-authorization", "x")
            .header("te", "trailers")
            .header("upgrade", "websocket")
            .header("content-length", "10")
            .header("x-mine", "kept");
        let sent = sent(request).expect("sound");
        let mut names: Vec<&str> = sent.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["connection", "content-length", "host", "x-mine"]);
        assert_eq!(sent.headers()["host"], "a.example:8080");
        assert_eq!(sent.headers()["connection"], "close");
        assert_eq!(sent.uri().to_string(), "/p?q");
    }

    #[test]
    fn what_would_be_read_in_two_ways_is_refused() {
        let request = |uri: &str| Request::builder().uri(uri.to_owned());
        let to = || request("http://a.example/");
        assert!(matches!(sent(to().method("CONNECT")), Err(Error::HttpRequestMethodInvalid)));
        for lengths in [&["1", "2"][..], &["1", "1"], &["+1"], &["1, 1"], &[""], &["0x1"], &["99999999999999999999"]] {
            let request = lengths.iter().fold(to(), |request, length| request.header("content-length", *length));
            assert!(sent(request).is_err(), "{lengths:?}");
        }
        assert!(matches!(sent(to().header("content-length", "11")), Err(Error::HttpRequestBodySize(Some(10)))));
        let long = format!("http://a.example/{}", "x".repeat(PATH_BYTES_MAX));
        assert!(matches!(sent(request(&long)), Err(Error::HttpRequestUriTooLong)));
        for split in ["a\r\nb", "a\nb", "a\0b"] {
            assert!(HeaderValue::from_str(split).is_err(), "{split:?}");
        }
    }
}
