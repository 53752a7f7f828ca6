//! `GET /docs`: the list of endpoints and refusals as one page, written here from the same document as
//! `/openapi.json`. No scripts, nothing loaded from anywhere.

use std::fmt::Write as _;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use serde_json::Value;

use super::error::ProblemCode;
use super::shared::Shared;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}\
code,.m{font-family:ui-monospace,monospace}.m{display:inline-block;width:4.5rem;font-weight:600}\
li{margin:.4rem 0;list-style:none}ul{padding:0}p{margin:.2rem 0 .2rem 4.8rem;opacity:.8}td{padding:.2rem .8rem .2rem 0;vertical-align:top}";

/// The order of the sections.
const TAGS: [&str; 6] = ["jobs", "modules", "kinds", "queues", "schedules", "operations"];

/// Documentation
#[utoipa::path(get, path = "/docs", tag = "operations", responses((status = 200, body = String, content_type = "text/html", description = "A page for people")))]
pub(super) async fn docs(State(api): Shared) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ];
    (headers, page(api.document.base())).into_response()
}

/// Where to go
#[utoipa::path(get, path = "/", tag = "operations", responses((status = 200, body = String, description = "Points to /docs")))]
pub(super) async fn index() -> Response {
    let text = concat!("Stoker ", env!("CARGO_PKG_VERSION"), "\n\nDocumentation: /docs\nOpenAPI: /openapi.json\n");
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

fn page(document: &Value) -> String {
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\
         <title>Stoker API</title><style>{STYLE}</style><h1>Stoker API</h1>\
         <p style='margin-left:0'>JSON over HTTP; generated clients can be made from <a href=/openapi.json>/openapi.json</a>, \
         which also holds the schema of every registered kind. Times are RFC 3339 UTC, durations \
         <code>\"30s\"</code>, <code>\"1h30m\"</code> or integer milliseconds. Refusals are problem documents with a stable <code>code</code>.</p>"
    );
    let no_paths = serde_json::Map::new();
    let paths = document["paths"].as_object().unwrap_or(&no_paths);
    for tag in TAGS {
        // Writing to a string cannot fail.
        let _never = write!(page, "<h2>{tag}</h2><ul>");
        for (path, methods) in paths {
            for (method, operation) in methods.as_object().into_iter().flatten() {
                if operation["tags"].as_array().is_some_and(|tags| tags.iter().any(|given| given == tag)) {
                    let _never = write!(
                        page,
                        "<li><span class=m>{}</span><code>{}</code> {}<p>{}</p>",
                        escape(&method.to_uppercase()),
                        escape(path),
                        escape(operation["summary"].as_str().unwrap_or_default()),
                        escape(operation["description"].as_str().unwrap_or_default()),
                    );
                }
            }
        }
        page.push_str("</ul>");
    }
    page.push_str("<h2>refusals</h2><table>");
    for code in ProblemCode::ALL {
        let (word, status, title) = (code.as_str(), code.status(), escape(code.title()));
        let _never = write!(page, "<tr id={word}><td>{status}<td><code>{word}</code><td>{title}");
    }
    page.push_str("</table></html>\n");
    page
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_has_entries_and_text_is_escaped() {
        let generated = super::super::router::routes().into_parts().1;
        let document = super::super::openapi::Document::new(generated);
        let page = page(document.base());
        for tag in TAGS {
            assert!(page.contains(&format!("<h2>{tag}</h2><ul><li>")), "{tag}");
        }
        assert!(page.contains("id=malformed_json"));
        assert_eq!(escape("<a & \"b\">"), "&lt;a &amp; &quot;b&quot;&gt;");
    }
}
