//! What is asked on a connection, each within its time: the host's tables, what is noted in them, and statements. Should a call be
//! dropped, or broken off, its connection goes with it.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use tokio_postgres::types::Type;

use super::cancel::CancelOnDrop;
use super::errors::{told, too_late};
use super::held::Held;
use super::values::{Received, Sent};
use crate::job::database::{Applied, RowRoom, STATEMENT_TIME_MAX, ScriptDigest, SqlRows, SqlValue};
use crate::job::{DatabaseError, Timestamp};
use crate::store::AppliedScript;

/// The host's tables. The lock, whose number means nothing, lets one make them at a time.
const TABLES: &str = "BEGIN; SELECT pg_advisory_xact_lock(8317266204953);
CREATE TABLE IF NOT EXISTS _stoker_migrations (number bigint PRIMARY KEY, sha256 bytea NOT NULL, applied_at bigint NOT NULL);
CREATE TABLE IF NOT EXISTS _stoker_steps (job bytea, name text, occurrence bigint, shape text NOT NULL, result text NOT NULL,
    at bigint NOT NULL, PRIMARY KEY (job, name, occurrence));
CREATE INDEX IF NOT EXISTS _stoker_steps_at ON _stoker_steps (at);
CREATE TABLE IF NOT EXISTS _stoker_attempts (job bytea PRIMARY KEY, lease bigint NOT NULL, at bigint NOT NULL);
CREATE INDEX IF NOT EXISTS _stoker_attempts_at ON _stoker_attempts (at);
COMMIT";
const HAS_TABLES: &str = "SELECT to_regclass('_stoker_attempts') IS NOT NULL";
const APPLIED: &str = "SELECT number, sha256, applied_at FROM _stoker_migrations ORDER BY number";

