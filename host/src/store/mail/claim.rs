//! Which mail a host transmits next: the oldest that is due, of one tenant after the other, as far as its rate allows. It is this
//! host's from the commit of the claim on.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::count::count;
use super::model::{ClaimedMail, MailRound, MailTerms, NextMail};
use super::read::{content, readable, recipients};
use super::settle::fail_unread;
use crate::job::mail::RecipientState;
use crate::job::{Bucket, HostId, MailId, MailState, Rate, Timestamp};
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;

/// Tenants looked at by one operation.
const TENANTS_LOOKED_AT_MAX: usize = 500;
/// Mails of hosts that are gone, freed by one operation.
const FREED_MAX: usize = 100;
/// The bucket of all tenants together.
const ALL_TENANTS: i64 = 0;

// A host transmits one at a time: what is its own, and nobody writes the end of, was lost with a part of it.
const STALE: &str = "SELECT id, tenant_id FROM mails INDEXED BY mails_sending
    WHERE state = 'sending' AND (host = ?1 OR host NOT IN (SELECT number FROM hosts)) LIMIT ?2";
const FREE: &str = "UPDATE mails SET state = 'queued', host = NULL, next_at = ?2 WHERE id = ?1";
const NEXT_TENANT: &str = "SELECT tenant_id FROM mails INDEXED BY mails_due
    WHERE state = 'queued' AND tenant_id > ?1 ORDER BY tenant_id LIMIT 1";
const NEXT_OF: &str = "SELECT id, next_at, message_id, created_at, attempts FROM mails INDEXED BY mails_due
    WHERE state = 'queued' AND tenant_id = ?1 ORDER BY next_at LIMIT 1";
const CLAIM: &str =
    "UPDATE mails SET state = 'sending', host = ?2, attempts = attempts + 1, next_at = NULL WHERE id = ?1";
const BUCKET: &str = "SELECT missing, at_ns FROM mail_buckets WHERE tenant_id = ?1";
const PUT_BUCKET: &str = "INSERT INTO mail_buckets (tenant_id, missing, at_ns) VALUES (?1, ?2, ?3)
    ON CONFLICT (tenant_id) DO UPDATE SET missing = excluded.missing, at_ns = excluded.at_ns";

