//! Mails as they are shown: in pages, one with all it holds, those of a job.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Value, json};

use super::model::{MailDetail, MailFilter, MailRow, RecipientRow};
use crate::job::mail::{MailContent, Recipient};
use crate::job::{JobId, MailId, MailState, Mailbox, Timestamp};
use crate::store::catalog::TenantId;
use crate::store::codec::unpack_mail;
use crate::store::error::StoreError;

/// Mails of one job that are shown with it.
const OF_JOB_MAX: usize = 100;

macro_rules! columns {
    () => {
        "id, job_id, message_id, sender, subject, state, attempts, next_at, give_up_at, error, created_at, ended_at"
    };
}

const PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM mails INDEXED BY mails_of_tenant WHERE tenant_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
);
const PAGE_OF_STATE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM mails INDEXED BY mails_of_state WHERE tenant_id = ?1 AND id < ?2 AND state = ?4 ORDER BY id DESC LIMIT ?3"
);
const PAGE_OF_JOB: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM mails INDEXED BY mails_of_job WHERE tenant_id = ?1 AND id < ?2 AND job_id = ?5 AND (?4 IS NULL OR state = ?4)
        ORDER BY id DESC LIMIT ?3"
);
const ONE: &str = concat!("SELECT ", columns!(), " FROM mails WHERE id = ?1 AND tenant_id = ?2");
const OF_JOB: &str =
    concat!("SELECT ", columns!(), " FROM mails INDEXED BY mails_of_job WHERE job_id = ?1 ORDER BY id LIMIT ?2");
const RECIPIENTS: &str = "SELECT role, mailbox, state, answer FROM mail_recipients WHERE mail_id = ?1 ORDER BY place";
const FACTS: &str = "SELECT state, attempts, next_at FROM mails WHERE id = ?1 AND tenant_id = ?2";
const CONTENT: &str = "SELECT content FROM mail_contents WHERE mail_id = ?1";

/// So many of a tenant's mails, newest first, of those asked for before one.
pub(super) fn page(
    sql: &Connection,
    tenant: TenantId,
    filter: MailFilter,
    before: Option<MailId>,
    limit: usize,
) -> Result<Vec<MailRow>, StoreError> {
    let MailFilter { state, job } = filter;
    let before = before.map_or([u8::MAX; 16], MailId::to_bytes);
    let (state, job) = (state.map(MailState::as_str), job.map(JobId::to_bytes));
    match (&state, &job) {
        (None, None) => rows(sql, PAGE, params![tenant.0, before, limit]),
        (Some(state), None) => rows(sql, PAGE_OF_STATE, params![tenant.0, before, limit, state]),
        (state, Some(job)) => rows(sql, PAGE_OF_JOB, params![tenant.0, before, limit, state, job]),
    }
}

/// One mail without its bodies.
pub(super) fn row(sql: &Connection, tenant: TenantId, id: MailId) -> Result<Option<MailRow>, StoreError> {
    Ok(rows(sql, ONE, params![id.to_bytes(), tenant.0])?.pop())
}

/// One mail with all it holds.
pub(super) fn detail(sql: &Connection, tenant: TenantId, id: MailId) -> Result<Option<MailDetail>, StoreError> {
    let Some(row) = row(sql, tenant, id)? else { return Ok(None) };
    Ok(Some(MailDetail { content: readable(content(sql, id))?.ok(), row }))
}

/// What a mail holds.
pub(super) fn content(sql: &Connection, id: MailId) -> Result<MailContent, StoreError> {
    let packed: Vec<u8> = sql.prepare_cached(CONTENT)?.query_row([id.to_bytes()], |row| row.get(0))?;
    unpack_mail(&packed)
}

/// Tells rows that can't be read from a store that can't read: those are one mail's trouble. Within: why they can't be.
pub(super) fn readable<T>(read: Result<T, StoreError>) -> Result<Result<T, String>, StoreError> {
    match read {
        Ok(read) => Ok(Ok(read)),
        Err(StoreError::Internal(why)) => Ok(Err(why)),
        Err(error) => Err(error),
    }
}

