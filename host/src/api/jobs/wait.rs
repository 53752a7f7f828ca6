//! `Prefer: wait=N` (RFC 7240): answers when the job has ended, or in time. So many requests of one tenant may wait at once.

use std::time::Duration;

use http::HeaderMap;
use tokio::sync::OwnedSemaphorePermit;

use crate::api::error::ApiError;
use crate::api::identity::Call;
use crate::job::JobId;
use crate::store::JobDetail;

/// Longest wait, seconds; a longer wish is cut.
const WAIT_S_MAX: u64 = 60;

/// How long the caller would like to wait. Preferences that make no sense are ignored, as the RFC wants.
pub(super) fn preferred_wait(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']))
        .find_map(|preference| {
            let (name, value) = preference.split_once('=')?;
            let is_wait = name.trim().eq_ignore_ascii_case("wait");
            let value = value.trim().trim_matches('"');
            let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            // A number past what fits is a long wait like any other.
            (is_wait && is_number).then(|| value.parse().unwrap_or(u64::MAX))
        })?;
    Some(Duration::from_secs(seconds.min(WAIT_S_MAX)))
}

/// The wait with a place for it, which is held until it is dropped: of the requests that may be under way at once, so many may be one
/// tenant's that wait.
pub(super) fn place_to_wait(api: &Call, wait: Option<Duration>) -> Option<(Duration, Option<OwnedSemaphorePermit>)> {
    let wait = wait?;
    let place = match api.part() {
        Some(tenant) => Some(api.waits_of_tenants.of(&tenant).try_acquire_owned().ok()?),
        None => None,
    };
    Some((wait, place))
}

/// The job once it has ended, or as it is when time is up or the host stops. `None`: there is no such job.
pub(super) async fn wait_for_end(api: &Call, job: JobId, wait: Duration) -> Result<Option<JobDetail>, ApiError> {
    let deadline = tokio::time::Instant::now() + wait;
    loop {
        // Subscribed first, read second: an end in between is not missed.
        let mut end = api.waiters.subscribe(job);
        api.is_still_known()?;
        let Some(detail) = api.store.job(api.caller.tenant, job).await? else { return Ok(None) };
        if detail.row.state.is_terminal() || tokio::time::Instant::now() >= deadline {
            return Ok(Some(detail));
        }
        tokio::select! {
            () = end.ended() => {}
            () = tokio::time::sleep_until(deadline) => {}
            () = api.stopping.cancelled() => return Ok(api.store.job(api.caller.tenant, job).await?),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn preferences() {
        for (value, seconds) in [
            ("wait=10", Some(10)),
            ("Wait = 10", Some(10)),
            ("respond-async, wait=5", Some(5)),
            ("wait=\"7\"; foo=bar", Some(7)),
            ("wait=600", Some(60)),
            ("wait=99999999999999", Some(60)),
            ("wait=99999999999999999999999", Some(60)),
            ("wait=0", Some(0)),
            ("wait", None),
            ("wait=-1", None),
            ("wait=+1", None),
            ("wait=", None),
            ("wait=\"\"", None),
            ("wait=x", None),
            ("waiting=3", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("prefer", value.parse().unwrap());
            assert_eq!(preferred_wait(&headers).map(|wait| wait.as_secs()), seconds, "{value}");
        }
        assert_eq!(preferred_wait(&HeaderMap::new()), None);
    }
}