/// Notes are kept so long. No job sleeps longer at a time, and none is still going to ask that has not asked in this.
const KEEP: Duration = Duration::from_hours(400 * 24);
/// Old notes of each table that are removed at a time.
const PRUNED_MAX: i64 = 100;
// What somebody is at is not waited for.
const PRUNE: &str = "WITH
    attempts AS (DELETE FROM _stoker_attempts WHERE job IN
        (SELECT job FROM _stoker_attempts WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1),
    steps AS (DELETE FROM _stoker_steps WHERE (job, name, occurrence) IN
        (SELECT job, name, occurrence FROM _stoker_steps WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1)
    SELECT greatest((SELECT count(*) FROM attempts), (SELECT count(*) FROM steps))";

pub(super) type Said<T> = Result<T, DatabaseError>;

/// Whether something may still run, or come, after such an error.
pub(super) fn is_break(error: &DatabaseError) -> bool {
    !matches!(error, DatabaseError::Sql { .. } | DatabaseError::Busy(_))
}

/// Scripts that were applied.
pub(super) async fn applied(held: &mut Held) -> Said<Vec<AppliedScript>> {
    make_tables(held).await?;
    read_applied(held).await
}

pub(super) async fn read_applied(held: &Held) -> Said<Vec<AppliedScript>> {
    let found = rows(held, APPLIED, Vec::new()).await?;
    let script = |row: Vec<SqlValue>| match <[SqlValue; 3]>::try_from(row) {
        Ok([SqlValue::Integer(number), SqlValue::Blob(digest), SqlValue::Integer(at)]) => Some(AppliedScript {
            applied: Applied { number: number.try_into().ok()?, digest: ScriptDigest(digest.try_into().ok()?) },
            applied_at: Timestamp(at),
        }),
        Ok(_) | Err(_) => None,
    };
    let scripts: Option<Vec<AppliedScript>> = found.rows.into_iter().map(script).collect();
    scripts.ok_or_else(|| DatabaseError::refused("the table `_stoker_migrations` is not the host's"))
}

/// The host's tables, where they are not there yet.
pub(super) async fn make_tables(held: &mut Held) -> Said<()> {
    if held.has_tables().load(Ordering::Acquire) {
        return Ok(());
    }
    let has = rows(held, HAS_TABLES, Vec::new()).await?;
    if has.rows != [[SqlValue::Boolean(true)]] {
        held.in_transaction = true;
        batch(held, TABLES).await?;
        held.in_transaction = false;
    }
    held.has_tables().store(true, Ordering::Release);
    Ok(())
}

/// Removes some notes that are of no more use, now and then. That it can't be done is nobody's error.
pub(super) async fn prune(held: &Held, now: Timestamp) -> Said<()> {
    if !held.is_prune_due() {
        return Ok(());
    }
    let before = now.as_ms() - i64::try_from(KEEP.as_millis()).unwrap_or(i64::MAX);
    match rows(held, PRUNE, vec![SqlValue::Integer(before), SqlValue::Integer(PRUNED_MAX)]).await {
        Ok(pruned) if pruned.rows == [[SqlValue::Integer(PRUNED_MAX)]] => held.prune_again(),
        Ok(_) => {}
        Err(error) if is_break(&error) => return Err(error),
        Err(error) => tracing::warn!(%error, "old notes in a tenant's database on a server could not be removed"),
    }
    Ok(())
}

/// Statements of the host's, one after the other.
pub(super) async fn batch(held: &Held, sql: &str) -> Said<()> {
    run(held, held.connection().client.batch_execute(sql)).await
}

/// Runs one statement; how many rows it changed.
pub(super) async fn change(held: &Held, sql: &str, parameters: Vec<SqlValue>) -> Said<u64> {
    let client = &held.connection().client;
    let parameters: Vec<Sent> = parameters.into_iter().map(Sent).collect();
    let statement = run(held, client.prepare(sql)).await?;
    check_count(parameters.len(), statement.params())?;
    run(held, client.execute_raw(&statement, &parameters)).await
}

/// Runs one statement and gives its rows.
pub(super) async fn rows(held: &Held, sql: &str, parameters: Vec<SqlValue>) -> Said<SqlRows> {
    let client = &held.connection().client;
    let parameters: Vec<Sent> = parameters.into_iter().map(Sent).collect();
    let statement = run(held, client.prepare(sql)).await?;
    check_count(parameters.len(), statement.params())?;
    let columns: Vec<String> = statement.columns().iter().map(|column| column.name().to_owned()).collect();
    let width = columns.len();
    let collected = async {
        let found = client.query_raw(&statement, &parameters).await.map_err(|error| told(&error))?;
        let (mut found, mut rows, mut room) = (pin!(found), Vec::new(), RowRoom::default());
        while let Some(row) = found.next().await {
            let row = row.map_err(|error| told(&error))?;
            room.take_row().map_err(DatabaseError::Refused)?;
            let mut values = Vec::with_capacity(width);
            for place in 0..width {
                // Value by value: as text a number can be ten thousand times what it is on its way.
                let Received(value) = row.try_get(place).map_err(|error| unread(&error))?;
                room.take_value(&value).map_err(DatabaseError::Refused)?;
                values.push(value);
            }
            rows.push(values);
        }
        Ok(rows)
    };
    let rows = guarded(held, collected).await?;
    Ok(SqlRows { columns, rows })
}

fn unread(error: &tokio_postgres::Error) -> DatabaseError {
    DatabaseError::Refused(std::error::Error::source(error).map_or(error.to_string(), ToString::to_string))
}

async fn run<T>(held: &Held, work: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Said<T> {
    guarded(held, async { work.await.map_err(|error| told(&error)) }).await
}

/// Runs something on the connection; should this be dropped, or take too long, the server is asked to cancel it.
async fn guarded<T>(held: &Held, work: impl Future<Output = Said<T>>) -> Said<T> {
    let cancel = CancelOnDrop::of(held.connection(), &held.runtime);
    held.asks();
    held.connection().wire.begins();
    match tokio::time::timeout(STATEMENT_TIME_MAX, work).await {
        // What is left of a result that was too large is wanted by nobody.
        Ok(Err(error)) if is_break(&error) => Err(held.connection().wire.refusal().unwrap_or(error)),
        Ok(ran) => {
            cancel.disarm();
            held.is_answered();
            ran
        }
        Err(_elapsed) => Err(DatabaseError::Interrupted(too_late())),
    }
}

fn check_count(given: usize, expected: &[Type]) -> Said<()> {
    if given != expected.len() {
        let expected = expected.len();
        return Err(DatabaseError::refused(format!("the statement has {expected} parameters, and {given} are given")));
    }
    Ok(())
}
