//! A mail is written, with the success of its job.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::count::count;
use crate::job::mail::RecipientState;
use crate::job::{JobId, MailState, NewMail};
use crate::store::catalog::TenantId;
use crate::store::codec::pack_mail;
use crate::store::draft::Draft;
use crate::store::error::StoreError;

const INSERT: &str =
    "INSERT INTO mails (id, tenant_id, job_id, message_id, sender, subject, state, next_at, give_up_at,
        created_at, counted_bytes)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
const INSERT_RECIPIENT: &str =
    "INSERT INTO mail_recipients (mail_id, place, role, mailbox, state) VALUES (?1, ?2, ?3, ?4, ?5)";
const INSERT_CONTENT: &str = "INSERT INTO mail_contents (mail_id, content) VALUES (?1, ?2)";

/// What the rows of a mail take beside what it holds, bytes.
const ROW_BYTES: usize = 256;

/// What a mail takes.
pub(in crate::store) fn bytes_of(mail: &NewMail) -> i64 {
    i64::try_from(mail.bytes() + ROW_BYTES).unwrap_or(i64::MAX)
}

/// Writes a mail. `tried_for`: how long it is tried; `None`: there is no server to give it to, and it is kept.
pub(in crate::store) fn write(
    sql: &Connection,
    draft: &mut Draft,
    (tenant, job): (TenantId, JobId),
    mail: &NewMail,
    tried_for: Option<Duration>,
) -> Result<(), StoreError> {
    let NewMail { id, content, recipients } = mail;
    let id_bytes = id.to_bytes();
    let (state, next_at) = match tried_for {
        Some(_) => (MailState::Queued, Some(draft.now.as_ms())),
        None => (MailState::Kept, None),
    };
    let give_up_at = tried_for.map(|time| draft.now.plus(time).as_ms());
    let bytes = bytes_of(mail);
    sql.prepare_cached(INSERT)?.execute(params![
        id_bytes,
        tenant.0,
        job.to_bytes(),
        mail.message_id(),
        content.sender.to_string(),
        content.subject,
        state.as_str(),
        next_at,
        give_up_at,
        draft.now.as_ms(),
        bytes
    ])?;
    for (place, (role, mailbox)) in recipients.iter().enumerate() {
        let row = params![id_bytes, place, role.as_str(), mailbox.to_string(), RecipientState::Queued.as_str()];
        sql.prepare_cached(INSERT_RECIPIENT)?.execute(row)?;
    }
    sql.prepare_cached(INSERT_CONTENT)?.execute(params![id_bytes, pack_mail(content)?])?;
    count(sql, tenant, None, Some(state))?;
    draft.meter.kept(tenant, bytes);
    draft.mail_due |= state == MailState::Queued;
    Ok(())
}