/// Frees what nobody transmits any more; it is sent once more, under the name it had.
pub(super) fn free_stale(sql: &Connection, draft: &Draft, host: HostId) -> Result<(), StoreError> {
    let own = draft.hosts.get(&host);
    let stale: Vec<([u8; 16], i64)> = {
        let mut statement = sql.prepare_cached(STALE)?;
        let rows = statement.query_map(params![own, FREED_MAX], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<Result<_, _>>()?
    };
    for (id, tenant) in stale {
        sql.prepare_cached(FREE)?.execute(params![id, draft.now.as_ms()])?;
        count(sql, TenantId(tenant), Some(MailState::Sending), Some(MailState::Queued))?;
    }
    Ok(())
}

/// Claims the next one of a tenant the round has not come to, and gives with it the round to go on with.
pub(super) fn claim_next(
    sql: &Connection,
    draft: &Draft,
    host: HostId,
    mut round: MailRound,
    terms: &MailTerms,
) -> Result<(NextMail, MailRound), StoreError> {
    let anew = MailRound::after(round.last);
    // A host that was taken for dead begins nothing.
    let Some(&number) = draft.hosts.get(&host) else { return Ok((NextMail::Nothing(None), anew)) };
    let now_ns = draft.clock.now_ns();
    if let Some(all) = terms.rate_of_all
        && let Some(until) = until_permit(sql, ALL_TENANTS, all, now_ns)?
    {
        return Ok((NextMail::Nothing(Some(until)), anew));
    }
    for _ in 0..TENANTS_LOOKED_AT_MAX {
        let next: Option<i64> =
            sql.prepare_cached(NEXT_TENANT)?.query_row([round.at.0], |row| row.get(0)).optional()?;
        let Some(tenant) = next.map(TenantId).filter(|tenant| !round.is_around || tenant.0 <= round.last.0) else {
            if round.is_around {
                return Ok((NextMail::Nothing(round.soonest), anew));
            }
            (round.at, round.is_around) = (TenantId(i64::MIN), true);
            continue;
        };
        let before = std::mem::replace(&mut round.at, tenant);
        if !draft.catalog.is_active(tenant) {
            continue;
        }
        let Some(due) = due_of(sql, tenant)? else { continue };
        let wait = if due.next_at > draft.now {
            Some(due.next_at.since(draft.now))
        } else {
            until_permit(sql, tenant.0, terms.rate, now_ns)?
        };
        if let Some(wait) = wait {
            round.soonest = Some(round.soonest.map_or(wait, |known| known.min(wait)));
            continue;
        }
        let id = due.id;
        match claim(sql, (tenant, number), due)? {
            Ok(mail) => {
                take(sql, tenant.0, terms.rate, now_ns)?;
                if let Some(all) = terms.rate_of_all {
                    take(sql, ALL_TENANTS, all, now_ns)?;
                }
                return Ok((NextMail::Claimed(Box::new(mail)), MailRound::after(tenant)));
            }
            Err(why) => {
                fail_unread(sql, draft, (tenant, MailState::Queued), id, &why)?;
                // This tenant's next one.
                round.at = before;
            }
        }
    }
    Ok((NextMail::More, round))
}

/// The one of a tenant that is due first.
struct Due {
    id: MailId,
    next_at: Timestamp,
    message_id: String,
    created_at: Timestamp,
    attempts: u32,
}

fn due_of(sql: &Connection, tenant: TenantId) -> Result<Option<Due>, StoreError> {
    let due = |row: &rusqlite::Row<'_>| {
        Ok(Due {
            id: MailId::from_bytes(row.get(0)?),
            next_at: Timestamp(row.get(1)?),
            message_id: row.get(2)?,
            created_at: Timestamp(row.get(3)?),
            attempts: row.get(4)?,
        })
    };
    Ok(sql.prepare_cached(NEXT_OF)?.query_row([tenant.0], due).optional()?)
}

/// Within: why its rows can't be read.
fn claim(
    sql: &Connection,
    (tenant, host): (TenantId, i64),
    due: Due,
) -> Result<Result<ClaimedMail, String>, StoreError> {
    let Due { id, next_at: _, message_id, created_at, attempts } = due;
    let read = recipients(sql, id).and_then(|recipients| Ok((recipients, content(sql, id)?)));
    let (all, content) = match readable(read)? {
        Ok(read) => read,
        Err(why) => return Ok(Err(why)),
    };
    sql.prepare_cached(CLAIM)?.execute(params![id.to_bytes(), host])?;
    count(sql, tenant, Some(MailState::Queued), Some(MailState::Sending))?;
    let left = all.into_iter().enumerate().filter(|(_, recipient)| recipient.state == RecipientState::Queued);
    let recipients = left.map(|(place, recipient)| (place, recipient.mailbox)).collect();
    Ok(Ok(ClaimedMail { id, attempt: attempts + 1, message_id, created_at, recipients, content }))
}

/// In how long a rate allows one more; `None`: now.
fn until_permit(sql: &Connection, bucket: i64, rate: Rate, now_ns: i64) -> Result<Option<Duration>, StoreError> {
    let wait_ns = read(sql, bucket)?.next_permit_at(rate, now_ns).saturating_sub(now_ns);
    Ok((wait_ns > 0).then(|| Duration::from_nanos(wait_ns.unsigned_abs())))
}

fn take(sql: &Connection, bucket: i64, rate: Rate, now_ns: i64) -> Result<(), StoreError> {
    let Bucket { missing_millionths, at_ns } = read(sql, bucket)?.take(rate, now_ns, 1);
    sql.prepare_cached(PUT_BUCKET)?.execute(params![bucket, missing_millionths, at_ns])?;
    Ok(())
}

fn read(sql: &Connection, bucket: i64) -> Result<Bucket, StoreError> {
    let read = |row: &rusqlite::Row<'_>| Ok(Bucket { missing_millionths: row.get(0)?, at_ns: row.get(1)? });
    Ok(sql.prepare_cached(BUCKET)?.query_row([bucket], read).optional()?.unwrap_or_default())
}
