//! A response, read to its end.

use serde::de::DeserializeOwned;

use super::error::Error;

/// What a server answered.
///
/// ```
/// # use stoker_sdk::http::Response;
/// let response = Response::new(200).with_header("ETag", "7").with_body("[1, 2]");
/// assert_eq!(response.header("etag"), Some("7"));
/// assert_eq!(response.json::<Vec<u32>>()?, [1, 2]);
/// # Ok::<(), stoker_sdk::http::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Response {
    /// An empty one: for tests.
    pub fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// With one more header: for tests.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With this body: for tests.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    #[cfg(target_family = "wasm")]
    pub(super) fn read(status: u16, headers: Vec<(String, Vec<u8>)>, body: Vec<u8>) -> Self {
        Self { status, headers, body }
    }

    /// 200, 404 …
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The first header of this name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// All of them, as they came.
    pub fn headers(&self) -> &[(String, Vec<u8>)] {
        &self.headers
    }

    /// What it carries.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// What it carries, taken.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// Itself, if its status is 200 to 299.
    ///
    /// ```
    /// # use stoker_sdk::http::Response;
    /// assert!(Response::new(204).success().is_ok());
    /// assert_eq!(Response::new(503).success().unwrap_err().to_string(), "the server answered 503");
    /// ```
    pub fn success(self) -> Result<Self, Error> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        Err(Error::Failed(crate::text::joined(&["the server answered ", &crate::text::printed(&self.status)])))
    }

    /// The body as text.
    pub fn text(&self) -> Result<&str, Error> {
        std::str::from_utf8(&self.body).map_err(|_| Error::Failed("the body is not UTF-8".into()))
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let read = serde_json::from_slice(&self.body);
        read.map_err(|error| Error::Failed(crate::text::joined(&["the body: ", &crate::text::printed(&error)])))
    }
}
