//! What a handler asked for on success: written before its job's `succeeded`, in the operation that writes that. If any of it
//! can't be, none of it is, and the attempt has failed.

use rusqlite::Connection;

use super::catalog::TenantId;
use super::draft::Draft;
use super::emitted;
use super::enqueue_batch::{Batch, enqueue_batch};
use super::error::StoreError;
use super::finish::{held, write_finish_as};
use super::mail;
use super::model::{BatchItem, BatchResult, Effects, Finish, FinishResult, TieRefusal};
use super::notifications;
use crate::job::{Failure, FailureReason, JobId};

/// Carries out a finish with effects. The first thing in its operation: what can't be is taken back with all before it.
pub(super) fn write_with_effects(
    sql: &Connection,
    draft: &mut Draft,
    finish: &Finish,
    effects: &Effects,
) -> Result<FinishResult, StoreError> {
    let Some(held) = held(sql, draft, &finish.lease)? else { return Ok(FinishResult::StaleLease) };
    match write(sql, draft, held.lane.tenant, finish.lease.job(), effects)? {
        None => write_finish_as(sql, draft, finish, &finish.next),
        Some((pointer, why)) => {
            let message = format!("what the handler asked for on success can't be: {pointer}: {why}");
            let failure = Failure::new(FailureReason::EffectRejected, message).with_detail(format!("{pointer}: {why}"));
            write_finish_as(sql, draft, finish, &effects.if_rejected.clone().after(failure))
        }
    }
}

/// What can't be, and why; `None`: all is written.
fn write(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    job: JobId,
    effects: &Effects,
) -> Result<Option<(String, String)>, StoreError> {
    let Effects { jobs, events, notifications, mails, mail_tried_for, if_rejected: _ } = effects;
    // Before anything is written: what follows can't be refused.
    let bytes_of_events: i64 = events.iter().map(|(_, event)| emitted::bytes_of(event)).sum();
    let bytes_of_notifications: i64 =
        notifications.iter().map(|(_, notification)| notifications::bytes_of(notification)).sum();
    let bytes_of_mails: i64 = mails.iter().map(|(_, mail)| mail::bytes_of(mail)).sum();
    let bytes = bytes_of_events + bytes_of_notifications + bytes_of_mails;
    if let Err(quota) = draft.meter.admit_bytes(&draft.catalog, tenant, bytes) {
        let places = events.iter().map(|(place, _)| *place);
        let places =
            places.chain(notifications.iter().map(|(place, _)| *place)).chain(mails.iter().map(|(place, _)| *place));
        let place = places.min().unwrap_or_default();
        return Ok(Some((format!("/effects/{place}"), quota.sentence())));
    }
    if !jobs.is_empty() {
        let requests = jobs.iter().map(|(_, job)| job.clone()).collect();
        let batch = Batch { tenant, jobs: requests, atomic: true, key: None, refused_lines: Vec::new() };
        let refused = match enqueue_batch(sql, draft, &batch)? {
            BatchResult::Done(_) | BatchResult::Replayed(_) => None,
            BatchResult::Rejected { index, result } => Some((index, why(result))),
            BatchResult::KeyConflict => Some((0, why(BatchItem::KeyConflict))),
            BatchResult::OverQuota(quota) => Some((0, why(BatchItem::OverQuota(quota)))),
        };
        if let Some((index, (within, why))) = refused {
            let place = jobs.get(index).map_or(0, |(place, _)| *place);
            return Ok(Some((format!("/effects/{place}{within}"), why)));
        }
    }
    for (_, event) in events {
        emitted::emit(sql, draft, tenant, job, event)?;
    }
    for (_, notification) in notifications {
        notifications::notify(sql, draft, tenant, job, notification)?;
    }
    for (_, mail) in mails {
        mail::write(sql, draft, (tenant, job), mail, *mail_tried_for)?;
    }
    Ok(None)
}

/// Why a job can't be enqueued: a pointer into its request, and a sentence.
fn why(item: BatchItem) -> (&'static str, String) {
    let sentence = match item {
        BatchItem::Created(_) | BatchItem::Replayed(_) | BatchItem::Existing(..) | BatchItem::ReplayedExisting(..) => {
            return ("", "it was to be written, and was not".to_owned());
        }
        BatchItem::KeyConflict => {
            return (
                "/idempotency_key",
                "it came with another request before: make a key of what the job is about, or ask for the same again"
                    .to_owned(),
            );
        }
        BatchItem::KindGone => return ("/kind", "the kind was removed: upload a module that serves it".to_owned()),
        BatchItem::TooManyQueues => {
            return ("/queue", "it would be a new queue, and there are as many as there may be: name one that is there, or delete some".to_owned());
        }
        BatchItem::OverQuota(quota) => quota.sentence(),
        BatchItem::Untied(TieRefusal::UnknownParent(place)) => {
            return ("/after", format!("there is no job in place {place}: name one that is there"));
        }
        BatchItem::Untied(TieRefusal::UnknownBatch) => {
            return ("/batch", "there is no such batch: name one that is open".to_owned());
        }
        BatchItem::Untied(TieRefusal::BatchClosed) => {
            return (
                "/batch",
                "the batch takes no more jobs: make a new one, or keep it open until all are in it".to_owned(),
            );
        }
        BatchItem::UniqueConflict(Some(other)) => {
            return (
                "/unique",
                format!("{other} is the only one like it: `unique.on_conflict` says what is to become of another"),
            );
        }
        BatchItem::UniqueConflict(None) => {
            return (
                "/unique",
                "another job that was asked for is the only one like it: ask for one of them".to_owned(),
            );
        }
        BatchItem::Unwritten => "the store could write no more".to_owned(),
    };
    ("", sentence)
}
