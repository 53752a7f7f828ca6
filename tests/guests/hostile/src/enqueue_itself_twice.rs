//! Enqueues itself twice, through the API of its own host, with a key that it was given: a bomb.

use serde_json::{Value, json};
use stoker_sdk::{Context, Failure, handler, http, secrets};

use crate::To;

/// What came of both: the status, or the quota that was in the way.
#[handler(kind = "enqueue-itself-twice")]
pub fn enqueue_itself_twice(_context: &Context, input: To) -> Result<[String; 2], Failure> {
    let key = secrets::get("producer-key")?;
    let itself = json!({"kind": "enqueue-itself-twice", "payload": {"to": input.to}});
    let enqueue = || -> Result<String, Failure> {
        let request = http::post(input.url("/v1/jobs")).header("authorization", format!("Bearer {}", key.text()?));
        let response = request.json(&itself)?.send()?;
        let told = response.json::<Value>().unwrap_or_default();
        let quota = told["quota"].as_str().map(str::to_owned);
        Ok(quota.unwrap_or_else(|| response.status().to_string()))
    };
    Ok([enqueue()?, enqueue()?])
}
