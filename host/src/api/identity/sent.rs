//! Which credential a request brings: a bearer token, on streams also in the query string, or a session's cookie.

use http::header::{AUTHORIZATION, COOKIE};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Uri};
use percent_encoding::percent_decode_str;

/// The cookie of a session.
pub(in crate::api) const SESSION_COOKIE: &str = "stoker_session";
/// What a page of ours sends beside it.
pub(super) const CSRF_HEADER: &str = "x-csrf-token";
/// Where a browser can set no header, so that the token may stand in the query string. Nowhere else it is read.
const STREAMS: [&str; 3] = ["/v1/stream", "/v1/notifications/stream", "/hubs/notifications"];
/// How it is called there.
const ACCESS_TOKEN: &str = "access_token";

/// What a request brings.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Nothing,
    /// A key, or a JSON Web Token.
    Token(Vec<u8>),
    /// A cookie, and whether the request may change something with it alone.
    Session(Vec<u8>),
}

/// A token goes before a cookie: who sends one means it.
pub(super) fn sent(uri: &Uri, headers: &HeaderMap) -> Sent {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    if let Some(value) = values.next() {
        // One that is malformed is no better than one that is wrong; neither are two, of which a proxy may have read the other one.
        let token = bearer(value.as_bytes()).filter(|_| values.next().is_none());
        return Sent::Token(token.unwrap_or_default().to_vec());
    }
    if STREAMS.contains(&uri.path())
        && let Some(token) = in_query(uri)
    {
        return Sent::Token(token);
    }
    cookie(headers).map_or(Sent::Nothing, |cookie| Sent::Session(cookie.to_vec()))
}

/// The token of `Bearer …`.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

fn in_query(uri: &Uri) -> Option<Vec<u8>> {
    let mut parameters = uri.query()?.split('&').filter(|pair| is_token(pair)).filter_map(|pair| pair.split_once('='));
    parameters.next().map(|(_, value)| percent_decode_str(value).collect())
}

fn is_token(pair: &str) -> bool {
    let name = pair.split_once('=').map_or(pair, |(name, _)| name);
    percent_decode_str(name).eq(ACCESS_TOKEN.bytes())
}

/// The same without the token, on whatever path it stands: what is handed on, and may be shown, holds none. Where it is read it is
/// gone; elsewhere its name is left, a parameter nobody knows.
pub(in crate::api) fn without_token(uri: &Uri) -> Option<Uri> {
    let query = uri.query().filter(|query| query.split('&').any(is_token))?;
    let is_stream = STREAMS.contains(&uri.path());
    let pairs = query.split('&').filter(|pair| !is_stream || !is_token(pair));
    let rest: Vec<&str> = pairs.map(|pair| if is_token(pair) { ACCESS_TOKEN } else { pair }).collect();
    let path = if rest.is_empty() { uri.path().to_owned() } else { format!("{}?{}", uri.path(), rest.join("&")) };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.parse().unwrap_or_else(|_| PathAndQuery::from_static("/")));
    Some(Uri::from_parts(parts).unwrap_or_default())
}

/// The session's cookie. Of several the first counts.
pub(in crate::api) fn cookie(headers: &HeaderMap) -> Option<&[u8]> {
    let mut cookies = headers.get_all(COOKIE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    cookies.find_map(|pair| pair.trim_ascii().strip_prefix(SESSION_COOKIE.as_bytes())?.strip_prefix(b"="))
}

/// Whether the method only looks.
pub(super) fn only_looks(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(uri: &str, pairs: &[(&'static str, &str)]) -> Sent {
        let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        sent(&uri.parse().unwrap(), &headers)
    }

    fn token(text: &str) -> Sent {
        Sent::Token(text.as_bytes().to_vec())
    }

    #[test]
    fn credentials_are_found_where_they_may_stand() {
        for (uri, headers, expected) in [
            ("/v1/jobs", &[][..], Sent::Nothing),
            ("/v1/jobs", &[("authorization", "Bearer abc")], token("abc")),
            ("/v1/jobs", &[("authorization", "bearer  abc ")], token("abc")),
            ("/v1/jobs", &[("authorization", "Basic abc")], token("")),
            ("/v1/jobs", &[("authorization", "Bearer")], token("")),
            ("/v1/jobs?access_token=abc", &[], Sent::Nothing),
            ("/v1/stream?access_token=a%62c&x=1", &[], token("abc")),
            ("/v1/stream/?access_token=abc", &[], Sent::Nothing),
            ("/v1/stream?access_tokens=abc", &[], Sent::Nothing),
            ("/v1/stream?access_token", &[], Sent::Nothing),
            ("/v1/notifications/stream?access_token=abc", &[], token("abc")),
            ("/v1/notifications?access_token=abc", &[], Sent::Nothing),
            ("/hubs/notifications/negotiate?access_token=abc", &[], Sent::Nothing),
            ("/hubs/notifications?id=1&access_token=abc", &[], token("abc")),
            ("/v1/stream?access_token=abc", &[("authorization", "Bearer xyz")], token("xyz")),
            ("/v1/jobs", &[("cookie", "a=b; stoker_session=s1; c=d")], Sent::Session(b"s1".to_vec())),
            ("/v1/jobs", &[("cookie", "xstoker_session=s1; stoker_sessions=s2")], Sent::Nothing),
            ("/v1/jobs", &[("cookie", "stoker_session=s1"), ("authorization", "Bearer abc")], token("abc")),
        ] {
            assert_eq!(of(uri, headers), expected, "{uri} {headers:?}");
        }
    }

    #[test]
    fn two_tokens_are_none() {
        let mut headers = HeaderMap::new();
        for value in ["Bearer abc", "Bearer abc"] {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        assert_eq!(sent(&"/v1/jobs".parse().unwrap(), &headers), token(""));
    }

    #[test]
    fn a_token_in_the_query_goes_no_further() {
        for (uri, expected) in [
            ("/v1/stream?access_token=abc", Some("/v1/stream")),
            ("/v1/stream?a=1&access_token=abc&b=2", Some("/v1/stream?a=1&b=2")),
            ("http://localhost/v1/stream?access_token", Some("http://localhost/v1/stream")),
            ("/v1/stream?a=1", None),
            ("/v1/jobs?access_token=abc", Some("/v1/jobs?access_token")),
            ("/v1/jobs?a=1&access%5Ftoken=abc&access_token=def", Some("/v1/jobs?a=1&access_token&access_token")),
            ("/v1/stream?%61ccess_token=abc", Some("/v1/stream")),
            ("/v1/jobs?access_tokens=abc", None),
            ("/health?access_token=%ff%00", Some("/health?access_token")),
        ] {
            let found = without_token(&uri.parse().unwrap()).map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), expected, "{uri}");
        }
    }
}
