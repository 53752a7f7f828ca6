//! Makes requests one after the other. What comes of each is its output; with `must`, the first that fails fails the job.
//! Asks for two hosts.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stoker_sdk::http::{self, Error};
use stoker_sdk::{Context, Failure, handler};

/// Redirects followed by hand.
const REDIRECTS_MAX: usize = 5;

#[derive(Deserialize, JsonSchema)]
pub struct Requests {
    #[serde(default)]
    requests: Vec<Wanted>,
    /// The first that gets no response fails the job.
    #[serde(default)]
    must: bool,
}

#[derive(Deserialize, JsonSchema)]
pub struct Wanted {
    #[serde(default)]
    method: Option<String>,
    url: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// A body of so many `x`.
    #[serde(default)]
    body_bytes: usize,
    #[serde(default)]
    timeout_ms: Option<u64>,
    #[serde(default)]
    body_max: Option<usize>,
    /// Follows redirects by itself.
    #[serde(default)]
    follow: bool,
    /// Makes the request so often; the last answer is told.
    #[serde(default)]
    times: Option<usize>,
}

#[derive(Serialize, JsonSchema)]
pub struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    /// `denied`, `invalid`, `timeout`, `too_large`, `incomplete`, `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// Longest body that is told.
const BODY_TOLD_MAX: usize = 4_096;

#[handler(kind = "http", grants(http = ["api.example.com", "*.example.org:8443"]))]
pub fn requests(_context: &Context, input: Requests) -> Result<Vec<Answer>, Failure> {
    let mut answers = Vec::new();
    for wanted in &input.requests {
        let mut sent = send(wanted);
        for _ in 1..wanted.times.unwrap_or(1) {
            sent = send(wanted);
        }
        if input.must {
            sent = Ok(sent?);
        }
        answers.push(told(sent));
    }
    Ok(answers)
}

fn send(wanted: &Wanted) -> Result<http::Response, Error> {
    let mut url = wanted.url.clone();
    let mut redirects = 0;
    loop {
        let mut request = http::request(wanted.method.clone().unwrap_or_else(|| "GET".into()), url.clone());
        for (name, value) in &wanted.headers {
            request = request.header(name, value);
        }
        if wanted.body_bytes > 0 {
            request = request.body(vec![b'x'; wanted.body_bytes]);
        }
        if let Some(timeout_ms) = wanted.timeout_ms {
            request = request.timeout(Duration::from_millis(timeout_ms));
        }
        if let Some(bytes) = wanted.body_max {
            request = request.body_max(bytes);
        }
        let response = request.send()?;
        match response.header("location") {
            Some(location) if wanted.follow && redirects < REDIRECTS_MAX => {
                url = location.into();
                redirects += 1;
            }
            _ => return Ok(response),
        }
    }
}

fn told(sent: Result<http::Response, Error>) -> Answer {
    let none = Answer { status: None, body: None, body_bytes: None, location: None, error: None, message: None };
    match sent {
        Ok(response) => Answer {
            status: Some(response.status()),
            location: response.header("location").map(Into::into),
            body_bytes: Some(response.body().len()),
            body: response.text().ok().filter(|text| text.len() <= BODY_TOLD_MAX).map(Into::into),
            ..none
        },
        Err(error) => Answer {
            error: Some(match &error {
                Error::Denied(_) => "denied",
                Error::Invalid(_) => "invalid",
                Error::Timeout(_) => "timeout",
                Error::TooLarge(_) => "too_large",
                Error::Incomplete(_) => "incomplete",
                _ => "failed",
            }),
            message: Some(error.to_string()),
            ..none
        },
    }
}