/// The mails of a job, in the order they were asked for.
pub(in crate::store) fn mails_of_job(sql: &Connection, job: JobId) -> Result<Vec<MailRow>, StoreError> {
    rows(sql, OF_JOB, params![job.to_bytes(), OF_JOB_MAX])
}

/// What the audit log says of a mail.
pub(in crate::store) fn mail_facts(
    sql: &Connection,
    tenant: TenantId,
    id: MailId,
) -> Result<Option<Value>, StoreError> {
    let facts = |row: &Row<'_>| {
        let (state, attempts, next_at): (String, i64, Option<i64>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(json!({"state": state, "attempts": attempts, "next_at": next_at}))
    };
    Ok(sql.prepare_cached(FACTS)?.query_row(params![id.to_bytes(), tenant.0], facts).optional()?)
}

/// Who a mail is for, and how far it is with each.
pub(super) fn recipients(sql: &Connection, id: MailId) -> Result<Vec<Recipient>, StoreError> {
    let mut statement = sql.prepare_cached(RECIPIENTS)?;
    let mut rows = statement.query([id.to_bytes()])?;
    let mut recipients = Vec::new();
    while let Some(row) = rows.next()? {
        let (role, mailbox, state): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        recipients.push(Recipient {
            role: role.parse().map_err(StoreError::internal)?,
            mailbox: mailbox.parse().map_err(StoreError::internal)?,
            state: state.parse().map_err(StoreError::internal)?,
            answer: row.get(3)?,
        });
    }
    Ok(recipients)
}

/// The same to be shown, whatever stands there.
fn shown_recipients(sql: &Connection, id: MailId) -> Result<Vec<RecipientRow>, StoreError> {
    let mut statement = sql.prepare_cached(RECIPIENTS)?;
    let mut rows = statement.query([id.to_bytes()])?;
    let mut recipients = Vec::new();
    while let Some(row) = rows.next()? {
        let (role, mailbox, state): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (address, name) = match mailbox.parse::<Mailbox>() {
            Ok(mailbox) => (mailbox.address(), mailbox.name().map(str::to_owned)),
            Err(_) => (mailbox, None),
        };
        recipients.push(RecipientRow {
            role: role.parse().map_err(StoreError::internal)?,
            address,
            name,
            state: state.parse().map_err(StoreError::internal)?,
            answer: row.get(3)?,
        });
    }
    Ok(recipients)
}

fn rows(sql: &Connection, query: &str, of: &[&dyn rusqlite::ToSql]) -> Result<Vec<MailRow>, StoreError> {
    let mut statement = sql.prepare_cached(query)?;
    let read = statement.query_map(of, |row| Ok(mail(row)))?;
    let mut mails = read.map(|row| row?).collect::<Result<Vec<_>, StoreError>>()?;
    for mail in &mut mails {
        mail.recipients = shown_recipients(sql, mail.id)?;
    }
    Ok(mails)
}

fn mail(row: &Row<'_>) -> Result<MailRow, StoreError> {
    let state: String = row.get(5)?;
    let at =
        |column| -> Result<Option<Timestamp>, StoreError> { Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp)) };
    Ok(MailRow {
        id: MailId::from_bytes(row.get(0)?),
        job: JobId::from_bytes(row.get(1)?),
        message_id: row.get(2)?,
        sender: row.get(3)?,
        subject: row.get(4)?,
        state: state.parse().map_err(StoreError::internal)?,
        recipients: Vec::new(),
        attempts: row.get(6)?,
        next_at: at(7)?,
        give_up_at: at(8)?,
        error: row.get(9)?,
        created_at: Timestamp(row.get(10)?),
        ended_at: at(11)?,
    })
}

/// In which state a mail is.
pub(super) fn state_of(sql: &Connection, tenant: TenantId, id: MailId) -> Result<Option<MailState>, StoreError> {
    const STATE: &str = "SELECT state FROM mails WHERE id = ?1 AND tenant_id = ?2";
    let of = params![id.to_bytes(), tenant.0];
    let word: Option<String> = sql.prepare_cached(STATE)?.query_row(of, |row| row.get(0)).optional()?;
    word.map(|word| word.parse().map_err(StoreError::internal)).transpose()
}
