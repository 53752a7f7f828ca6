//! What an operator does with mails: sends them now or once more, and deletes them.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::count::count;
use super::model::{DeleteMailResult, SendMailResult};
use super::read::{row, state_of};
use crate::job::{MailId, MailState};
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;

/// Mails queued by one operation.
pub(super) const QUEUED_MAX: usize = 500;

const QUEUE: &str = "UPDATE mails SET state = 'queued', next_at = ?2, give_up_at = ?3, ended_at = NULL, answered = 0
    WHERE id = ?1";
// Those who have it don't get it again.
const QUEUE_RECIPIENTS: &str =
    "UPDATE mail_recipients SET state = 'queued', answer = NULL WHERE mail_id = ?1 AND state IN ('refused', 'failed')";
const OF_STATE: &str = "SELECT id FROM mails INDEXED BY mails_of_state WHERE tenant_id = ?1 AND state = ?2 AND id > ?3 ORDER BY id LIMIT ?4";
const DELETE: &str = "DELETE FROM mails WHERE id = ?1 RETURNING counted_bytes";
const DELETE_RECIPIENTS: &str = "DELETE FROM mail_recipients WHERE mail_id = ?1";
const DELETE_CONTENT: &str = "DELETE FROM mail_contents WHERE mail_id = ?1";

/// Queues one for now; its recipients that were refused are asked for again.
pub(super) fn send(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    id: MailId,
    tried_for: Duration,
) -> Result<SendMailResult, StoreError> {
    let Some(mail) = row(sql, tenant, id)? else { return Ok(SendMailResult::NotFound) };
    match mail.state {
        MailState::Sending => return Ok(SendMailResult::Sending(Box::new(mail))),
        MailState::Sent => return Ok(SendMailResult::Sent(Box::new(mail))),
        MailState::Queued | MailState::Kept | MailState::PartlySent | MailState::Failed => {}
    }
    queue(sql, draft, (tenant, mail.state), id, tried_for)?;
    let mail = row(sql, tenant, id)?.map(Box::new);
    Ok(mail.map_or(SendMailResult::NotFound, SendMailResult::Queued))
}

/// Queues the oldest of a tenant's mails that are kept, or that have failed, of those after one; so many of them.
pub(super) fn send_some(
    sql: &Connection,
    draft: &mut Draft,
    (tenant, state): (TenantId, MailState),
    after: Option<MailId>,
    tried_for: Duration,
) -> Result<Vec<MailId>, StoreError> {
    if !matches!(state, MailState::Kept | MailState::PartlySent | MailState::Failed) {
        return Ok(Vec::new());
    }
    // Before all of them is no bytes at all.
    let after = after.map_or(Vec::new(), |id| id.to_bytes().to_vec());
    let found: Vec<MailId> = {
        let mut statement = sql.prepare_cached(OF_STATE)?;
        let of = params![tenant.0, state.as_str(), after, QUEUED_MAX];
        let rows = statement.query_map(of, |row| row.get(0).map(MailId::from_bytes))?;
        rows.collect::<Result<_, _>>()?
    };
    for id in &found {
        queue(sql, draft, (tenant, state), *id, tried_for)?;
    }
    Ok(found)
}

fn queue(
    sql: &Connection,
    draft: &mut Draft,
    (tenant, from): (TenantId, MailState),
    id: MailId,
    tried_for: Duration,
) -> Result<(), StoreError> {
    let (now, give_up_at) = (draft.now.as_ms(), draft.now.plus(tried_for).as_ms());
    sql.prepare_cached(QUEUE)?.execute(params![id.to_bytes(), now, give_up_at])?;
    sql.prepare_cached(QUEUE_RECIPIENTS)?.execute([id.to_bytes()])?;
    draft.mail_due = true;
    count(sql, tenant, Some(from), Some(MailState::Queued))
}

/// Deletes one that nobody transmits now.
pub(super) fn delete(
    sql: &Connection,
    draft: &mut Draft,
    tenant: TenantId,
    id: MailId,
) -> Result<DeleteMailResult, StoreError> {
    match state_of(sql, tenant, id)? {
        None => Ok(DeleteMailResult::NotFound),
        Some(MailState::Sending) => Ok(DeleteMailResult::Sending),
        Some(state) => {
            remove(sql, draft, (tenant, state), id)?;
            Ok(DeleteMailResult::Deleted)
        }
    }
}

/// Removes the rows of one.
pub(super) fn remove(
    sql: &Connection,
    draft: &mut Draft,
    (tenant, state): (TenantId, MailState),
    id: MailId,
) -> Result<(), StoreError> {
    let id = id.to_bytes();
    sql.prepare_cached(DELETE_RECIPIENTS)?.execute([id])?;
    sql.prepare_cached(DELETE_CONTENT)?.execute([id])?;
    let bytes: i64 = sql.prepare_cached(DELETE)?.query_row([id], |row| row.get(0))?;
    draft.meter.kept(tenant, -bytes);
    count(sql, tenant, Some(state), None)
}
