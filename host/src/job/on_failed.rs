//! What follows the failure of a job: another job that is told of it. Owns what may be asked for, how long a chain of such
//! jobs may become, and what its jobs are told.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::clock::Timestamp;
use super::id::JobId;
use super::name::{KindName, QueueName};
use super::outcome::Failure;
use super::text::cut;

/// A job made for a failure may fail, too, and have one made for that, and so on; no chain gets longer than this, jobs.
pub const ON_FAILED_CHAIN_MAX: u8 = 5;
/// A larger payload of the failed job is not passed on, bytes.
pub const PAYLOAD_PASSED_ON_BYTES_MAX: usize = 1 << 20;
/// The detail of the failure is cut here, bytes.
const DETAIL_BYTES_MAX: usize = 64 << 10;

/// Which job is enqueued when one fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OnFailed {
    /// What to run.
    #[schema(value_type = String, example = "alert.operator")]
    pub kind: KindName,
    /// The lane; by default that kind's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub queue: Option<QueueName>,
    /// 0 to 9, lower first; by default that kind's.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "priority")]
    #[schema(minimum = 0, maximum = 9)]
    pub priority: Option<u8>,
}

/// Why a job exists that nobody sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CausedBy {
    /// It failed.
    pub job: JobId,
    /// How many failures led here, one after the other.
    pub chain: u8,
}

impl CausedBy {
    /// What a job made for the failure of `job` is caused by; `None` where the chain that led to it is long enough.
    pub fn failure_of(job: JobId, caused_by: Option<CausedBy>) -> Option<CausedBy> {
        let chain = caused_by.map_or(0, |cause| cause.chain).saturating_add(1);
        (chain <= ON_FAILED_CHAIN_MAX).then_some(CausedBy { job, chain })
    }
}

/// What the job that follows is told.
#[derive(Clone, Copy, Debug)]
pub struct FailedJob<'a> {
    /// Which one failed.
    pub job: JobId,
    /// Its kind.
    pub kind: &'a KindName,
    /// Its lane.
    pub queue: &'a QueueName,
    /// Attempts it used.
    pub attempt: u32,
    /// What it was to do, JSON text.
    pub payload: &'a [u8],
    /// Why it failed.
    pub failure: &'a Failure,
    /// When.
    pub failed_at: Timestamp,
}

#[derive(Serialize)]
struct Told<'a> {
    job_id: JobId,
    kind: &'a KindName,
    queue: &'a QueueName,
    attempt: u32,
    payload: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    payload_omitted: bool,
    error: ToldError<'a>,
    failed_at: String,
}

#[derive(Serialize)]
struct ToldError<'a> {
    reason: &'static str,
    message: &'a str,
    detail: Option<String>,
}

impl FailedJob<'_> {
    /// The payload of the job that follows: JSON text.
    pub fn to_payload(&self) -> serde_json::Result<Vec<u8>> {
        let FailedJob { job, kind, queue, attempt, payload, failure, failed_at } = *self;
        let passed_on = (payload.len() <= PAYLOAD_PASSED_ON_BYTES_MAX)
            .then(|| serde_json::from_slice::<&RawValue>(payload).ok())
            .flatten();
        serde_json::to_vec(&Told {
            job_id: job,
            kind,
            queue,
            attempt,
            payload: passed_on,
            payload_omitted: passed_on.is_none(),
            error: ToldError {
                reason: failure.reason.as_str(),
                message: &failure.message,
                detail: failure.detail.as_ref().map(|detail| cut(detail.clone(), DETAIL_BYTES_MAX)),
            },
            failed_at: failed_at.to_string(),
        })
    }
}

/// Refused where it is read: whoever writes it learns at once.
fn priority<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
    let priority = Option::<u8>::deserialize(deserializer)?;
    if priority.is_some_and(|priority| priority > super::kind::PRIORITY_MAX) {
        return Err(serde::de::Error::custom("a priority is 0 to 9"));
    }
    Ok(priority)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::job::FailureReason;

    fn told(payload: &[u8], detail: Option<&str>) -> serde_json::Value {
        let mut failure = Failure::new(FailureReason::Trap, "unreachable");
        failure.detail = detail.map(str::to_owned);
        let failed = FailedJob {
            job: JobId::from_u128(7),
            kind: &"email.send".parse().unwrap(),
            queue: &QueueName::default_queue(),
            attempt: 3,
            payload,
            failure: &failure,
            failed_at: Timestamp(1_800_000_000_123),
        };
        serde_json::from_slice(&failed.to_payload().unwrap()).unwrap()
    }

    #[test]
    fn a_failure_is_told_whole() {
        let expected = serde_json::json!({
            "job_id": JobId::from_u128(7).to_string(), "kind": "email.send", "queue": "default", "attempt": 3,
            "payload": {"to": "x"}, "error": {"reason": "trap", "message": "unreachable", "detail": "at f"},
            "failed_at": "2027-01-15T08:00:00.123Z",
        });
        assert_eq!(told(br#"{"to": "x"}"#, Some("at f")), expected);
    }

    #[test]
    fn what_is_too_large_is_left_out_and_said_to_be() {
        let large = format!("\"{}\"", "x".repeat(PAYLOAD_PASSED_ON_BYTES_MAX));
        let told = told(large.as_bytes(), Some(&"y".repeat(1 << 20)));
        assert_eq!((&told["payload"], &told["payload_omitted"]), (&serde_json::Value::Null, &true.into()));
        assert!(told["error"]["detail"].as_str().unwrap().len() <= DETAIL_BYTES_MAX);
        assert_eq!(self::told(b"not JSON", None)["payload_omitted"], true);
    }

    #[test]
    fn a_chain_ends() {
        let mut cause = None;
        for expected in 1..=ON_FAILED_CHAIN_MAX {
            cause = CausedBy::failure_of(JobId::from_u128(1), cause);
            assert_eq!(cause.map(|cause| cause.chain), Some(expected));
        }
        assert_eq!(CausedBy::failure_of(JobId::from_u128(1), cause), None);
    }

    #[test]
    fn what_can_not_be_asked_for_is_refused() {
        assert!(serde_json::from_str::<OnFailed>(r#"{"kind": "a", "queue": "q", "priority": 9}"#).is_ok());
        for text in [r"{}", r#"{"kind": "a b"}"#, r#"{"kind": "a", "priority": 10}"#, r#"{"kind": "a", "x": 1}"#] {
            assert!(serde_json::from_str::<OnFailed>(text).is_err(), "{text}");
        }
    }
}
