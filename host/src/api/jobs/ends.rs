//! What a request says about the end of its job: which failures are tried again, when it comes too late, and what follows
//! its failure. Pure.

use super::request::{alike, did_you_mean};
use crate::api::error::{FieldError, quoted};
use crate::api::wire::Instant;
use crate::job::{KindName, OnFailed, Span, Timestamp};
use crate::store::{Catalog, TenantId};

/// Most names compared with an unknown kind.
const KINDS_COMPARED_MAX: usize = 10_000;

/// When a job that is due at `run_at` (`None`: at once) expires.
pub(super) fn expiry(
    now: Timestamp,
    run_at: Option<Timestamp>,
    expires_in: Option<Span>,
    expires_at: Option<Instant>,
    errors: &mut Vec<FieldError>,
) -> Option<Timestamp> {
    let (pointer, at) = match (expires_in, expires_at) {
        (None, None) => return None,
        (Some(_), Some(_)) => {
            errors.push(FieldError::new("/expires_in", "give `expires_in` or `expires_at`, not both"));
            return None;
        }
        (Some(span), None) => ("/expires_in", now.plus(span.0)),
        (None, Some(Instant(at))) => ("/expires_at", at),
    };
    let wrong = if at <= now {
        Some("has passed already: the job could never run; give a later time, or leave it out")
    } else if at > Timestamp::MAX {
        Some("is too far in the future")
    } else if run_at.is_some_and(|run_at| run_at >= at) {
        Some("comes before the job is due; give a later time, or a shorter `delay`")
    } else {
        None
    };
    match wrong {
        Some(wrong) => {
            errors.push(FieldError::new(pointer, wrong));
            None
        }
        None => Some(at),
    }
}

/// Says where a kind that is to follow a failure does not exist.
pub(in crate::api) fn check_on_failed(
    catalog: &Catalog,
    tenant: TenantId,
    on_failed: Option<&OnFailed>,
    errors: &mut Vec<FieldError>,
) {
    let Some(OnFailed { kind, .. }) = on_failed else { return };
    if catalog.kind(tenant, kind).is_none() {
        errors.push(FieldError::new("/on_failed/kind", no_such_kind(catalog, tenant, kind)));
    }
}

fn no_such_kind(catalog: &Catalog, tenant: TenantId, kind: &KindName) -> String {
    let own = catalog.kinds.values().filter(|known| known.tenant == tenant).take(KINDS_COMPARED_MAX);
    let names = alike(kind.as_str(), own.map(|known| known.name.as_str()));
    let hint = did_you_mean(&names).unwrap_or_else(|| "upload a module that serves it first".to_owned());
    format!("there is no kind `{}`; {hint}", quoted(kind.to_string()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_job_expires_after_now_and_after_it_is_due() {
        let now = Timestamp(1_000);
        let span = |ms| Some(Span(Duration::from_millis(ms)));
        let at = |ms| Some(Instant(Timestamp(ms)));
        for (run_at, expires_in, expires_at, expected) in [
            (None, None, None, Ok(None)),
            (None, span(5), None, Ok(Some(1_005))),
            (None, None, at(1_001), Ok(Some(1_001))),
            (Some(1_004), span(5), None, Ok(Some(1_005))),
            (Some(1_005), span(5), None, Err("/expires_in")),
            (Some(1_001), None, at(1_001), Err("/expires_at")),
            (None, None, at(1_000), Err("/expires_at")),
            (None, None, at(i64::MAX), Err("/expires_at")),
            (None, span(0), None, Err("/expires_in")),
            (None, span(5), at(1_005), Err("/expires_in")),
        ] {
            let mut errors = Vec::new();
            let found = expiry(now, run_at.map(Timestamp), expires_in, expires_at, &mut errors);
            let found = match errors.first() {
                Some(error) => Err(error.pointer.as_str()),
                None => Ok(found.map(Timestamp::as_ms)),
            };
            assert_eq!(found, expected, "{run_at:?} {expires_in:?} {expires_at:?}");
        }
    }
}
