//! What a handler asked for on success, made into what the store can write; or why it can't be.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::job::field::FieldError;
use crate::job::{Effect, Failure, FailureReason, JobId};
use crate::store::{Effects, NewJob, Next, TenantId};

/// Refusals that are told of one effect.
const ERRORS_TOLD_MAX: usize = 20;

/// Checks requests for jobs, by the rules of `POST /v1/jobs`. Implemented over the API's.
pub trait JobRequests: std::fmt::Debug + Send + Sync + 'static {
    /// A request of this tenant, JSON text; what is wrong with it, with pointers into it.
    fn check(
        &self,
        tenant: TenantId,
        request: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<NewJob, Vec<FieldError>>> + Send + '_>>;
}

/// All of it, or why the attempt has failed. `if_rejected`: what becomes of the job if the store can't write it; `mail_tried_for`: how
/// long mail is tried, where there is a server.
pub async fn resolve(
    requests: &Arc<dyn JobRequests>,
    (tenant, job): (TenantId, JobId),
    effects: Vec<Effect>,
    (if_rejected, mail_tried_for): (Next, Option<Duration>),
) -> Result<Box<Effects>, Failure> {
    let mut resolved = Box::new(Effects {
        jobs: Vec::new(),
        events: Vec::new(),
        notifications: Vec::new(),
        mails: Vec::new(),
        mail_tried_for,
        if_rejected,
    });
    for (place, effect) in effects.into_iter().enumerate() {
        match effect {
            Effect::Enqueue(request) => {
                let checked = requests.check(tenant, request).await;
                let mut new = checked.map_err(|errors| refused(place, "enqueue", &errors))?;
                new.spec.options.enqueued_by = Some(job);
                resolved.jobs.push((place, new));
            }
            Effect::Emit(event) => resolved.events.push((place, event)),
            Effect::Notify(notification) => resolved.notifications.push((place, notification)),
            Effect::Mail(mail) => resolved.mails.push((place, *mail)),
        }
    }
    Ok(resolved)
}

/// The failure of an attempt one of whose effects can't be.
fn refused(place: usize, what: &str, errors: &[FieldError]) -> Failure {
    let lines: Vec<String> = errors
        .iter()
        .take(ERRORS_TOLD_MAX)
        .map(|error| format!("{}: {}", pointer(place, &error.pointer), error.message))
        .collect();
    let first = errors.first().map_or("", |error| error.message.as_str());
    let message = format!(
        "what the handler asked for on success can't be: {} ({what}): {first}",
        pointer(place, errors.first().map_or("", |error| error.pointer.as_str()))
    );
    Failure::new(FailureReason::EffectRejected, message).with_detail(lines.join("\n"))
}

fn pointer(place: usize, within: &str) -> String {
    format!("/effects/{place}{within}")
}
