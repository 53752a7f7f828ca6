//! A blocking HTTP client whose replies fail a test with everything that was said.

use std::time::Duration;

use serde_json::Value;
use ureq::http::{HeaderMap, Method, Request};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Longer than any `Prefer: wait` and any compile.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(5);
/// Longest body a test reads (a module comes back as it was sent).
const BODY_BYTES_MAX: u64 = 256 << 20;

/// A client of one host. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Api {
    agent: ureq::Agent,
    url: String,
    key: Option<String>,
    tenant: Option<String>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Of HTTP.
    pub status: u16,
    /// Of HTTP.
    pub headers: HeaderMap,
    /// As sent.
    pub body: Vec<u8>,
    /// Method and path asked, for messages.
    asked: String,
}

/// Those of tests, and no others.
fn root_certificates() -> RootCerts {
    let certificate = Certificate::from_pem(include_bytes!("../certificates/ca.pem")).expect("a certificate");
    RootCerts::new_with_certs(&[certificate])
}

impl Api {
    /// A client of the host at `url`; `key` is sent as a bearer token.
    pub fn new(url: &str, key: Option<String>) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections(256)
            .max_idle_connections_per_host(256)
            .timeout_global(Some(REQUEST_TIMEOUT))
            .allow_non_standard_methods(true)
            .proxy(None)
            .tls_config(TlsConfig::builder().root_certs(root_certificates()).build())
            .build();
        Self { agent: config.new_agent(), url: url.to_owned(), key, tenant: None }
    }

    /// Where the host listens, e.g. `http://127.0.0.1:40123`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `127.0.0.1:40123`
    pub fn authority(&self) -> &str {
        self.url.trim_start_matches("http://").trim_start_matches("https://")
    }

    /// The same host, asked with another key or none.
    #[must_use]
    pub fn with_key(&self, key: Option<&str>) -> Self {
        Self { key: key.map(str::to_owned), ..self.clone() }
    }

    /// The same host, asked inside this tenant.
    #[must_use]
    pub fn in_tenant(&self, name: &str) -> Self {
        Self { tenant: Some(name.to_owned()), ..self.clone() }
    }

    /// Any request; `Err` when the host can't be reached or dies meanwhile.
    pub fn try_request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Reply, ureq::Error> {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).expect("a method"))
            .uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(tenant) = &self.tenant {
            request = request.header("stoker-tenant", tenant);
        }
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let response = match body {
            Some(body) => self.agent.run(request.body(body).expect("a request")),
            None => self.agent.run(request.body(()).expect("a request")),
        };
        let (parts, mut body) = response?.into_parts();
        let body = body.with_config().limit(BODY_BYTES_MAX).read_to_vec()?;
        Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body, asked: format!("{method} {path}") })
    }

    /// A `GET` that must be answered with 200, whose body is read as it comes.
    #[track_caller]
    pub fn open_stream(&self, path: &str, headers: &[(&str, &str)]) -> impl std::io::Read + Send + 'static {
        let mut request = Request::builder().uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let response = self.agent.run(request.body(()).expect("a request"));
        let response = response.unwrap_or_else(|error| panic!("GET {path}: {error}"));
        assert_eq!(response.status().as_u16(), 200, "GET {path}");
        response.into_body().into_reader()
    }

    /// Any request.
    #[track_caller]
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Reply {
        match self.try_request(method, path, headers, body) {
            Ok(reply) => reply,
            Err(error) => panic!("{method} {path}: {error}"),
        }
    }

    /// `GET`
    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        self.request("GET", path, &[], None)
    }

    /// `DELETE`
    #[track_caller]
    pub fn delete(&self, path: &str) -> Reply {
        self.request("DELETE", path, &[], None)
    }

    /// `POST` of JSON.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_with(path, &[], body)
    }

    /// `POST` of JSON with further headers.
    #[track_caller]
    pub fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        self.post_text(path, headers, &body.to_string())
    }

    /// `POST` of text that calls itself JSON.
    #[track_caller]
    pub fn post_text(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.request("POST", path, &all, Some(body.as_bytes()))
    }

    /// `POST` without a body: an action.
    #[track_caller]
    pub fn act(&self, path: &str) -> Reply {
        self.request("POST", path, &[], Some(b""))
    }

    /// `PATCH` of JSON, a merge patch.
    #[track_caller]
    pub fn merge_patch(&self, path: &str, body: &Value) -> Reply {
        let headers = [("content-type", "application/merge-patch+json")];
        self.request("PATCH", path, &headers, Some(body.to_string().as_bytes()))
    }

    /// `PUT` of JSON.
    #[track_caller]
    pub fn put(&self, path: &str, body: &Value) -> Reply {
        self.request("PUT", path, &[("content-type", "application/json")], Some(body.to_string().as_bytes()))
    }
}

impl Reply {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("{self} is not JSON: {error}"),
        }
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The status must be this one; gives the reply back.
    #[track_caller]
    #[allow(clippy::return_self_not_must_use)] // The check is the point.
    pub fn expect_status(self, status: u16) -> Self {
        assert!(self.status == status, "wanted {status}, got {self}");
        self
    }

    /// The status must be this one; gives the body as JSON.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        self.expect_status(status).json()
    }

    /// Must be an RFC 9457 problem document with this status; gives it.
    #[track_caller]
    pub fn expect_problem(self, status: u16) -> Value {
        assert!(self.status == status, "wanted a problem with {status}, got {self}");
        let content_type = self.header("content-type").unwrap_or_default().to_owned();
        assert!(content_type.starts_with("application/problem+json"), "content type `{content_type}` of {self}");
        let problem = self.json();
        for field in ["title", "code", "detail"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "no `{field}` in {self}");
        }
        assert_eq!(problem["status"], status, "{self}");
        problem
    }

    /// Must be a problem document whose text (code, detail and errors) says all of this.
    #[track_caller]
    pub fn expect_problem_saying(self, status: u16, words: &[&str]) -> Value {
        let problem = self.expect_problem(status);
        let text = problem.to_string().to_lowercase();
        for word in words {
            assert!(text.contains(&word.to_lowercase()), "the problem does not say `{word}`: {problem:#}");
        }
        problem
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Longest piece of a body shown in a message.
const SHOWN_BYTES_MAX: usize = 2_000;

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &self.body[..self.body.len().min(SHOWN_BYTES_MAX)];
        write!(f, "{} → {}: {}", self.asked, self.status, String::from_utf8_lossy(shown))
    }
}
