//! A request, put together.

use std::time::Duration;

use serde::Serialize;

use super::error::Error;
use super::response::Response;
use super::url::Url;

/// Largest body of a response where nothing else is said, bytes.
const BODY_BYTES_MAX: usize = 4 << 20;

/// A request that is not sent yet.
///
/// ```
/// use std::time::Duration;
/// use stoker_sdk::http;
///
/// let request = http::post("https://api.example.com/mails")
///     .header("idempotency-key", "job_01")
///     .body("hello")
///     .timeout(Duration::from_secs(5));
/// assert_eq!((request.method(), request.body_bytes()), ("POST", &b"hello"[..]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request is sent by `send`"]
pub struct Request {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) timeout: Option<Duration>,
    pub(super) body_bytes_max: usize,
}

/// A `GET`.
///
/// ```
/// # use stoker_sdk::http;
/// assert_eq!(http::get("https://example.com").method(), "GET");
/// ```
pub fn get(url: impl Into<String>) -> Request {
    request("GET", url)
}

/// A `POST`.
///
/// ```
/// # use stoker_sdk::http;
/// assert_eq!(http::post("https://example.com").method(), "POST");
/// ```
pub fn post(url: impl Into<String>) -> Request {
    request("POST", url)
}

/// A request by any method.
///
/// ```
/// # use stoker_sdk::http;
/// assert_eq!(http::request("PATCH", "https://example.com").method(), "PATCH");
/// ```
pub fn request(method: impl Into<String>, url: impl Into<String>) -> Request {
    Request {
        method: method.into(),
        url: url.into(),
        headers: Vec::new(),
        body: Vec::new(),
        timeout: None,
        body_bytes_max: BODY_BYTES_MAX,
    }
}

impl Request {
    /// With one more header. `host`, `content-length`, `transfer-encoding` and what else is about the connection are not a
    /// handler's to set.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With this body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With this as JSON, and the header that says so.
    ///
    /// ```
    /// # use stoker_sdk::http;
    /// let request = http::post("https://example.com").json(&[1, 2])?;
    /// assert_eq!(request.body_bytes(), b"[1,2]");
    /// # Ok::<(), stoker_sdk::http::Error>(())
    /// ```
    pub fn json(self, value: &(impl Serialize + ?Sized)) -> Result<Self, Error> {
        let body = serde_json::to_vec(value).map_err(|error| Error::Invalid(error.to_string()))?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    /// How long each of these may take: to connect, until the answer begins, each pause in it. The host has bounds of its own;
    /// without this, they are all there is.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The largest body of a response that is taken, 4 MiB where nothing is said. It lies in the handler's memory.
    pub fn body_max(mut self, bytes: usize) -> Self {
        self.body_bytes_max = bytes;
        self
    }

    /// `GET`, `POST` …
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Where it goes.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it carries.
    pub fn body_bytes(&self) -> &[u8] {
        &self.body
    }

    /// The first header of this name.
    ///
    /// ```
    /// # use stoker_sdk::http;
    /// assert_eq!(http::get("https://example.com").header("Accept", "x").header_value("accept"), Some("x"));
    /// ```
    pub fn header_value(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Sends it and waits for all of the response.
    pub fn send(self) -> Result<Response, Error> {
        let url = Url::parse(&self.url)?;
        #[cfg(target_family = "wasm")]
        return super::wire::send(&self, &url);
        #[cfg(not(target_family = "wasm"))]
        {
            let authority = url.authority.to_owned();
            crate::testing::answer(self, &authority)
        }
    }
}
