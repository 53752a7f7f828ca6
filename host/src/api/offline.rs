//! The API's checks and words for a job that no host is asked to run (`stoker run`): what a host would refuse is refused
//! with the same problem document. Nothing here is reachable over HTTP.

use super::error::{ApiError, ProblemCode};
use super::jobs::{check_thoroughly, payload_too_large, unknown_kind};
use super::kinds::{accepted, check_room};
use super::modules::refuse;
use crate::job::{KindName, KindSettings, LimitRequest, Limits, ModuleName, ceilings};
use crate::modules::UploadError;
use crate::schema::SharedSchema;

/// Names listed in a sentence.
const KINDS_LISTED_MAX: usize = 12;

/// Why a module would not be taken.
pub fn refuse_module(error: UploadError) -> ApiError {
    refuse(error)
}

/// A module of more bytes than a host reads.
pub fn refuse_module_size(bytes_max: usize) -> ApiError {
    ApiError::new(ProblemCode::BodyTooLarge, format!("the body may have at most {bytes_max} bytes"))
}

/// A kind the module does not serve.
pub fn refuse_kind(name: &str, served: &[&KindName]) -> ApiError {
    let error = unknown_kind(name, served.iter().map(|kind| kind.as_str()));
    if error.detail().contains("did you mean") {
        return error;
    }
    let listed: Vec<String> = served.iter().take(KINDS_LISTED_MAX).map(|kind| format!("`{kind}`")).collect();
    let more = if served.len() > KINDS_LISTED_MAX { ", …" } else { "" };
    let detail = format!("there is no kind `{}`; the module serves {}{more}", name.escape_debug(), listed.join(", "));
    ApiError::new(ProblemCode::KindNotFound, detail)
}

/// What an operator may set, as JSON text, for a kind that is served by this handler component or by something else.
pub fn check_settings(
    text: &str,
    kind: &KindName,
    handler: Option<&ModuleName>,
    ceilings: &Limits,
) -> Result<KindSettings, ApiError> {
    accepted(text.as_bytes(), kind, handler, ceilings)
}

/// Memory that an operator sets, for a module that begins with so much.
pub fn check_memory(asked_bytes: u64, begins_bytes: u64) -> Result<(), ApiError> {
    check_room(asked_bytes, begins_bytes)
}

/// What a job may ask for.
pub fn check_limits(limits: &LimitRequest, ceilings: &Limits) -> Result<(), ApiError> {
    let mut errors = Vec::new();
    let LimitRequest { fuel, timeout_ms, memory_bytes, .. } = *limits;
    for (pointer, asked) in [("/fuel", fuel), ("/timeout", timeout_ms), ("/memory", memory_bytes)] {
        crate::job::field::positive(pointer, asked, &mut errors);
    }
    ceilings::check(limits, ceilings, &mut errors);
    if errors.is_empty() { Ok(()) } else { Err(ApiError::invalid(errors)) }
}

/// What a job may bring. `takes_text`: the kind's guest reads a text. May take long; for a thread with a deep stack.
pub fn check_payload(
    schema: Option<&SharedSchema>,
    takes_text: bool,
    payload: &[u8],
    bytes_max: usize,
) -> Result<(), ApiError> {
    if payload.len() > bytes_max {
        return Err(payload_too_large(payload.len(), bytes_max));
    }
    check_thoroughly(schema, takes_text, payload)
}
