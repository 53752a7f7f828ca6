//! What a transmission came to is written, if the mail still is this host's.

use rusqlite::{Connection, OptionalExtension, params};

use super::count::count;
use super::model::{MailEnd, MailTerms};
use super::read::{readable, recipients};
use crate::job::mail::{Transmission, settle};
use crate::job::{HostId, MailId, MailState, Timestamp};
use crate::store::catalog::TenantId;
use crate::store::draft::Draft;
use crate::store::error::StoreError;

const HELD: &str = "SELECT tenant_id, give_up_at, answered FROM mails
    WHERE id = ?1 AND state = 'sending' AND host = ?2 AND attempts = ?3";
const SETTLE: &str = "UPDATE mails SET state = ?2, next_at = ?3, error = ?4, ended_at = ?5, host = NULL,
        answered = ?6, give_up_at = CASE WHEN ?2 = 'queued' THEN give_up_at END
    WHERE id = ?1";
const FAIL: &str =
    "UPDATE mails SET state = ?2, error = ?3, ended_at = ?4, next_at = NULL, give_up_at = NULL, host = NULL
    WHERE id = ?1";
const FAIL_RECIPIENTS: &str = "UPDATE mail_recipients SET state = 'failed' WHERE mail_id = ?1 AND state = 'queued'";
const HAS_SENT: &str = "SELECT EXISTS (SELECT 1 FROM mail_recipients WHERE mail_id = ?1 AND state = 'sent')";
/// What is shown of it; why is in the log, and for the operator.
const UNREADABLE: &str = "what is stored of the mail can't be read any more; the host's log says why";

const SETTLE_RECIPIENT: &str = "UPDATE mail_recipients SET state = ?3, answer = ?4 WHERE mail_id = ?1 AND place = ?2";

/// Writes it, or finds that the mail is no more this host's and writes nothing. `chance` decides the jitter.
pub(super) fn settle_mail(
    sql: &Connection,
    draft: &Draft,
    host: HostId,
    end: &MailEnd,
    (terms, chance): (&MailTerms, f64),
) -> Result<(), StoreError> {
    let Some(Held { tenant, give_up_at, answered }) = held(sql, draft, host, end.id, end.attempt)? else {
        return Ok(());
    };
    let id = end.id.to_bytes();
    let before = match readable(recipients(sql, end.id))? {
        Ok(before) => before,
        Err(why) => return fail_unread(sql, draft, (tenant, MailState::Sending), end.id, &why),
    };
    let mut after = before.clone();
    let give_up_at = give_up_at.unwrap_or(draft.now);
    // While no server answers the host waits for all mails together, and a mail's own delay stays what it is.
    let answered = answered + u32::from(matches!(end.transmission, Transmission::Answered(_)));
    let settled = settle(&terms.rules, &mut after, end.transmission.clone(), (answered, draft.now, give_up_at), chance);
    for (place, recipient) in after.iter().enumerate().filter(|(place, after)| before.get(*place) != Some(after)) {
        let row = params![id, place, recipient.state.as_str(), recipient.answer];
        sql.prepare_cached(SETTLE_RECIPIENT)?.execute(row)?;
    }
    let ended_at = settled.state.is_over().then(|| draft.now.as_ms());
    let next_at = settled.next_at.map(Timestamp::as_ms);
    sql.prepare_cached(SETTLE)?.execute(params![
        id,
        settled.state.as_str(),
        next_at,
        settled.error,
        ended_at,
        answered
    ])?;
    count(sql, tenant, Some(MailState::Sending), Some(settled.state))
}

/// A mail whose rows can't be read has failed, and nobody else's with it.
pub(super) fn fail_unread(
    sql: &Connection,
    draft: &Draft,
    (tenant, from): (TenantId, MailState),
    id: MailId,
    why: &str,
) -> Result<(), StoreError> {
    tracing::error!(mail = %id, %why, "a mail can't be read, and is not sent; others are");
    let bytes = id.to_bytes();
    let has_sent: bool = sql.prepare_cached(HAS_SENT)?.query_row([bytes], |row| row.get(0))?;
    let state = if has_sent { MailState::PartlySent } else { MailState::Failed };
    sql.prepare_cached(FAIL_RECIPIENTS)?.execute([bytes])?;
    sql.prepare_cached(FAIL)?.execute(params![bytes, state.as_str(), UNREADABLE, draft.now.as_ms()])?;
    count(sql, tenant, Some(from), Some(state))
}

/// A mail that a host transmits.
pub(super) struct Held {
    tenant: TenantId,
    /// Until when it is tried.
    give_up_at: Option<Timestamp>,
    /// Transmissions that a server answered.
    answered: u32,
}

/// The mail, if this host transmits it, for this time.
pub(super) fn held(
    sql: &Connection,
    draft: &Draft,
    host: HostId,
    id: MailId,
    attempt: u32,
) -> Result<Option<Held>, StoreError> {
    let Some(number) = draft.hosts.get(&host) else { return Ok(None) };
    let row = |row: &rusqlite::Row<'_>| {
        let give_up_at = row.get::<_, Option<i64>>(1)?.map(Timestamp);
        Ok(Held { tenant: TenantId(row.get(0)?), give_up_at, answered: row.get(2)? })
    };
    Ok(sql.prepare_cached(HELD)?.query_row(params![id.to_bytes(), number, attempt], row).optional()?)
}
