//! The changes that are recorded, by what they change: what the row calls the thing, and what is compared.

use rusqlite::Connection;

use super::facts;
use super::record::{Entry, audited, record};
use crate::job::{
    BatchId, BucketName, DatabaseName, JobId, KindName, KvKey, MailId, MailState, ModuleName, OperationId, QueueName,
    ScheduleName, SecretName, TenantName,
};
use crate::store::catalog::TenantId;
use crate::store::databases::database_facts;
use crate::store::draft::Draft;
use crate::store::error::StoreError;
use crate::store::kv::kv_facts;
use crate::store::mail::mail_facts;
use crate::store::secrets::secret_facts;

/// What changes something.
type Change<T> = Result<T, StoreError>;

fn entry(tenant: TenantId, action: &'static str, what: &str, name: &impl std::fmt::Display) -> Entry {
    Entry { tenant: Some(tenant), action, object: format!("{what}/{name}") }
}

/// A job; `with_payload`: its payload may change.
pub(in crate::store) fn job<T>(
    sql: &Connection,
    draft: &mut Draft,
    (tenant, job): (TenantId, JobId),
    (action, with_payload): (&'static str, bool),
    change: impl FnOnce(&Connection, &mut Draft) -> Change<T>,
) -> Change<T> {
    let entry = entry(tenant, action, "job", &job);
    audited(sql, draft, &entry, |sql, draft| facts::job(sql, &draft.catalog, tenant, job, with_payload), change)
}

/// A queue.
pub(in crate::store) fn queue<T>(
    sql: &Connection,
    draft: &mut Draft,
    (tenant, name): (TenantId, &QueueName),
    action: &'static str,
    change: impl FnOnce(&Connection, &mut Draft) -> Change<T>,
) -> Change<T> {
    let entry = entry(tenant, action, "queue", name);
    audited(sql, draft, &entry, |_, draft| facts::queue(&draft.catalog, tenant, name), change)
}

/// A tenant itself: the host's thing, which is the admins' to see.
pub(in crate::store) fn tenant<T>(
    sql: &Connection,
    draft: &mut Draft,
    name: &TenantName,
    action: &'static str,
    change: impl FnOnce(&Connection, &mut Draft) -> Change<T>,
) -> Change<T> {
    let entry = Entry { tenant: None, action, object: format!("tenant/{name}") };
    audited(sql, draft, &entry, |_, draft| facts::tenant(&draft.catalog, name), change)
}

/// What an operator sets on a kind.
pub(in crate::store) fn kind<T>(
    sql: &Connection,
    draft: &mut Draft,
    (tenant, name): (TenantId, &KindName),
    action: &'static str,
    change: impl FnOnce(&Connection, &mut Draft) -> Change<T>,
) -> Change<T> {
    let entry = entry(tenant, action, "kind", name);
    audited(sql, draft, &entry, |_, draft| facts::kind(&draft.catalog, tenant, name), change)
}

/// A module: which versions it has, and which is active.
pub(in crate::store) fn module<T>(
    sql: &Connection,
    draft: &mut Draft,
    (tenant, name): (TenantId, &ModuleName),
    action: &'static str,
    change: impl FnOnce(&Connection, &mut Draft) -> Change<T>,
) -> Change<T> {
    let entry = entry(tenant, action, "module", name);
    audited(sql, draft, &entry, |sql, _| facts::module(sql, tenant, name), change)
}

/// A schedule.
pub(in crate::store) fn schedule<T>(
    sql: &Connection,
    draft: &mut Draft,
    (tenant, name): (TenantId, &ScheduleName),
    action: &'static str,
    change: impl FnOnce(&Connection, &mut Draft) -> Change<T>,
) -> Change<T> {
    let entry = entry(tenant, action, "schedule", name);
    audited(sql, draft, &entry, |sql, _| facts::schedule(sql, tenant, name), change)
}

/// A batch, or workflow.
pub(in crate::store) fn batch<T>(
    sql: &Connection,
    draft: &mut Draft,
    (tenant, id, is_workflow): (TenantId, BatchId, bool),
    action: &'static str,
    change: impl FnOnce(&Connection, &mut Draft) -> Change<T>,
) -> Change<T> {
    let entry = if is_workflow {
        let workflow = crate::job::WorkflowId::from_u128(id.as_u128());
        entry(tenant, action, "workflow", &workflow)
    } else {
        entry(tenant, action, "batch", &id)
    };
    audited(sql, draft, &entry, |sql, draft| facts::batch(sql, &draft.catalog, tenant, id, is_workflow), change)
}

/// An action on many jobs.
pub(in crate::store) fn operation<T>(
    sql: &Connection,
    draft: &mut Draft,
    (tenant, id): (TenantId, OperationId),
    action: &'static str,
    change: impl FnOnce(&Connection, &mut Draft) -> Change<T>,
) -> Change<T> {
    let entry = entry(tenant, action, "operation", &id);
    audited(sql, draft, &entry, |sql, _| facts::operation(sql, tenant, id), change)
}

/// A secret: that it is another one, never what it is.
pub(in crate::store) fn secret<T>(
    sql: &Connection,
    draft: &mut Draft,
    (tenant, name): (TenantId, &SecretName),
    action: &'static str,
    change: impl FnOnce(&Connection, &mut Draft) -> Change<T>,
) -> Change<T> {
    let entry = entry(tenant, action, "secret", name);
    audited(sql, draft, &entry, |sql, _| secret_facts(sql, tenant, name), change)
}

/// A mail.
pub(in crate::store) fn mail<T>(
    sql: &Connection,
    draft: &mut Draft,
    (tenant, id): (TenantId, MailId),
    action: &'static str,
    change: impl FnOnce(&Connection, &mut Draft) -> Change<T>,
) -> Change<T> {
    let entry = entry(tenant, action, "mail", &id);
    audited(sql, draft, &entry, |sql, _| mail_facts(sql, tenant, id), change)
}

/// Many mails, all of one state, that are to be sent. What changes them says how many there were.
pub(in crate::store) fn mails(
    sql: &Connection,
    draft: &mut Draft,
    (tenant, state): (TenantId, MailState),
    change: impl FnOnce(&Connection, &mut Draft) -> Change<usize>,
) -> Change<usize> {
    let entry = entry(tenant, "mail.send", "mails", &state);
    let changed = change(sql, draft)?;
    if changed > 0 {
        record(sql, draft, &entry, &None, &Some(serde_json::json!({"queued": changed})))?;
    }
    Ok(changed)
}

/// A database: where it is, never what is in it.
pub(in crate::store) fn database<T>(
    sql: &Connection,
    draft: &mut Draft,
    (tenant, name): (TenantId, &DatabaseName),
    action: &'static str,
    change: impl FnOnce(&Connection, &mut Draft) -> Change<T>,
) -> Change<T> {
    let entry = entry(tenant, action, "database", name);
    audited(sql, draft, &entry, |sql, _| database_facts(sql, tenant, name), change)
}

/// A bucket of the key-value store; the keys that change.
pub(in crate::store) fn kv<T>(
    sql: &Connection,
    draft: &mut Draft,
    (tenant, bucket, key): (TenantId, &BucketName, &KvKey),
    action: &'static str,
    change: impl FnOnce(&Connection, &mut Draft) -> Change<T>,
) -> Change<T> {
    let entry = Entry { tenant: Some(tenant), action, object: format!("kv/{bucket}/{key}") };
    let now_ms = draft.clock.now_ms();
    audited(sql, draft, &entry, |sql, _| kv_facts(sql, tenant, bucket, key, now_ms), change)
}
