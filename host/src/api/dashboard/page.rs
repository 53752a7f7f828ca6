//! The frame of every page: one document with its style inside, which loads nothing and runs nothing.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("style.css");
/// A firebox with what burns in it.
const MARK: &str = "<svg viewBox='0 0 28 28' aria-hidden=true><rect class=plate width=28 height=28 rx=6 />\
    <path class=flame d='M14 5c1 4 6 6 6 11a6 6 0 0 1-12 0c0-3 2-4 2.5-6.5 1.5 1 2 2 2.2 3.3C14 11 14.6 8 14 5z'/></svg>";

/// Forms go to this host only, this one style is read, and nothing else comes from anywhere.
static POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).ok()
});

/// Said wherever a host asks for no key.
pub(super) const OPEN: &str = "<p class=\"notice warning\">This host has no keys: everybody who reaches it from this machine may do everything. Make the \
     first one with <code>stoker keys create NAME --role admin</code>.</p>";

/// How much there is on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    /// One thing to do.
    Narrow,
    /// More.
    Wide,
}

/// `body` and what stands `beside` the name are HTML.
pub(super) fn page(status: StatusCode, title: &str, width: Width, beside: &str, body: &str) -> Response {
    let class = if width == Width::Narrow { "narrow" } else { "wide" };
    let text = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width,initial-scale=1'>\
         <title>{title}</title><style>{STYLE}</style><main class={class}><header>{MARK}<span>Stoker</span>{beside}</header>\
         {body}</main>",
        title = escape(title)
    );
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Without it the page would still run nothing; but it always is one.
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone().unwrap_or(HeaderValue::from_static("default-src 'none'")));
    (status, headers, text).into_response()
}

/// Text as HTML shows it, in elements and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_is_taken_for_html() {
        assert_eq!(escape("<b a='1'>&\"</b>"), "&lt;b a=&#39;1&#39;&gt;&amp;&quot;&lt;/b&gt;");
    }

    #[tokio::test]
    async fn the_policy_lets_in_the_style_that_is_there_and_no_other() {
        let response = page(StatusCode::OK, "<t>", Width::Narrow, "", "");
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        assert!(!policy.contains("unsafe"), "{policy}");
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let text = std::str::from_utf8(&body).unwrap();
        let style = text.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        assert!(policy.contains(&STANDARD.encode(Sha256::digest(style))), "{policy}");
        assert!(text.contains("<title>&lt;t&gt;</title>") && !text.contains("style="), "{text}");
    }
}
