//! Pages of other origins that an operator lets in (`hub_origins`): to what is for users, and to nothing else. Browsers ask first
//! (preflight), and read an answer only where it says that they may.

use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};

/// What is for users, with everything below it.
const FOR_USERS: [&str; 2] = ["/hubs/notifications", "/v1/notifications"];
/// But for what makes their tokens.
const TOKENS: &str = "/v1/notifications/tokens";
/// What a page may do.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");
/// What SignalR's client sends, and who reads an inbox.
const HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, last-event-id, x-requested-with, x-signalr-user-agent");
/// How long a browser need not ask again, s.
const MAX_AGE: HeaderValue = HeaderValue::from_static("3600");

/// The origin of the page that calls, where an operator lets it in.
pub(super) fn allowed_origin(allowed: &[String], uri: &Uri, headers: &HeaderMap) -> Option<HeaderValue> {
    if allowed.is_empty() || !is_for_users(uri.path()) {
        return None;
    }
    let mut origins = headers.get_all(ORIGIN).iter();
    let origin = origins.next().filter(|_| origins.next().is_none())?;
    let text = origin.to_str().ok()?;
    allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(text)).then(|| origin.clone())
}

fn is_for_users(path: &str) -> bool {
    let is_below =
        |place: &&str| path.strip_prefix(*place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    path != TOKENS && FOR_USERS.iter().any(is_below)
}

/// Whether a browser asks what a page may do.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to that.
pub(super) fn preflight() -> Response {
    let headers = [
        (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
        (ACCESS_CONTROL_MAX_AGE, MAX_AGE),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Says that the page may read the answer. SignalR's client asks with credentials, though cookies are not looked at.
pub(super) fn let_read(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.append(VARY, HeaderValue::from_static("origin"));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn pages_are_let_in_to_what_is_for_users() {
        let allowed = ["https://app.example".to_owned()];
        let of = |path: &str, origins: &[&str]| {
            let mut headers = HeaderMap::new();
            for origin in origins {
                headers.append(ORIGIN, origin.parse().unwrap());
            }
            allowed_origin(&allowed, &path.parse().unwrap(), &headers).is_some()
        };
        let app = ["https://app.example"];
        for path in [
            "/hubs/notifications",
            "/hubs/notifications/negotiate?negotiateVersion=1",
            "/v1/notifications",
            "/v1/notifications/read-all",
            "/v1/notifications/stream",
        ] {
            assert!(of(path, &app), "{path}");
        }
        for path in ["/v1/notifications/tokens", "/v1/notificationss", "/v1/jobs", "/hubs", "/"] {
            assert!(!of(path, &app), "{path}");
        }
        assert!(of("/hubs/notifications", &["HTTPS://App.Example"]));
        for origins in [&[][..], &["http://app.example"], &["https://app.example:8443"], &["null"], &[app[0], app[0]]] {
            assert!(!of("/hubs/notifications", origins), "{origins:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, app[0].parse().unwrap());
        assert!(allowed_origin(&[], &"/hubs/notifications".parse().unwrap(), &headers).is_none());
    }
}
