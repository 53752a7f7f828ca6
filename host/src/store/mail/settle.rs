//! What a transmission came to is written, if the mail still is this host's.

use rusqlite::{Connection, OptionalExtension, params};

use super::count::count;
use super::model::{MailEnd, MailTerms};
use super::read::recipients;
use crate::job::mail::settle;
use crate::job::{HostId, MailState, Timestamp};
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;

const HELD: &str = "SELECT tenant_id, give_up_at FROM mails
    WHERE id = ?1 AND state = 'sending' AND host = ?2 AND attempts = ?3";
const SETTLE: &str = "UPDATE mails SET state = ?2, next_at = ?3, error = ?4, ended_at = ?5, host = NULL,
        give_up_at = CASE WHEN ?2 = 'queued' THEN give_up_at END
    WHERE id = ?1";
const SETTLE_RECIPIENT: &str = "UPDATE mail_recipients SET state = ?3, answer = ?4 WHERE mail_id = ?1 AND place = ?2";

/// Writes it, or finds that the mail is no more this host's and writes nothing. `chance` decides the jitter.
pub(super) fn settle_mail(
    sql: &Connection,
    draft: &Draft,
    host: HostId,
    end: &MailEnd,
    (terms, chance): (&MailTerms, f64),
) -> Result<(), StoreError> {
    let Some((tenant, give_up_at)) = held(sql, draft, host, end.id, end.attempt)? else { return Ok(()) };
    let id = end.id.to_bytes();
    let before = recipients(sql, end.id)?;
    let mut after = before.clone();
    let give_up_at = give_up_at.unwrap_or(draft.now);
    let settled =
        settle(&terms.rules, &mut after, end.transmission.clone(), (end.attempt, draft.now, give_up_at), chance);
    for (place, recipient) in after.iter().enumerate().filter(|(place, after)| before.get(*place) != Some(after)) {
        let row = params![id, place, recipient.state.as_str(), recipient.answer];
        sql.prepare_cached(SETTLE_RECIPIENT)?.execute(row)?;
    }
    let ended_at = settled.state.is_over().then(|| draft.now.as_ms());
    let next_at = settled.next_at.map(Timestamp::as_ms);
    sql.prepare_cached(SETTLE)?.execute(params![id, settled.state.as_str(), next_at, settled.error, ended_at])?;
    count(sql, tenant, Some(MailState::Sending), Some(settled.state))
}

/// Whose mail it is, and until when it is tried, if this host transmits it, for this time.
pub(super) fn held(
    sql: &Connection,
    draft: &Draft,
    host: HostId,
    id: crate::job::MailId,
    attempt: u32,
) -> Result<Option<(TenantId, Option<Timestamp>)>, StoreError> {
    let Some(number) = draft.hosts.get(&host) else { return Ok(None) };
    let row = |row: &rusqlite::Row<'_>| Ok((TenantId(row.get(0)?), row.get::<_, Option<i64>>(1)?.map(Timestamp)));
    Ok(sql.prepare_cached(HELD)?.query_row(params![id.to_bytes(), number, attempt], row).optional()?)
}
